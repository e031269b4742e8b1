"""`leaderboard build --check`: HTML by the standard, links that lead somewhere, ids that are there once.

Parse errors are those of the HTML standard's own algorithm (html5lib). Addresses outside the site are not fetched, but
only http and https ones may occur.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from humanbench.errors import HumanbenchError
from humanbench.progress import track

try:
    import html5lib
except ImportError as error:  # so whoever asks for a check is told before a site is built
    raise HumanbenchError("--check needs html5lib: pip install 'humanbench[check]'") from error

_REFERENCES = ("aria-labelledby", "aria-describedby", "for")
_LINKS = {"a": "href", "link": "href", "script": "src", "img": "src"}
_SVG = "{http://www.w3.org/2000/svg}"
_ATOM = "{http://www.w3.org/2005/Atom}"


def problems(site: Path) -> list[str]:
    """What is wrong with the pages and the feed of a site, each with its file; empty if nothing is."""
    site = site.resolve()
    pages = {path: _Document(path) for path in track(sorted(site.rglob("*.html")), text="checking pages")}
    faults = [f"{p.relative_to(site)}: {text}" for p, page in pages.items() for text in page.problems()]
    for path, page in pages.items():
        for element, link in page.links:
            if wrong := _wrong_link(site, path, link, pages):
                faults.append(f"{path.relative_to(site)}: <{element}> leads to {link!r}, {wrong}")
    return faults + list(_feed(site, pages))


class _Document:
    """A parsed page."""

    def __init__(self, path: Path) -> None:
        parser = html5lib.HTMLParser(namespaceHTMLElements=False)
        root = parser.parse(path.read_text(encoding="utf-8"))
        self.errors = [f"line {line}: {code} {data or ''}".rstrip() for (line, _), code, data in parser.errors]
        self.elements = [e for e in root.iter() if isinstance(e.tag, str)]
        self.root = root
        self.ids = Counter(e.attrib["id"] for e in self.elements if "id" in e.attrib)
        self.links = [
            (tag, e.attrib[name])
            for e in self.elements
            if (name := _LINKS.get(tag := e.tag.removeprefix(_SVG))) and name in e.attrib
        ]

    def problems(self) -> Iterator[str]:
        yield from self.errors
        yield from (f"the id {name!r} occurs {count} times" for name, count in self.ids.items() if count > 1)
        yield from (f"the id {name!r} holds a space" for name in self.ids if name.split() != [name])
        for element in self.elements:
            for name in _REFERENCES:
                for target in element.attrib.get(name, "").split():
                    if target not in self.ids:
                        yield f"<{element.tag}> {name} names {target!r}, which is not there"
            if element.tag == "img" and "alt" not in element.attrib:
                yield "<img> without alt"
            if any(name.startswith("on") for name in element.attrib) or "style" in element.attrib:
                yield f"<{element.tag}> holds inline script or style"
        title = self.root.find(".//title")
        if title is None or not (title.text or "").strip():
            yield "no title"
        if not self.root.attrib.get("lang"):
            yield "no language"
        if len(list(self.root.iter("h1"))) != 1:
            yield "not exactly one h1"


def _wrong_link(site: Path, page: Path, link: str, pages: dict[Path, _Document]) -> str:
    """Why the link is dead, empty if it is not."""
    parts = urlsplit(link)
    if parts.scheme in ("http", "https"):
        return "" if parts.netloc else "an address without a host"
    if parts.scheme or parts.netloc or link.startswith("/"):
        return "which is neither relative nor http"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(site):
        return "which is outside the site"
    if not target.is_file():
        return "which is not there"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        return "whose anchor is not there"
    return ""


def _feed(site: Path, pages: dict[Path, _Document]) -> Iterator[str]:
    path = site / "changes.xml"
    try:
        root = ET.parse(path).getroot()  # our own file; entities are not declared in it
    except (ET.ParseError, OSError) as error:
        yield f"{path.name}: not a feed ({error})"
        return
    names = [entry.findtext(f"{_ATOM}id", "") for entry in root.iter(f"{_ATOM}entry")]
    yield from (f"{path.name}: the id {name!r} occurs {n} times" for name, n in Counter(names).items() if n > 1)
    for link in root.iter(f"{_ATOM}link"):
        if wrong := _wrong_link(site, path, link.attrib["href"], pages):
            yield f"{path.name}: leads to {link.attrib['href']!r}, {wrong}"
