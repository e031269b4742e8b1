"""The pages: one for everything that has a name, true to the software, with links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from humanbench.cli import _VERBS, main
from humanbench.recipes import variants
from humanbench.regimes import REGIMES, Regime
from humanbench.tasks.registry import task_names
from tools import doc_blocks

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its code."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"^ {4}.*$", "", text, flags=re.M)


def anchors(page: Path) -> set[str]:
    """Addresses of the headings, as GitHub makes them."""
    found = set()
    for title in re.findall(r"^#+ (.+)$", prose(page), flags=re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", doc_blocks.pages(), ids=name_of)
def test_what_pages_take_from_the_software_is_what_it_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert doc_blocks.filled(text) == text, "run `python -m tools.doc_blocks`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{name_of(page)} leads to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} leads to {link}"


def test_every_page_is_linked_from_the_front_page_or_the_index() -> None:
    start = [ROOT / "README.md", DOCS / "README.md"]
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in start
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    assert [name_of(p) for p in PAGES if p not in linked and p not in start] == []


def test_every_page_has_its_place_on_the_site() -> None:
    """What the strict build of the site holds too, where MkDocs is there."""
    placed = set(re.findall(r"^ +- (?:.+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.M))
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert pages - placed == set(), "add them to `nav` in mkdocs.yml"


@pytest.mark.parametrize("verb", _VERBS)
def test_every_verb_has_a_page_with_its_options(verb: str) -> None:
    assert f"<!-- help {verb} -->" in (DOCS / f"{verb}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("task", task_names())
def test_every_task_has_a_page(task: str) -> None:
    text = (DOCS / "tasks" / f"{task}.md").read_text(encoding="utf-8")
    for block in ("datasets", "definitions", "recipes", "settings", "notes"):
        assert f"<!-- {block} {task} -->" in text


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_every_protocol_has_a_page_that_says_what_deviates(regime: Regime) -> None:
    text = (DOCS / "protocols" / f"{regime.name}.md").read_text(encoding="utf-8")
    assert "## Deviations from the paper, and why" in text
    assert not regime.fits or f"<!-- recipes all {regime.name} -->" in text


def test_every_variant_has_its_section() -> None:
    text = (DOCS / "protocols" / "variants.md").read_text(encoding="utf-8")
    known = {name for task in task_names() for name in variants(task)}
    assert known == set(re.findall(r"<!-- variant (\w+) -->", text))
    for name in known:
        assert f"## `{name}`\n" in text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_pages_name_are_there(page: Path) -> None:
    """What stands for any file is in capitals: `protocols/TASK.toml`."""
    named = re.findall(
        r"`((?:humanbench|protocols|datasets|baselines|tools|tests|bench)/[\w./-]*)`", page.read_text(encoding="utf-8")
    )
    real = [path for path in named if not re.search(r"[A-Z]{2,}", path)]
    assert [path for path in real if not (ROOT / path).exists()] == []


def commands(page: Path) -> Iterator[str]:
    """Lines of `humanbench …` in the page's code, and in its running text."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<!-- help.*?<!-- /help -->", "", text, flags=re.S)
    text = re.sub(r" \\\n +", " ", text)  # a command over several lines
    yield from re.findall(r"^ {4}(?:\$ )?(?:.* -m )?(humanbench .*)$", text, flags=re.M)
    yield from re.findall(r"`(humanbench [^`\n]+)`", text)


def words_of(line: str) -> list[str]:
    """Words of a command: optional parts count, comments and what is left open do not."""
    line = re.sub(r"[\[\]]", " ", re.split("[#>|]", line)[0])
    return [word for word in shlex.split(line) if word not in ("…", "...", "\\")]


def unknown_options(words: list[str]) -> list[str]:
    """Options that the command does not have."""
    command: click.Command = main
    context = click.Context(command, info_name="humanbench")
    rest = words[1:]
    while rest and isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        if found is None:
            return [] if re.fullmatch(r"[A-Z]+|\w+\|[\w|]+|-.*", rest[0]) else [rest[0]]
        command, rest = found, rest[1:]
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help", "-h", "--version"}
    return [word for word in rest if word.startswith("-") and word.split("=")[0] not in known]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_have_the_options_that_pages_give_them(page: Path) -> None:
    found = {line: wrong for line in commands(page) if (wrong := unknown_options(words_of(line)))}
    assert found == {}


def test_a_wrong_command_would_be_found() -> None:
    assert unknown_options(words_of("humanbench eval --backbone x --no-such")) == ["--no-such"]
    assert unknown_options(words_of("humanbench evaluate --backbone x")) == ["evaluate"]
    assert unknown_options(words_of("humanbench leaderboard build runs/* --out site  # the site")) == []
