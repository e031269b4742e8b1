"""Labels of head orientation: an index into the card's classes."""

from __future__ import annotations

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.ranges import first
from humanbench.tasks.base import TaskLabels


class HeadingLabels(TaskLabels):
    """See the methods of `TaskLabels`."""

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        bad = ~table["heading"].between(0, len(card.labels.classes) - 1)
        return f"{first(table, bad)} has a direction that the card has not" if bad.any() else ""


labels = HeadingLabels()
