"""Labels of re-identification: identities and cameras."""

from __future__ import annotations

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.ranges import UNKNOWN, first
from humanbench.tasks.base import TaskLabels


class ReidLabels(TaskLabels):
    """See the methods of `TaskLabels`."""

    unit = "identities"

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        for column in ("pid", "camid"):
            bad = table[column] < UNKNOWN
            if bad.any():
                return (
                    f"{first(table, bad)} has {column} {table[column][bad].iloc[0]}, the least is {UNKNOWN} (unknown)"
                )
        return ""

    def units(self, card: DatasetCard, table: pd.DataFrame) -> list[str]:
        """People: one in several splits is one."""
        return [str(pid) for pid in table["pid"]]


labels = ReidLabels()
