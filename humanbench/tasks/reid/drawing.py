"""Pictures of queries and their gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from humanbench.arrays import AnyFloats
from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, LegendKey, Sheet, Tile, shuffled_rows
from humanbench.metrics.ranking import feature_distances, ranked_gallery
from humanbench.tasks.base import Tables, TaskDrawing
from humanbench.tasks.drawn import Drawings, DrawnSample, Guess, drawn, finished, rows_at
from humanbench.tasks.reid import ReidEvaluationOptions
from humanbench.tasks.reid.predictions import ReidDistances, ReidFeatures

PERSON_CELL = CELL // 2 - 3, CELL
GALLERY = 5
"""Ranks that are shown of a gallery."""
PERSON = 84, 168
"""A picture of a ranked gallery."""
MARKS: tuple[tuple[str, Color, bool, str], ...] = (
    ("same", canvas.GREEN, False, "same person, to be found"),
    ("left out", canvas.GREY, True, "same person and camera: left out"),
    ("distractor", canvas.PURPLE, True, "distractor: nobody is asked for"),
    ("other", canvas.VERMILION, False, "another person"),
)
"""Of gallery pictures on a contact sheet: what they are, colour, whether the frame is dashed, and the legend."""


class ReidDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    caption = (
        "A query, and the first five gallery pictures of each entry’s ranking: a tick and a solid frame where the "
        "person is the same, a cross and a dashed frame where it is not. Pictures of the same person by the same "
        "camera are left out, as in the metric."
    )
    layout = "strips"

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
            tiles += [_crop(row, *MARKS[group][:3]) for group, row in _gallery_row(gallery, groups, across - 1, rng)]
        legend = [LegendKey(canvas.INK, f"query (of {len(asked):,} people)")]
        legend += [LegendKey(color, text, "dashed" if dashed else "line") for _, color, dashed, text in MARKS]
        return Sheet(tiles, across, legend)

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """Queries with a match, each with the first pictures of its gallery as every entry ranks it."""
        query, gallery = tables.values()
        ids, cams = gallery["pid"].to_numpy(np.int64), gallery["camid"].to_numpy(np.int64)
        readers = [_distances(card, guess) for _, guess in guesses]
        for position, row in rows_at(query, rows):
            asked = int(row["pid"]), int(row["camid"])
            orders = [ranked_gallery(distances(position), asked[0], ids, asked[1], cams) for distances in readers]
            if not orders or not (ids[orders[0]] == asked[0]).any():
                continue
            pictures = []
            for (name, _), order in zip(guesses, orders, strict=True):
                right = ids[order] == asked[0]
                first = [(gallery["image"].iloc[i], bool(r)) for i, r in zip(order[:GALLERY], right, strict=False)]
                words = ", ".join("right" if match else "wrong" for _, match in first)
                alt = f"a query, then the gallery pictures of ranks 1 to {len(first)}: {words}"
                note = f"first right one: rank {int(right.argmax()) + 1}"
                pictures.append(drawn(name, _strip(row["image"], first), alt, note))
            yield DrawnSample(str(row["id"]), tuple(pictures), position=position)

    def pictures(self, card: DatasetCard, tables: Tables, predictions: ReidFeatures | ReidDistances) -> Drawings:
        """Queries, each with the five gallery pictures nearest to it; not itself."""
        query, gallery = tables.values()
        distances = _distances(card, predictions)
        for position, (name, path) in enumerate(zip(query["id"], query["image"], strict=True)):
            order = np.argsort(distances(position), kind="stable")
            near = [str(gallery["image"].iloc[i]) for i in order if gallery["image"].iloc[i] != path]
            yield name, partial(_nearest, str(path), near[:GALLERY])


def _nearest(query: str, gallery: Sequence[str]) -> Image.Image:
    strip = _strip(query, [(path, None) for path in gallery])
    page = Image.new("RGB", strip.size, canvas.PAPER)
    page.paste(strip, mask=strip.getchannel("A"))
    return page


def _gallery_row(
    gallery: pd.DataFrame, groups: list[NDArray[np.bool_]], room: int, rng: np.random.Generator
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Up to half the room for right ones, one that is left out, one or two distractors, then other people."""
    limits = ((room + 1) // 2, 1, 1, room)
    for number, (mask, limit) in enumerate(zip(groups, limits, strict=True)):
        positions = rng.permutation(np.flatnonzero(mask))[: min(limit, room)]
        room -= len(positions)
        for position in positions:
            yield number, {str(k): v for k, v in gallery.iloc[int(position)].items()}


def _crop(row: dict[str, Any], role: str, color: Color, dashed: bool) -> Tile:
    camera = f", cam {row['camid']}" if row["camid"] >= 0 else ""
    tile = Tile(canvas.picture(row["image"]), *PERSON_CELL, f"{role}, id {row['pid']}{camera}")
    tile.border(color, dashed)
    return tile


def _distances(card: DatasetCard, guess: ReidFeatures | ReidDistances) -> Callable[[int], AnyFloats]:
    """The distances of a query to the gallery, as the metric takes them."""
    if isinstance(guess, ReidDistances):
        return lambda position: guess.matrix[position]
    return feature_distances(guess.query, guess.gallery, ReidEvaluationOptions.of(card).distance)


def _strip(query: str, gallery: Sequence[tuple[str, bool | None]]) -> Image.Image:
    """The query and, after a gap, gallery pictures with a frame and a tick or a cross, where it is known which."""
    tiles = [Tile(canvas.picture(query), *PERSON, "")]
    for path, right in gallery:
        tile = Tile(canvas.picture(path), *PERSON, "")
        if right is not None:
            tile.border(canvas.GREEN if right else canvas.VERMILION, not right)
            _sign(tile, right)
        tiles.append(tile)
    gap, wide = 5, 18
    width = len(tiles) * (PERSON[0] + gap) - gap + wide - gap
    strip = Image.new("RGBA", (width, PERSON[1]))  # gaps have the colour of the page
    for number, tile in enumerate(tiles):
        strip.paste(finished(tile), (number * (PERSON[0] + gap) + (wide - gap if number else 0), 0))
    return strip


def _sign(tile: Tile, right: bool) -> None:
    """A tick or a cross on a light plate in the upper corner."""
    tile.draw.rectangle((6, 6, 42, 42), canvas.PAPER, canvas.INK, 2)
    color: Color = canvas.GREEN if right else canvas.VERMILION
    lines = [(12, 25, 20, 34), (20, 34, 36, 13)] if right else [(13, 13, 35, 35), (13, 35, 35, 13)]
    for line in lines:
        tile.draw.line(line, color, 6)


drawing = ReidDrawing()
