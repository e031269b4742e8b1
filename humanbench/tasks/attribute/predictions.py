"""Pedestrian attribute recognition: several yes-no questions per image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.cards import DatasetCard
from humanbench.errors import PredictionError
from humanbench.metrics.groups import Grouping, by_attribute
from humanbench.predictions.names import align
from humanbench.predictions.tables import read_table, write_table
from humanbench.tasks.base import Tables, TaskPredictions, only

Probabilities = NDArray[np.float64]
"""N x A, in the order of the sample table and of the card's attributes."""


class AttributePredictions(TaskPredictions):
    """Predictions of attributes: a table of probabilities."""

    suffix = ".csv"

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> Probabilities:
        """Read CSV: `image`, then a column of probabilities (0..1) per attribute of the card, columns in any order."""
        names, values = read_table(path, card.labels.attributes)
        order = align(list(only(tables)["id"]), names, path)
        outside = (values < 0) | (values > 1)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise PredictionError(
                f"{path}: {card.labels.attributes[column]} of {names[row]!r} is {values[row, column]:g}; "
                "probabilities lie between 0 and 1 (apply the sigmoid to logits first)"
            )
        return values[order]

    def write(self, card: DatasetCard, tables: Tables, predictions: Probabilities, path: Path) -> None:
        """Write CSV, columns in the card's order."""
        write_table(path, list(only(tables)["id"]), card.labels.attributes, predictions)

    def score(self, card: DatasetCard, tables: Tables, predictions: Probabilities) -> metrics.Scores:
        """Mean accuracy over attributes, of each, and the instance-based metrics (`humanbench.metrics.attributes`)."""
        labels = only(tables)[list(card.labels.attributes)].to_numpy(np.int8)
        return metrics.attributes(predictions, labels, names=card.labels.attributes)

    def groups(
        self, card: DatasetCard, tables: Tables, predictions: Probabilities, scores: metrics.Scores
    ) -> Iterator[Grouping]:
        """By the attributes that the card names."""
        table = only(tables)
        labels = {name: table[name].to_numpy(np.int64) for name in card.labels.attributes}
        yield from by_attribute(card.subgroups.by, labels, scores)


predictions = AttributePredictions()
