"""Labels of detection: boxes, some to ignore."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.boxes import records
from humanbench.data.ranges import UNKNOWN
from humanbench.tasks.base import Tables, TaskLabels


class DetectionLabels(TaskLabels):
    """See the methods of `TaskLabels`."""

    placed = True

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        for row in records(table):
            name, boxes, ignore, visible = (row[key] for key in ("id", "boxes", "ignore", "visible"))
            if np.shape(boxes) != (len(boxes), 4) or np.shape(ignore) != (len(boxes),):
                return f"{name} has boxes of shape {np.shape(boxes)} and ignore of shape {np.shape(ignore)}"
            if not np.isfinite(boxes).all():
                return f"{name} has a box that is not finite"
            if (boxes[~ignore, 2:] <= 0).any():
                return f"{name} has a person's box without area"
            if visible is not None and len(visible) != len(boxes):
                return f"{name} has {len(boxes)} boxes and {len(visible)} visible parts"
            classes = row.get("labels", np.zeros(0, np.int64))
            if ((classes < UNKNOWN) | (classes >= len(card.labels.classes))).any():
                return f"{name} has a class outside 0..{len(card.labels.classes) - 1}"
        return ""

    def counts(self, card: DatasetCard, table: pd.DataFrame) -> dict[str, int]:
        """All boxes, those to ignore, and the others: people."""
        boxes = sum(map(len, table["boxes"]))
        ignored = sum(int(flags.sum()) for flags in table["ignore"])
        return {"boxes": boxes, "ignore": ignored, "persons": boxes - ignored}

    def points(self, card: DatasetCard, rows: pd.DataFrame) -> Floats:
        """Centres of people's boxes."""
        boxes = np.concatenate([b[~i] for b, i in zip(rows["boxes"], rows["ignore"], strict=True)])
        return boxes[:, :2] + boxes[:, 2:] / 2

    def lack(self, card: DatasetCard, drawn: Tables, whole: Tables) -> str:
        return "" if any(self.counts(card, table)["persons"] for table in drawn.values()) else "nobody"


labels = DetectionLabels()
