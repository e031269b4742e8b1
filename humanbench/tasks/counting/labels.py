"""Labels of counting: a point per head."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.boxes import records
from humanbench.tasks.base import TaskLabels


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


labels = CountingLabels()
