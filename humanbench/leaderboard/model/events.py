"""What happened on the leaderboard, newest first: for the page of changes, its feed, and the history of a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.names import shown
from humanbench.results.cells import lists_by

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
PUBLISHED = "2023-06-18"
"""First day of CVPR 2023, where the paper was presented."""


@dataclass(frozen=True)
class Event:
    """`anchor` is permanent and unique, `link` leads from the site's top. The patterns hold for one that is read."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    anchor: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    text: str
    link: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_./#-]+$")]

    @property
    def stamp(self) -> str:
        """The date as a time, which feeds need."""
        return f"{self.date}T00:00:00Z"


def events_of(entries: Iterable[BoardEntry], withdrawn: Iterable[tuple[str, BoardEntry]] = ()) -> list[Event]:
    """An event per entry, one more per withdrawal (date and entry), and the paper's."""
    events = [
        _event(entry.date, entry, "entered", f"{entry.board.regime}, {_datasets_and_labels(entry)}")
        for entry in entries
    ]
    events += [_event(date, entry, "withdrawn", shown(entry.withdrawn, 200)) for date, entry in withdrawn]
    events.append(Event(PUBLISHED, "published", "The paper’s table 3", "150 published numbers", "published.html"))
    return sorted(events, key=lambda event: (event.date, event.anchor), reverse=True)


def day(text: str) -> str:
    """The text if it is a date, else the day of publication, so that a feed stays valid whatever a result says."""
    return text if _DAY.fullmatch(text) else PUBLISHED


def _event(date: str, entry: BoardEntry, what: str, text: str) -> Event:
    return Event(day(date), f"{what}-{entry.id}", entry.name, f"{what}: {text}", f"entries/{entry.id}.html")


def _datasets_and_labels(entry: BoardEntry) -> str:
    labels = f" ({', '.join(entry.board.labels)})" if entry.board.labels else ""
    return f"{len(entry.scores)} dataset{'s' * (len(entry.scores) != 1)}{labels}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def by_month(events: Iterable[Event]) -> list[tuple[str, str, list[Event]]]:
    """Events under the month they are of: its address, its name, and the events, in the order given."""
    months = lists_by((event.date[:7], event) for event in events)
    return [(key, f"{_MONTHS[(int(key[5:]) - 1) % 12]} {key[:4]}", in_month) for key, in_month in months.items()]
