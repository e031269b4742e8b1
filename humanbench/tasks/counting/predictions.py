"""Crowd counting: how many people an image shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.cards import DatasetCard
from humanbench.metrics.groups import Group, Grouping
from humanbench.predictions.names import align
from humanbench.predictions.tables import read_table, write_table
from humanbench.tasks.base import Tables, TaskPredictions, only

COLUMN = "count"

Counts = NDArray[np.float64]
"""N real-valued counts, in the order of the sample table; a density map's sum is not rounded."""


class CountingPredictions(TaskPredictions):
    """Predictions of counts."""

    suffix = ".csv"

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> Counts:
        """Read CSV: `image`, `count`."""
        names, values = read_table(path, [COLUMN])
        counts: Counts = values[align(list(only(tables)["id"]), names, path), 0]
        return counts

    def write(self, card: DatasetCard, tables: Tables, predictions: Counts, path: Path) -> None:
        """Write CSV."""
        write_table(path, list(only(tables)["id"]), [COLUMN], predictions[:, None])

    def score(self, card: DatasetCard, tables: Tables, predictions: Counts) -> metrics.Scores:
        """Mean absolute error and root of the mean squared error (`humanbench.metrics.counting`)."""
        return metrics.counting(predictions, only(tables)["count"].to_numpy(np.float64))

    def groups(
        self, card: DatasetCard, tables: Tables, predictions: Counts, scores: metrics.Scores
    ) -> Iterator[Grouping]:
        """By density: the pictures with the fewest people, those between, those with the most, a third each."""
        counts = only(tables)["count"].to_numpy(np.float64)
        few, many = np.quantile(counts, [1 / 3, 2 / 3], method="inverted_cdf")
        parts = {
            f"up to {few:g} people": counts <= few,
            f"up to {many:g}": (counts > few) & (counts <= many),
            f"more than {many:g}": counts > many,
        }
        groups = tuple(Group.part(name, scores, chosen) for name, chosen in parts.items() if chosen.any())
        yield Grouping("density", "pictures", "thirds of the test pictures by their number of people", groups)


predictions = CountingPredictions()
