"""Crowd counting: how many people an image shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.cards import DatasetCard
from humanbench.predictions.names import align
from humanbench.predictions.tables import read_table, write_table
from humanbench.tasks import only

MAIN_METRIC = "MSE"
COLUMN = "count"

Counts = NDArray[np.float64]
"""N real-valued counts, in the order of the sample table; a density map's sum is not rounded."""


def read_predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], path: Path) -> Counts:
    """Read CSV: `image`, `count`."""
    names, values = read_table(path, [COLUMN])
    counts: Counts = values[align(list(only(tables)["id"]), names, path), 0]
    return counts


def write_predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], predictions: Counts, path: Path) -> None:
    """Write CSV."""
    write_table(path, list(only(tables)["id"]), [COLUMN], predictions[:, None])


def score(card: DatasetCard, tables: Mapping[str, pd.DataFrame], predictions: Counts) -> metrics.Scores:
    """Mean absolute error and root of the mean squared error (`humanbench.metrics.counting`)."""
    return metrics.counting(predictions, only(tables)["count"].to_numpy(np.float64))
