"""Drawn predictions on the page of their task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from humanbench.leaderboard.site.sample_selection import TaskSamples, label

if TYPE_CHECKING:
    from humanbench.tasks.drawn import DrawnPicture


def sample_files(shown: TaskSamples) -> Iterator[tuple[str, DrawnPicture]]:
    """The pictures with their places from the site's top."""
    for number, sample in enumerate(shown.samples):
        for part, picture in enumerate(sample.pictures):
            yield _place(shown.card.task, number, part), picture


def _place(task: str, number: int, part: int) -> str:
    return f"samples/{task}-{number + 1}-{part + 1}.webp"


def thumbnail(shown: TaskSamples) -> str:
    """A picture that stands for the task, from the site's top: of scenes the narrowest, of people the widest.

    These lose least in a small frame.
    """
    scenes = shown.drawing.layout == "loose"
    shapes = [sample.pictures[0].height / sample.pictures[0].width for sample in shown.samples]
    best = shapes.index(max(shapes) if scenes else min(shapes))
    return _place(shown.card.task, best, int(scenes and len(shown.samples[best].pictures) > 1))


def samples(shown: TaskSamples) -> dict[str, Any]:
    """What the template needs."""
    return {
        "dataset": shown.card.id,
        "dataset_name": shown.card.name,
        "about": shown.drawing.caption,
        "entries": [(label(entry), f"entries/{entry.id}.html") for entry in shown.entries],
        "failing": [(label(entry), f"failures/{entry.id}.html#{shown.card.task}") for entry, _, _ in shown.failures],
        "layout": shown.drawing.layout,
        "list": [
            {
                "name": sample.name,
                "pictures": [
                    (_place(shown.card.task, n, part), picture) for part, picture in enumerate(sample.pictures)
                ],
                "heads": sample.heads,
                "rows": sample.rows,
                "legend": sample.legend,
            }
            for n, sample in enumerate(shown.samples)
        ],
    }
