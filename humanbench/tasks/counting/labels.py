"""Labels of counting: a point per head."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.arrays import Bools, Floats
from humanbench.cards import DatasetCard
from humanbench.data.boxes import records
from humanbench.tasks.base import Tables, TaskLabels

FIFTHS = 5


class CountingLabels(TaskLabels):
    """See the methods of `TaskLabels`."""

    placed = True

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        for row in records(table):
            if not np.isfinite(row["points"]).all():
                return f"{row['id']} has a point that is not finite"
            if row["count"] != len(row["points"]):
                return f"{row['id']} has {len(row['points'])} points and the count {row['count']}"
        return ""

    def counts(self, card: DatasetCard, table: pd.DataFrame) -> dict[str, int]:
        """Heads."""
        return {"points": sum(map(len, table["points"]))}

    def points(self, card: DatasetCard, rows: pd.DataFrame) -> Floats:
        """Heads."""
        return np.concatenate([np.reshape(p, (-1, 2)) for p in rows["points"]])

    def strata(self, card: DatasetCard, table: pd.DataFrame) -> Bools:
        """Fifths of the split's pictures by the size of their crowds, of equal ones those of smaller ids first."""
        order = sorted(range(len(table)), key=lambda row: (table["count"].iloc[row], str(table["id"].iloc[row])))
        fifth = np.empty(len(table), np.int64)
        fifth[order] = np.arange(len(table)) * FIFTHS // max(len(table), 1)
        marks: Bools = fifth[:, None] == np.arange(FIFTHS)
        return marks

    def lack(self, card: DatasetCard, drawn: Tables, whole: Tables) -> str:
        return "" if any(table["count"].sum() > 0 for table in drawn.values()) else "nobody"


labels = CountingLabels()
