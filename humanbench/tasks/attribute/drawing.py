"""Pictures of people beside their attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.tasks.base import TaskDrawing


class AttributeDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """People beside the names of the attributes they have; a question mark where nobody knows.

        Where the labels are of somebody in a larger picture (column `bbox`), that person is shown, in a box.
        """
        tiles = []
        for row, _ in zip(shuffled_rows(table, rng), range(columns * rows), strict=False):
            box = row.get("bbox")
            crop = around([box]) if box is not None else None
            tile = Tile(canvas.picture(row["image"]), CELL, CELL, str(row["id"]), crop, share=0.5)
            if box is not None:  # others may be in the picture
                tile.box(box, canvas.YELLOW, 1)
            names = [(n, canvas.INK) for n in card.labels.attributes if row[n] == 1]
            names += [(f"? {n}", canvas.GREY) for n in card.labels.attributes if row[n] == -1]
            _words(tile, names, tile.size[0] + 10)
            tiles.append(tile)
        return Sheet(
            tiles,
            columns,
            [
                LegendKey(canvas.INK, "has it"),
                LegendKey(canvas.GREY, "? not known"),
                LegendKey(canvas.PAPER, "unnamed: has it not"),
            ],
        )


def _words(tile: Tile, names: Sequence[tuple[str, Color]], left: float) -> None:
    """One name a line, smaller where there are many."""
    height = tile.canvas.height - canvas.SUPER * Tile.CAPTION - 8
    step = min(20 * canvas.SUPER, height // max(len(names), 1))
    for number, (name, color) in enumerate(names):
        size = max(6, int(0.75 * step / canvas.SUPER))
        tile.text((left, 6 + number * step), name, color, size, width=int(tile.canvas.width - left - 4))


drawing = AttributeDrawing()
