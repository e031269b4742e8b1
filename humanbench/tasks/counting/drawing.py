"""Pictures of heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from PIL import Image

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, LegendKey, Sheet, Tile, shuffled_rows
from humanbench.names import shown
from humanbench.tasks.base import Tables, TaskDrawing, only
from humanbench.tasks.drawn import TRUTH, WIDTH, Drawings, DrawnSample, Guess, drawn, finished, fitted, large, rows_at
from humanbench.text import several


class CountingDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    caption = "The annotated heads, and the predicted counts."

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

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """Pictures with the annotated heads, beside everybody's count."""
        for position, row in rows_at(only(tables), rows):
            tile = fitted(canvas.picture(row["image"]), width=WIDTH + 60)
            points = np.asarray(row["points"], float).reshape(-1, 2)
            for point in points:
                tile.dot(point, canvas.YELLOW, 2 if len(points) > 100 else 3)
            counts = [(TRUTH, f"{row['count']:g}")]
            counts += [(shown(name), _count(guess[position])) for name, guess in guesses]
            alt = f"a crowd with {several(len(points), 'ringed head', 'ringed heads')}"
            yield DrawnSample(
                str(row["id"]), (drawn(TRUTH, tile, alt),), ("", "People"), tuple(counts), position=position
            )

    def pictures(self, card: DatasetCard, tables: Tables, predictions: Floats) -> Drawings:
        """Pictures with their count on a plate in the corner."""
        for position, (name, path) in enumerate(zip(only(tables)["id"], only(tables)["image"], strict=True)):
            yield name, partial(_counted, str(path), float(predictions[position]))


def _counted(path: str, value: float) -> Image.Image:
    tile = large(path)
    tile.label((110, 30), f"{_count(value)} people", 16)
    return finished(tile)


def _count(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 1e6 else f"{value:.2g}"


drawing = CountingDrawing()
