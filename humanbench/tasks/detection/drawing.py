"""Pictures of boxes."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.boxes import visible_boxes
from humanbench.data.canvas import CELL, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.tasks.base import TaskDrawing


class DetectionDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Images with people: full boxes, their visible part, boxes to be ignored."""
        tiles: list[Tile] = []
        for row in shuffled_rows(table, rng):
            if len(tiles) == columns * rows:
                break
            boxes, ignore = np.asarray(row["boxes"], float).reshape(-1, 4), np.asarray(row["ignore"], bool)
            if not len(boxes):
                continue
            shown = visible_boxes(boxes, row["visible"])
            people, ignored = int((~ignore).sum()), int(ignore.sum())
            caption = f"{PurePath(row['image']).name}  {people} people, {ignored} ignored"
            tile = Tile(canvas.picture(row["image"]), CELL, CELL, caption, around(list(boxes[~ignore])))
            for box, part, skip in zip(boxes, shown, ignore, strict=True):
                if not skip and np.abs(box - part).max() > 1:
                    tile.box(part, canvas.SKY, 1)
                tile.box(box, canvas.VERMILION if skip else canvas.YELLOW, 1 if skip else 2, bool(skip))
            tiles.append(tile)
        legend = [
            LegendKey(canvas.YELLOW, "person"),
            LegendKey(canvas.SKY, "visible part, where it is less than the person"),
            LegendKey(canvas.VERMILION, "ignored", "dashed"),
        ]
        return Sheet(tiles, columns, legend)


drawing = DetectionDrawing()
