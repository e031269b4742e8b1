"""Predictions of head orientation: a table of probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.errors import PredictionError
from humanbench.metrics import Scores
from humanbench.predictions.names import align
from humanbench.predictions.tables import read_table, write_table
from humanbench.tasks.base import Tables, TaskPredictions, only
from humanbench_heading.metric import headings

Probabilities = NDArray[np.float64]
"""N x classes, in the order of the sample table and of the card's classes."""


class HeadingPredictions(TaskPredictions):
    """See the methods of `TaskPredictions`."""

    suffix = ".csv"

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> Probabilities:
        """Read CSV: `image`, then a column of probabilities (0..1) per class of the card."""
        names, values = read_table(path, card.labels.classes)
        order = align(list(only(tables)["id"]), names, path)
        if ((values < 0) | (values > 1)).any():
            raise PredictionError(
                f"{path}: probabilities lie between 0 and 1, one is {values.min():g}..{values.max():g}"
            )
        return values[order]

    def write(self, card: DatasetCard, tables: Tables, predictions: Probabilities, path: Path) -> None:
        """Write CSV, columns in the card's order."""
        write_table(path, list(only(tables)["id"]), card.labels.classes, predictions)

    def score(self, card: DatasetCard, tables: Tables, predictions: Probabilities) -> Scores:
        """Of the most probable directions (`humanbench_heading.metric`)."""
        truth = only(tables)["heading"].to_numpy(np.int64)
        return headings(predictions.argmax(axis=1), truth, len(card.labels.classes))


predictions = HeadingPredictions()
