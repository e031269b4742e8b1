"""What changed since the last build of a site's folder: ranks, entries, numbers, metrics, the software itself.

A site keeps what it showed (`data/state.json`); the next build of the folder is held against it. What has changed then
becomes events, which the state keeps too. A first build, and one in which nothing has changed, has no new ones, so the
same input gives the same bytes. The date is the day of the build (`SOURCE_DATE_EPOCH`, where it is set).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from humanbench._version import __version__
from humanbench.cards import cards, load_card
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.model.events import Event
from humanbench.leaderboard.site.pages.compare import table_name, table_title
from humanbench.leaderboard.site.pages.page import Content
from humanbench.leaderboard.site.tables import number
from humanbench.names import shown
from humanbench.results.columns import main_metric, short_name
from humanbench.schema import Record

STATE = "data/state.json"
NAMED = 8
"""What is named of a kind; the rest is counted."""
KEPT = 400
"""Events that a state keeps, from the newest."""


class KnownEntry(Record):
    """An entry: its numbers by dataset, and the versions of humanbench that they were computed by."""

    name: str
    withdrawn: str
    values: dict[str, float]
    versions: tuple[str, ...]


class KnownTable(Record):
    """A table of a board: what it is called, where it is, and the overall rank by entry."""

    title: str
    link: str
    ranks: dict[str, int]


class SiteState(Record):
    """What a site showed, and the events of all builds of its folder, the newest first."""

    schema_version: int = 1
    humanbench: str
    metrics: dict[str, str]
    tables: dict[str, KnownTable]
    entries: dict[str, KnownEntry]
    events: tuple[Event, ...] = ()

    def to_json(self) -> str:
        """One JSON document in one line."""
        return self.model_dump_json() + "\n"


def read_state(site: Path) -> SiteState | None:
    """The state of an earlier site; None where there is none. `ValueError` for one that is none of this version."""
    try:
        document = json.loads((site / STATE).read_bytes())
        if isinstance(document, dict) and document.get("schema_version") != 1:
            raise ValueError("it is of another version")
        return SiteState.model_validate(document)
    except FileNotFoundError:
        return None
    except (ValidationError, RecursionError) as error:
        raise ValueError("it is not what a site keeps") from error


def state_of(content: Content) -> SiteState:
    """What the site shows now, without events."""
    tables = {}
    for board, one in content.ranked:
        ranks = {entry.id: int(rank) for entry, rank in zip(one.entries, one.ranking.rank, strict=True)}
        tables[table_name(board, one)] = KnownTable.model_construct(
            title=table_title(board, one), link=f"boards/{board.key.slug}.html", ranks=ranks
        )
    datasets = sorted({name for entry in content.entries for name in entry.scores})
    metrics = {name: main_metric(name) for name in datasets}
    entries = {entry.id: _entry(entry) for entry in content.entries}
    return SiteState.model_construct(humanbench=__version__, metrics=metrics, tables=tables, entries=entries, events=())


def _entry(entry: BoardEntry) -> KnownEntry:
    values = {name: score.value for name, score in entry.scores.items() if math.isfinite(score.value)}
    versions = sorted({shown(r.provenance.humanbench, 30) for r in entry.results if r.provenance})
    withdrawn = shown(entry.withdrawn, 200)
    return KnownEntry.model_construct(name=entry.name, withdrawn=withdrawn, values=values, versions=tuple(versions))


def today() -> str:
    """The day of this build."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(given) if given.isdecimal() and len(given) < 12 else datetime.now(UTC).timestamp()
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def with_events(before: SiteState | None, now: SiteState, day: str) -> SiteState:
    """The state with the events of earlier builds and what is new since."""
    if before is None:
        return now
    changes = list(_changes(before, now))
    start = 1 + max((int(event.anchor.split("-")[1]) for event in before.events), default=0)
    new = [
        Event(date=day, anchor=f"build-{start}-{place}", title=title, text=text, link=link)
        for place, (title, text, link) in enumerate(changes)
    ]
    return now.model_copy(update={"events": (*new, *before.events)[:KEPT]})


_Change = tuple[str, str, str]
"""Title, text, and where it leads."""


def _changes(before: SiteState, now: SiteState) -> Iterator[_Change]:
    if before.humanbench != now.humanbench:
        text = f"builds the site now, before it was {before.humanbench}"
        yield f"humanbench {now.humanbench}", text, "changes.html"
    for name in sorted(before.metrics.keys() & now.metrics.keys()):
        if before.metrics[name] != now.metrics[name]:
            text = f"is ranked by {now.metrics[name]}, before by {before.metrics[name]}"
            yield _short(name), text, f"datasets/{name}.html"
    yield from _entries(before, now)
    for name in now.tables:
        if name in before.tables:
            yield from _moves(before, now, name)


def _entries(before: SiteState, now: SiteState) -> Iterator[_Change]:
    new = [one.name for key, one in now.entries.items() if key not in before.entries]
    if new:
        yield ("New entry" if len(new) == 1 else f"{len(new)} new entries"), _listed(new), "index.html"
    gone = [one.name for key, one in before.entries.items() if key not in now.entries]
    if gone:
        yield "No longer given", _listed(gone), "index.html"
    for key in (key for key in now.entries if key in before.entries):
        old, one = before.entries[key], now.entries[key]
        if one.withdrawn and not old.withdrawn:
            yield one.name, f"withdrawn: {one.withdrawn}", f"entries/{key}.html"
        both = [name for name in one.values if name in old.values]
        moved = [name for name in both if abs(one.values[name] - old.values[name]) > 1e-9]
        added = [_short(name) for name in one.values if name not in old.values]
        if moved:
            numbers = [f"{_short(n)} {number(old.values[n], 2)} → {number(one.values[n], 2)}" for n in moved]
            made = "" if one.versions == old.versions else f", computed by humanbench {', '.join(one.versions)}"
            yield one.name, f"other numbers: {_listed(numbers)}{made}", f"entries/{key}.html"
        if added:
            yield one.name, f"new datasets: {_listed(added)}", f"entries/{key}.html"


def _moves(before: SiteState, now: SiteState, table: str) -> Iterator[_Change]:
    """Who stands on another rank of a table than before, the best first."""
    old, ranks = before.tables[table].ranks, now.tables[table].ranks
    moved = sorted((rank, key) for key, rank in ranks.items() if key in old and old[key] != rank)
    texts = [f"{now.entries[key].name} {old[key]} → {rank}" for rank, key in moved]
    if texts:
        shown_table = now.tables[table]
        yield f"Ranks: {shown_table.title}", _listed(texts), shown_table.link


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - NAMED
    return ", ".join(texts[:NAMED]) + (f", and {more} more" if more > 0 else "")


def _short(dataset: str) -> str:
    return short_name(load_card(dataset)) if dataset in cards() else shown(dataset, 40)
