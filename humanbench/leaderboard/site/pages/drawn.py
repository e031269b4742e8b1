"""Drawn predictions on the page of their task, and a page per entry whose predictions are shown: where it fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.site.failures import TaskFailures, picture_paths
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.sample_selection import TaskSamples, label
from humanbench.results.cells import lists_by
from humanbench.tasks.drawn import DrawnPicture


def picture_files(content: Content) -> Iterator[tuple[str, DrawnPicture]]:
    """All pictures with their places from the site's top."""
    for shown in content.samples.values():
        yield from chain.from_iterable(_paths(shown))
        for entry, _, of_task in shown.failures:
            yield from of_task.files(_place(entry, of_task))


def _paths(shown: TaskSamples) -> list[list[tuple[str, DrawnPicture]]]:
    return picture_paths(f"samples/{shown.card.task}", shown.samples)


def thumbnail(shown: TaskSamples) -> str:
    """A picture that stands for the task, from the site's top: of scenes the narrowest, of people the widest.

    These lose least in a small frame.
    """
    scenes = shown.drawing.layout == "loose"
    shapes = [sample.pictures[0].height / sample.pictures[0].width for sample in shown.samples]
    best = shapes.index(max(shapes) if scenes else min(shapes))
    return _paths(shown)[best][int(scenes and len(shown.samples[best].pictures) > 1)][0]


def samples(shown: TaskSamples) -> dict[str, Any]:
    """What the template of a task needs."""
    return {
        "dataset": shown.card.id,
        "dataset_name": shown.card.name,
        "about": shown.drawing.caption,
        "entries": [(label(entry), f"entries/{entry.id}.html") for entry in shown.entries],
        "failing": [(label(entry), f"failures/{entry.id}.html#{shown.card.task}") for entry, _, _ in shown.failures],
        "layout": shown.drawing.layout,
        "list": [
            {name: getattr(sample, name) for name in ("heads", "rows", "legend")} | {"pictures": pictures}
            for sample, pictures in zip(shown.samples, _paths(shown), strict=True)
        ],
    }


def failing(content: Content) -> set[str]:
    """The entries that have a page of where they fail."""
    return {entry.id for shown in content.samples.values() for entry, _, _ in shown.failures}


def _place(entry: BoardEntry, of_task: TaskFailures) -> str:
    return f"failures/{entry.id}-{of_task.card.task}"


def failures(content: Content) -> Iterable[Page]:
    """A page per entry."""
    parts = [part for shown in content.samples.values() for part in shown.failures]
    for of_entry in lists_by((part[0].id, part) for part in parts).values():
        tasks = []
        for entry, second, one in of_entry:
            link = f"../entries/{second.id}.html" if second is not None else ""
            tasks.append({**one.listed(_place(entry, one)), "link": link})
        context = {"entry": entry, "tasks": tasks}
        yield Page(f"failures/{entry.id}.html", "failures.html.j2", f"Where {entry.name} fails", "", context)
