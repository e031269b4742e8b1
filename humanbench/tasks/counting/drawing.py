"""Pictures of heads."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, LegendKey, Sheet, Tile, shuffled_rows
from humanbench.tasks.base import TaskDrawing


class CountingDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Images with a ring on every head and their number."""
        tiles = []
        for row, _ in zip(shuffled_rows(table, rng), range(columns * rows), strict=False):
            tile = Tile(canvas.picture(row["image"]), CELL, CELL, f"{row['id']}  count {row['count']:g}")
            points = np.asarray(row["points"], float).reshape(-1, 2)
            for point in points:
                tile.dot(point, canvas.YELLOW, 2 if len(points) > 100 else 3)
            tiles.append(tile)
        return Sheet(tiles, columns, [LegendKey(canvas.YELLOW, "annotated head", "dot")])


drawing = CountingDrawing()
