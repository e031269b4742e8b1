"""Writing the site: pages from templates, raw data, assets, the feed."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from humanbench._version import __version__
from humanbench.by_group import SubgroupReport
from humanbench.errors import HumanbenchError
from humanbench.files import beside
from humanbench.leaderboard.model.boards import boards
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.model.events import Event
from humanbench.leaderboard.model.published import load_published
from humanbench.leaderboard.site import changes, charts, rawdata
from humanbench.leaderboard.site.pages import Content, Page, pages
from humanbench.leaderboard.site.pages.compare import compare_files
from humanbench.leaderboard.site.pages.drawn import picture_files
from humanbench.leaderboard.site.sample_selection import TaskSamples
from humanbench.leaderboard.site.shared_work import do_all
from humanbench.leaderboard.site.tables import hue
from humanbench.paths import shipped

NAVIGATION = (
    ("index", "Boards", "index.html"),
    ("backbones", "Backbones", "backbones.html"),
    ("compare", "Compare", "compare.html"),
    ("published", "Published", "published.html"),
    ("datasets", "Datasets", "datasets.html"),
    ("reading", "Guide", "reading.html"),
    ("changes", "Changes", "changes.html"),
)
MARK = ".humanbench-leaderboard"
"""A file in every site, which tells that its folder may be replaced by the next one."""


_MANY = 100
"""Entries of which the pages are worth a second process."""


class SiteError(HumanbenchError):
    """A site cannot be written where it should be, or what is there is none."""


@dataclass(frozen=True)
class Site:
    """What was written: its folder, how many pages, the entries on them, and what was left out and why."""

    folder: Path
    pages: int
    entries: int
    left_out: tuple[str, ...] = ()

    @property
    def front(self) -> Path:
        """The first page."""
        return self.folder / "index.html"


def build_site(
    out: Path,
    entries: Sequence[BoardEntry],
    events: Sequence[Event],
    samples: Mapping[str, TaskSamples] | None = None,
    groups: Mapping[str, SubgroupReport] | None = None,
) -> Site:
    """Write the site into `out`: all of it or, on an error, nothing. The same input gives the same bytes.

    `samples` are drawn predictions by task, `groups` metrics by group by the SHA-256 of the predictions. Raises
    `SiteError` where `out` holds something that is not an earlier site.
    """
    out = replaceable(out, MARK, "a leaderboard")
    content, state = _since(out, Content(boards(entries), entries, events, samples or {}, groups or {}))
    with uncollected(), replacing_folder(out) as folder:
        (folder / MARK).write_text(f"{__version__}\n", encoding="utf-8")
        others = (partial(_write_data, folder, content), partial(_write_samples, folder, content))
        do_all([*_pages(folder, content), *others], two=len(entries) >= _MANY)
        _write(folder / changes.STATE, state.to_json())
        count = sum(1 for _ in folder.rglob("*.html"))
    out.chmod(0o755)
    return Site(out, count, len(entries))


def replaceable(out: Path, mark: str, what: str) -> Path:
    """The folder to write, if it is new or empty or bears this mark; else `SiteError` says that it is not `what`."""
    out = out.expanduser().absolute()
    if out.exists() and not (out.is_dir() and ((out / mark).is_file() or not any(out.iterdir()))):
        raise SiteError(f"{out}: holds something that is not {what}; give --out an empty or new folder")
    return out


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """A new folder with the style sheets and scripts of all pages, which takes the place of `out` after the block."""
    with beside(out) as place:
        folder = place / "new"
        shutil.copytree(shipped("leaderboard") / "static", folder / "static")
        yield folder
        if out.exists():
            out.rename(place / "before")
        folder.rename(out)


def _since(out: Path, content: Content) -> tuple[Content, changes.SiteState]:
    """The content with the events of all builds of the folder, and the state to keep.

    Raises `HumanbenchError` for a state that cannot be read: a new one in its place would lose the history of builds.
    """
    try:
        before = changes.read_state(out)
    except ValueError as error:
        raise HumanbenchError(
            f"{out / changes.STATE}: {error}; it holds the history of the builds of this site, so nothing was built; "
            "put it right, or take it away to begin the history anew"
        ) from error
    state = changes.with_events(before, changes.state_of(content), changes.today())
    every = [*content.events, *state.events]
    every.sort(key=lambda event: (event.date, event.anchor), reverse=True)
    return replace(content, events=every), state


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: what is made here is many small objects without cycles."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _pages(folder: Path, content: Content) -> list[Callable[[], None]]:
    """What writes the pages, and the feed."""
    environment = templates()

    def write(group: Callable[[], Iterable[Page]]) -> None:
        for page in group():
            _write(folder / page.path, environment.get_template(page.template).render(_context(page)))

    def write_feed() -> None:
        updated = content.events[0].stamp if content.events else "2023-06-18T00:00:00Z"
        feed = environment.get_template("changes.xml.j2")
        _write(folder / "changes.xml", feed.render(events=content.events[:100], updated=updated))

    return [*(partial(write, group) for group in pages(content)), write_feed]


def templates() -> Environment:
    """The templates' environment: everything is escaped, and a name that is not given is an error."""
    environment = Environment(
        loader=FileSystemLoader(shipped("leaderboard") / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["marker"] = lambda number: Markup(charts.marker(number, 15, 6, 4))
    environment.globals["hue"] = hue
    environment.globals["version"] = __version__
    environment.globals["navigation"] = NAVIGATION
    return environment


def _context(page: Page) -> dict[str, Any]:
    return {**page.context, "title": page.title, "here": page.here, "root": page.root}


def _write_data(folder: Path, content: Content) -> None:
    rows = list(rawdata.rows_of(content.entries))
    _write(folder / "data/results.csv", rawdata.csv_of(rows))
    _write(folder / "data/results.json", rawdata.json_of(rows))
    names = ("method", "backbone", "regime", "dataset", "metric", "higher_is_better", "value")
    published = [{name: getattr(number, name) for name in names} for number in load_published()]
    _write(folder / "data/published.csv", rawdata.csv_of(published, names))
    _write(folder / "data/published.json", rawdata.json_of(published))
    for entry in content.entries:
        _write(folder / f"data/entries/{entry.id}.json", rawdata.entry_json(entry))
    for path, text in compare_files(content):
        _write(folder / path, text)
    for board in content.boards:
        for scenario in (None, *board.scenarios()):
            name = board.key.slug if scenario is None else f"{board.key.slug}-{scenario}"
            for one in board.ranked(scenario):
                _write(folder / f"data/boards/{name}-{one.evidence}.csv", rawdata.board_csv(one))


def _write_samples(folder: Path, content: Content) -> None:
    for path, picture in picture_files(content):
        _write(folder / path, picture.data)


def _write(path: Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    try:
        path.write_bytes(data)
    except FileNotFoundError:  # the first one of its folder
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
