"""Drawn predictions on the page of their task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from humanbench.leaderboard.site.sample_selection import TaskSamples, label

if TYPE_CHECKING:
    from humanbench.leaderboard.site.sample_drawings import DrawnPicture

ABOUT = {
    "reid": "A query, and the first five gallery pictures of each entry’s ranking: a tick and a solid frame where the "
    "person is the same, a cross and a dashed frame where it is not. Pictures of the same person by the same camera "
    "are left out, as in the metric.",
    "pose": "The annotated skeletons, and as many predicted ones as people are annotated, those with the highest "
    "scores: orange is the person’s left side, blue the right one.",
    "parsing": "The annotated parts and the predicted ones, each region with its number.",
    "attribute": "What is annotated, and each entry’s probabilities, of attributes that the person has or that an "
    "entry gives at least 0.5.",
    "detection": "The annotated people (dashed: ignored), and as many predicted boxes as people are annotated, those "
    "with the highest scores: solid where one covers a person (IoU 0.5), dashed where none does.",
    "counting": "The annotated heads, and the predicted counts.",
}

LAYOUT = {"reid": "strips", "pose": "loose", "parsing": "loose", "detection": "loose"}
"""Classes of the style sheet: long pictures below each other, several in a row; else a picture beside a table."""


def sample_files(task: str, shown: TaskSamples) -> Iterator[tuple[str, DrawnPicture]]:
    """The pictures with their places from the site's top."""
    for number, sample in enumerate(shown.samples):
        for part, picture in enumerate(sample.pictures):
            yield _place(task, number, part), picture


def _place(task: str, number: int, part: int) -> str:
    return f"samples/{task}-{number + 1}-{part + 1}.webp"


def thumbnail(task: str, shown: TaskSamples) -> str:
    """A picture that stands for the task, from the site's top: of scenes the narrowest, of people the widest.

    These lose least in a small frame.
    """
    scenes = LAYOUT.get(task) == "loose"
    shapes = [sample.pictures[0].height / sample.pictures[0].width for sample in shown.samples]
    best = shapes.index(max(shapes) if scenes else min(shapes))
    return _place(task, best, int(scenes and len(shown.samples[best].pictures) > 1))


def samples(task: str, shown: TaskSamples) -> dict[str, Any]:
    """What the template needs."""
    return {
        "dataset": shown.card.id,
        "dataset_name": shown.card.name,
        "about": ABOUT[task],
        "entries": [(label(entry), f"entries/{entry.id}.html") for entry in shown.entries],
        "layout": LAYOUT.get(task, "even"),
        "list": [
            {
                "name": sample.name,
                "pictures": [(_place(task, n, part), picture) for part, picture in enumerate(sample.pictures)],
                "heads": sample.heads,
                "rows": sample.rows,
            }
            for n, sample in enumerate(shown.samples)
        ],
    }
