"""The documentation as a site: built strictly, nothing from elsewhere, and read there as in the repository."""

from __future__ import annotations

import logging
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tools import docs_site

ROOT = Path(__file__).resolve().parents[1]
COUNTED = ("h1", "h2", "h3", "li", "table", "tr", "pre", "blockquote", "img")
"""Elements of which a page has as many on the site as in the repository."""


class Elements(HTMLParser):
    """What is in a page: elements within its article (or anywhere, for a fragment), links, and what it loads."""

    def __init__(self, text: str, whole: bool) -> None:
        super().__init__()
        self.inside = not whole
        self.count: Counter[str] = Counter()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        self.ids |= {about["id"]} if "id" in about else set()
        self.inside = self.inside or tag == "article"
        if self.inside:
            self.count[tag] += 1
        if tag == "a":
            self.links.append(about.get("href", ""))
        elif tag in ("script", "img", "iframe") or (tag == "link" and about.get("rel") != "canonical"):
            self.loads += [about[name] for name in ("src", "href") if about.get(name)]

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self.inside = False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="MkDocs is not installed (extra docs)")
    pytest.importorskip("material", reason="the theme of the site is not installed (extra docs)")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed (extra docs)")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    out = tmp_path_factory.mktemp("docs") / "site"
    level = logging.getLogger("mkdocs").level
    try:
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(out)))  # a warning ends it: `strict` in mkdocs.yml
    finally:
        logging.getLogger("mkdocs").setLevel(level)
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Elements]:
    """The pages by their addresses."""
    texts = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    return {name: Elements(text, whole=True) for name, text in texts.items()}


def source_of(name: str) -> Path:
    """The page in the repository; `index.html` is a README."""
    page = re.sub(r"(^|/)index\.html$", r"\1README.html", name).removesuffix(".html") + ".md"
    return ROOT / docs_site.source(page)


@pytest.mark.xdist_group("docs-site")
def test_nothing_is_loaded_from_elsewhere(pages: dict[str, Elements]) -> None:
    elsewhere = {(name, to) for name, page in pages.items() for to in page.loads if urlsplit(to).netloc}
    assert elsewhere == set()


@pytest.mark.xdist_group("docs-site")
def test_links_of_the_site_lead_to_pages_and_places_on_it(site: Path, pages: dict[str, Elements]) -> None:
    """The strict build finds dead links of the Markdown; these are all, those of the theme and the reference too."""
    dead = []
    for name, page in pages.items():
        for link in page.links if name != "404.html" else ():
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            there = target.resolve().relative_to(site.resolve()).as_posix()
            missing = parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].ids
            if not target.is_file() or (missing and parts.fragment != "__top"):
                dead.append((name, link))
    assert dead == []


@pytest.mark.xdist_group("docs-site")
def test_a_page_has_the_same_lists_tables_and_code_as_in_the_repository(pages: dict[str, Elements]) -> None:
    """Two dialects of Markdown read these pages; where they differ, a list is a paragraph on one of the two."""
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    github = markdown_it.MarkdownIt("commonmark").enable("table")
    compared = 0
    for name, page in pages.items():
        path = source_of(name)
        if not path.is_file():
            continue
        there = Elements(github.render(path.read_text(encoding="utf-8")), whole=False).count
        assert {tag: page.count[tag] for tag in COUNTED} == {tag: there[tag] for tag in COUNTED}, name
        compared += 1
    assert compared > 40


@pytest.mark.xdist_group("docs-site")
def test_every_metric_is_in_the_reference(pages: dict[str, Elements]) -> None:
    from humanbench import metrics

    assert {
        name for name in metrics._WHERE if not any(i.endswith(f".{name}") for i in pages["reference.html"].ids)
    } == set()


@pytest.mark.xdist_group("docs-site")
def test_examples_in_docstrings_are_code(site: Path) -> None:
    text = (site / "reference.html").read_text(encoding="utf-8")
    assert "&gt;&gt;&gt; " in text
    assert "<blockquote>" not in text


def test_links_are_those_of_the_site() -> None:
    text = "[a](../CHANGELOG.md) [b](tasks/pose.md#deviations-and-gaps) [c](../LICENSE) [d](https://a.b/c)"
    shown = "[a](changelog.md) [b](tasks/pose.md#deviations-and-gaps) c [d](https://a.b/c)"
    assert docs_site.for_site(f"{text} `[e](../LICENSE)`", "eval.md") == f"{shown} `[e](../LICENSE)`"
    assert docs_site.for_site("![x](docs/images/board.jpg)", "front-page.md") == "![x](images/board.jpg)"
    assert docs_site.for_site("[`x`](../../docs/extending.md)", "seventh-task.md") == "[`x`](extending.md)"
    assert docs_site.for_site("[n](notebooks/first_run.ipynb)", "README.md") == "[n](notebooks/first_run.md)"


def test_a_dead_link_stays_for_the_build_to_find() -> None:
    assert docs_site.for_site("[a](no-such-page.md)", "eval.md") == "[a](no-such-page.md)"
