"""Labels of attributes: present, absent or unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.arrays import Bools, Floats
from humanbench.cards import DatasetCard
from humanbench.data.ranges import first
from humanbench.tasks.base import Tables, TaskLabels


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

    def strata(self, card: DatasetCard, table: pd.DataFrame) -> Bools:
        """Every attribute present, and every attribute absent."""
        values = table[list(card.labels.attributes)].to_numpy(np.int8)
        return np.concatenate([values == 1, values == 0], axis=1)

    def lack(self, card: DatasetCard, drawn: Tables, whole: Tables) -> str:
        names = card.labels.attributes
        there, all_ = (
            np.concatenate([self.strata(card, t) for t in tables.values()]).any(axis=0) for tables in (drawn, whole)
        )
        missing = np.flatnonzero(all_ & ~there).tolist()
        phrases = [f"nobody with{'out' * (place >= len(names))} {names[place % len(names)]}" for place in missing]
        return f"{phrases[0]} (and {len(phrases) - 1} more)" if len(phrases) > 1 else "".join(phrases)


labels = AttributeLabels()
