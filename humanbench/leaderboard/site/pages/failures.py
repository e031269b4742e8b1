"""A page per entry whose predictions are shown: where it fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.site.failures import TaskFailures
from humanbench.leaderboard.site.pages.page import Content, Page

if TYPE_CHECKING:
    from humanbench.tasks.drawn import DrawnPicture


def _by_entry(content: Content) -> dict[str, tuple[BoardEntry, list[tuple[TaskFailures, BoardEntry | None]]]]:
    found: dict[str, tuple[BoardEntry, list[tuple[TaskFailures, BoardEntry | None]]]] = {}
    for one in content.samples.values():
        for entry, second, failures in one.failures:
            found.setdefault(entry.id, (entry, []))[1].append((failures, second))
    return found


def failing(content: Content) -> set[str]:
    """The entries that have such a page."""
    return set(_by_entry(content))


def failure_files(content: Content) -> Iterator[tuple[str, DrawnPicture]]:
    """The pictures with their places from the site's top."""
    for entry, parts in _by_entry(content).values():
        for failures, _ in parts:
            yield from failures.files(_place(entry, failures))


def _place(entry: BoardEntry, failures: TaskFailures) -> str:
    return f"failures/{entry.id}-{failures.card.task}"


def failures(content: Content) -> Iterable[Page]:
    """A page per entry."""
    for entry, parts in _by_entry(content).values():
        listed: list[dict[str, Any]] = []
        for one, second in parts:
            link = f"../entries/{second.id}.html" if second is not None else ""
            listed.append({**one.listed(_place(entry, one)), "link": link})
        context = {"entry": entry, "tasks": listed}
        yield Page(f"failures/{entry.id}.html", "failures.html.j2", f"Where {entry.name} fails", "", context)
