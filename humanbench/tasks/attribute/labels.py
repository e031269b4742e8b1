"""Labels of attributes: present, absent or unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.ranges import first
from humanbench.tasks.base import TaskLabels


class AttributeLabels(TaskLabels):
    """See the methods of `TaskLabels`. Where people are part of a larger picture, they are where their boxes are."""

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        for name in card.labels.attributes:
            bad = ~table[name].isin((0, 1, -1))
            if bad.any():
                return f"{first(table, bad)} has {name} = {table[name][bad].iloc[0]}, allowed are 0, 1 and -1 (unknown)"
        return ""

    def points(self, card: DatasetCard, rows: pd.DataFrame) -> Floats:
        boxes = np.stack([np.asarray(box, np.float64) for box in rows["bbox"]])
        middles: Floats = boxes[:, :2] + boxes[:, 2:] / 2
        return middles


labels = AttributeLabels()
