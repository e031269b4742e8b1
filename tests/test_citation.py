"""What a package index and a citation manager see: the same version, addresses that are whole, nothing invented."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import hatch_build
from humanbench import __version__

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "https://example.org/people/humanbench"


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_the_citation_is_of_this_version_and_names_the_benchmark() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == __version__
    assert (cited["title"], cited["license"]) == (project["name"], project["license"])
    assert [author["name"] for author in cited["authors"]] == [author["name"] for author in project["authors"]]
    (paper,) = cited["references"]
    assert paper["title"].startswith("HumanBench:")
    assert paper["url"] == hatch_build.PAPER


def test_an_index_gets_a_readme_whose_links_are_whole_and_lead_to_the_tag() -> None:
    shown = hatch_build.as_shown(README, ADDRESS, "1.2.3")
    relative = [link for link in links(README) if not link.startswith("http")]
    assert relative
    assert all(link.startswith("https://") for link in links(shown))
    for link in relative:
        kind = "raw" if link.endswith((".jpg", ".png", ".svg")) else "blob"
        assert f"({ADDRESS}/{kind}/v1.2.3/{link})" in shown


def test_without_an_address_nothing_is_guessed() -> None:
    shown = hatch_build.as_shown(README, "", "1.2.3")
    assert "![" not in shown
    assert [link for link in links(shown) if not link.startswith("https://")] == []
    assert set(hatch_build.addresses("")) == {"Paper of the benchmark"}


def test_an_address_that_is_none_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUMANBENCH_REPOSITORY", "github.com/people/humanbench")
    hook = hatch_build.CustomMetadataHook(str(ROOT), {})
    with pytest.raises(ValueError, match="expected https://HOST/OWNER/NAME"):
        hook.update({})
    monkeypatch.setenv("HUMANBENCH_REPOSITORY", f"{ADDRESS}/")
    metadata: dict[str, dict[str, str]] = {}
    hook.update(metadata)
    assert metadata["urls"]["Issues"] == f"{ADDRESS}/issues"
    assert f"v{__version__}/docs/" in metadata["readme"]["text"]


@pytest.mark.parametrize("form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*-*.yml")), ids=lambda p: p.stem)
def test_forms_of_issues_are_what_github_takes(form: Path) -> None:
    said = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(said)
    ids = [field["id"] for field in said["body"]]
    assert len(set(ids)) == len(ids)
    for field in said["body"]:
        assert field["type"] in ("textarea", "input", "dropdown")
        assert field["attributes"]["label"]
        assert field["type"] != "dropdown" or all(isinstance(text, str) for text in field["attributes"]["options"])


def test_a_check_of_pages_without_the_parser_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from humanbench.cli import main

    monkeypatch.setitem(sys.modules, "html5lib", None)
    monkeypatch.delitem(sys.modules, "humanbench.leaderboard.site.html_check", raising=False)
    done = CliRunner().invoke(main, ["leaderboard", "build", "--out", str(tmp_path / "site"), "--check"])
    assert done.exit_code == 2
    assert "pip install 'humanbench[check]'" in done.stderr
    assert not (tmp_path / "site").exists()
