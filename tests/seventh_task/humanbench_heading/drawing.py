"""Pictures of people with an arrow where the head faces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, LegendKey, Sheet, Tile, shuffled_rows
from humanbench.names import shown
from humanbench.tasks.base import Tables, TaskDrawing, only
from humanbench.tasks.drawn import TRUTH, DrawnSample, Guess, drawn, fitted, shuffled


class HeadingDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    caption = "The annotated direction as an arrow seen from above (down: toward the viewer), and the predicted ones."

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """People with an arrow, and the name of the direction in the caption."""
        tiles = []
        for row, _ in zip(shuffled_rows(table, rng), range(columns * rows), strict=False):
            image = canvas.picture(row["image"])
            tile = Tile(image, CELL, CELL, f"{row['id']}  {card.labels.classes[row['heading']]}")
            _arrow(tile, image.size, row["heading"], len(card.labels.classes))
            tiles.append(tile)
        return Sheet(tiles, columns, [LegendKey(canvas.ORANGE, "where the head faces, seen from above")])

    def predictions(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], count: int
    ) -> Iterator[DrawnSample]:
        """People with the annotated direction, beside everybody's most probable one."""
        classes = card.labels.classes
        for position, row in islice(shuffled(only(tables)), count):
            image = canvas.picture(row["image"])
            tile = fitted(image)
            _arrow(tile, image.size, row["heading"], len(classes))
            rows = [(TRUTH, classes[row["heading"]])]
            rows += [(shown(name), _likeliest(classes, guess[position])) for name, guess in guesses]
            yield DrawnSample(str(row["id"]), (drawn(TRUTH, tile, "a person"),), ("", "Direction"), tuple(rows))


def _likeliest(classes: Sequence[str], probabilities: Any) -> str:
    best = int(np.argmax(probabilities))
    return f"{classes[best]} ({probabilities[best]:.2f})"


def _arrow(tile: Tile, size: tuple[int, int], heading: int, count: int) -> None:
    """Sector 0 points down, out of the picture; headings turn toward the right side of the picture."""
    angle, reach = heading * 2 * math.pi / count, 0.2 * size[0]
    start = np.array([size[0] / 2, 0.85 * size[1]])
    end = start + reach * np.array([math.sin(angle), 0.5 * math.cos(angle)])
    tile.line(start, end, canvas.ORANGE, 3)
    tile.dot(end, canvas.ORANGE)


drawing = HeadingDrawing()
