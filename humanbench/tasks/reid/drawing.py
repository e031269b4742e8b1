"""Pictures of queries and their gallery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, LegendKey, Sheet, Tile, shuffled_rows
from humanbench.tasks.base import TaskDrawing

PERSON_CELL = CELL // 2 - 3, CELL
MARKS: tuple[tuple[str, Color, bool], ...] = (
    ("same", canvas.GREEN, False),
    ("left out", canvas.GREY, True),
    ("distractor", canvas.PURPLE, True),
    ("other", canvas.VERMILION, False),
)
TEXTS = (
    "same person, to be found",
    "same person and camera: left out",
    "distractor: nobody is asked for",
    "another person",
)


class ReidDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    def splits(self, card: DatasetCard) -> tuple[str, ...]:
        """Query and gallery, where these are what is tested."""
        tested = card.evaluation.test if card.evaluation else ()
        return tested if set(tested) == {"query", "gallery"} else ()

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """A row per query: the query, images that count as right, those that are left out, and other people."""
        across = 2 * columns
        roles = table["role"] if "role" in table else pd.Series("", index=table.index)
        queries, gallery = table[roles.isin(["query", ""])], table[roles.isin(["gallery", ""])]
        asked = set(queries["pid"])
        repeated = gallery["pid"].isin(queries["pid"]).to_numpy()
        tiles: list[Tile] = []
        for query in shuffled_rows(queries, rng):
            if len(tiles) == across * rows:
                break
            same = (gallery["pid"] == query["pid"]).to_numpy() & (gallery["id"] != query["id"]).to_numpy()
            near = (gallery["camid"] == query["camid"]).to_numpy() & (query["camid"] >= 0)
            if not (same & ~near).any():
                continue
            others = ~same & repeated & (gallery["id"] != query["id"]).to_numpy()
            groups = [same & ~near, same & near, ~repeated, others]
            tiles += [canvas.blank(*PERSON_CELL)] * (-len(tiles) % across)  # a gallery may not fill the row before
            tiles.append(_crop(query, "query", canvas.INK, False))
            tiles += [_crop(row, *MARKS[group]) for group, row in _gallery_row(gallery, groups, across - 1, rng)]
        legend = [LegendKey(canvas.INK, f"query (of {len(asked):,} people)")]
        legend += [
            LegendKey(color, text, "dashed" if dashed else "line")
            for text, (_, color, dashed) in zip(TEXTS, MARKS, strict=True)
        ]
        return Sheet(tiles, across, legend)


def _gallery_row(
    gallery: pd.DataFrame, groups: list[NDArray[np.bool_]], room: int, rng: np.random.Generator
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Up to half the room for right ones, one that is left out, one or two distractors, then other people."""
    limits = ((room + 1) // 2, 1, 1, room)
    for number, (mask, limit) in enumerate(zip(groups, limits, strict=True)):
        found = rng.permutation(np.flatnonzero(mask))[: min(limit, room)]
        room -= len(found)
        for position in found:
            yield number, {str(k): v for k, v in gallery.iloc[int(position)].items()}


def _crop(row: dict[str, Any], role: str, color: Color, dashed: bool) -> Tile:
    camera = f", cam {row['camid']}" if row["camid"] >= 0 else ""
    tile = Tile(canvas.picture(row["image"]), *PERSON_CELL, f"{role}, id {row['pid']}{camera}")
    tile.border(color, dashed)
    return tile


drawing = ReidDrawing()
