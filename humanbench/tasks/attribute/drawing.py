"""Pictures of people beside their attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from PIL import Image

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.names import shown
from humanbench.tasks.base import Tables, TaskDrawing, only
from humanbench.tasks.drawn import TRUTH, Drawings, DrawnSample, Guess, drawn, finished, fitted, rows_at

ATTRIBUTES = 12
"""Rows of a table of attributes."""


class AttributeDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    caption = (
        "What is annotated, and each entry’s probabilities, of attributes that the person has or that an entry gives "
        "at least 0.5."
    )

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

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """People, with the attributes that they have or that somebody believes they have."""
        names = list(card.labels.attributes)
        words = {1: "yes", 0: "no", -1: "not known"}
        for position, row in rows_at(only(tables), rows):
            box = row.get("bbox")
            crop = around([box]) if box is not None else None
            image = fitted(canvas.picture(row["image"]), crop, width=150, height=260)
            chances = np.array([np.asarray(guess)[position] for _, guess in guesses]).reshape(len(guesses), len(names))
            certain = np.array([2.0 * (row[n] == 1) for n in names]) + chances.max(axis=0, initial=0.0)
            listed = [i for i in np.argsort(-certain, kind="stable") if certain[i] >= 0.5][:ATTRIBUTES]
            cells = [
                (names[i], words[int(row[names[i]])], *(f"{c:.2f}" for c in chances[:, i])) for i in sorted(listed)
            ]
            has = ", ".join(n for n in names if row[n] == 1) or "none"
            heads = ("Attribute", TRUTH, *(shown(name) for name, _ in guesses))
            picture = drawn("", image, f"a person with the attributes {has}")
            yield DrawnSample(str(row["id"]), (picture,), heads, tuple(cells), position=position)

    def pictures(self, card: DatasetCard, tables: Tables, predictions: Floats) -> Drawings:
        """People beside the attributes that are given at least 0.5, with the probability, the likeliest first."""
        for position, (name, path) in enumerate(zip(only(tables)["id"], only(tables)["image"], strict=True)):
            yield name, partial(_likely, card, str(path), predictions[position])


def _likely(card: DatasetCard, path: str, chances: Floats) -> Image.Image:
    tile = Tile(canvas.picture(path), 2 * CELL, CELL, "", share=0.5)
    order = [i for i in np.argsort(-chances, kind="stable") if chances[i] >= 0.5]
    _words(tile, [(f"{card.labels.attributes[i]} {chances[i]:.2f}", canvas.INK) for i in order], tile.size[0] + 10)
    return finished(tile)


def _words(tile: Tile, names: Sequence[tuple[str, Color]], left: float) -> None:
    """One name a line, smaller where there are many."""
    height = tile.canvas.height - canvas.SUPER * Tile.CAPTION - 8
    step = min(20 * canvas.SUPER, height // max(len(names), 1))
    for number, (name, color) in enumerate(names):
        size = max(6, int(0.75 * step / canvas.SUPER))
        tile.text((left, 6 + number * step), name, color, size, width=int(tile.canvas.width - left - 4))


drawing = AttributeDrawing()
