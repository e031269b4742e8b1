"""Where an entry fails: the test units that are furthest off, beside their labels and another entry's predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.names import shown
from humanbench.tasks.drawn import DrawnPicture, DrawnSample, Guess
from humanbench.tasks.registry import task_for

WORST = 10
"""Test units that are shown."""


def picture_paths(place: str, samples: Sequence[DrawnSample]) -> list[list[tuple[str, DrawnPicture]]]:
    """The pictures of each sample with their paths, which begin with `place`."""
    return [
        [(f"{place}-{number}-{part}.webp", picture) for part, picture in enumerate(sample.pictures, 1)]
        for number, sample in enumerate(samples, 1)
    ]


@dataclass(frozen=True)
class TaskFailures:
    """The worst units on a dataset, the worst first: drawn, and how far off the first entry is in words.

    `second`: whose predictions stand beside it; empty for nobody's.
    """

    card: DatasetCard
    second: str
    units: tuple[tuple[DrawnSample, str], ...]

    @property
    def layout(self) -> str:
        """How the samples stand."""
        return task_for(self.card).drawing.layout

    def files(self, place: str) -> Iterator[tuple[str, DrawnPicture]]:
        """The pictures with their paths, which begin with `place`."""
        return chain.from_iterable(picture_paths(place, [sample for sample, _ in self.units]))

    def listed(self, place: str) -> dict[str, Any]:
        """What the templates need."""
        paths = picture_paths(place, [sample for sample, _ in self.units])
        units = [
            {"sample": sample, "text": text, "pictures": pictures}
            for (sample, text), pictures in zip(self.units, paths, strict=True)
        ]
        dataset = {"id": self.card.id, "name": self.card.name, "task": self.card.task, "layout": self.layout}
        return {**dataset, "second": shown(self.second), "units": units}


def failures_of(
    card: DatasetCard, tables: Mapping[str, Any], first: Guess, second: Guess | None = None, count: int = WORST
) -> TaskFailures | None:
    """The units on which the first one's predictions are furthest off; None where nothing is wrong or can be drawn.

    How far off a unit is the metric says (`humanbench.metrics.scores.UnitErrors`); what is right is not shown.
    """
    task = task_for(card)
    scores = task.predictions.score(card, tables, first[1])
    if scores.errors is None:
        return None
    errors, rows = scores.errors.compute(), task.predictions.rows(card, tables, scores)
    order = [int(i) for i in np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")]
    worst = {int(rows[i]): float(errors[i]) for i in order if errors[i] > 0 and rows[i] >= 0}
    guesses = [first] if second is None else [first, second]
    samples = islice(task.drawing.drawn(card, tables, guesses, list(worst)), count)
    units = tuple((sample, scores.errors.text(worst[sample.position])) for sample in samples)
    return TaskFailures(card, second[0] if second else "", units) if units else None
