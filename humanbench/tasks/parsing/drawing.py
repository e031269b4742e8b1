"""Pictures of part maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageColor

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Box, Color, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.data.images import image_size
from humanbench.data.labels import IGNORE, Map, load_label
from humanbench.errors import DataError
from humanbench.predictions.maps import MapFile
from humanbench.tasks.base import Tables, TaskDrawing, only
from humanbench.tasks.drawn import TRUTH, Drawings, DrawnSample, Guess, drawn, finished, fitted, large, rows_at

PART_COLORS = (
    "#e69f00", "#0072b2", "#f0e442", "#d55e00", "#56b4e9", "#009e73", "#cc79a7", "#969696",
    "#332288", "#ffccaa", "#999933", "#aa4499", "#ffaabb", "#ee8866", "#44bb99", "#bbcc33",
    "#882255", "#dddddd", "#117733", "#eedd88", "#77aadd", "#cc6677", "#aaaa00", "#88ccee",
)  # fmt: skip
"""Colours of classes 1, 2 ...: the palette of Okabe and Ito, then Tol's muted and light ones. No 24 colours are told
apart by everybody, so regions also bear the number of their class."""


class ParsingDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    samples = 3
    caption = "The annotated parts and the predicted ones, each region with its number."
    layout = "loose"

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Part maps blended over the image, each part with its class number."""
        tiles: list[Tile] = []
        present: set[int] = set()
        for row, _ in zip(shuffled_rows(table, rng), range(columns * rows), strict=False):
            label = load_label(card, row["label"])
            image = canvas.picture(row["image"])
            if label.shape != image.size[::-1]:
                size = f"{label.shape[1]} x {label.shape[0]}"
                raise DataError(f"{row['label']}: the map is {size}, its image {image.width} x {image.height}")
            tiles.append(Tile(image, CELL, CELL, str(row["id"]), _crop(label)))
            present |= blend_parts(tiles[-1], label)
        classes = sorted(present - {0, IGNORE})
        legend = [LegendKey(part_color(c), f"{c} {card.labels.classes[c]}", "patch") for c in classes]
        legend += [LegendKey(canvas.PAPER, "ignored", "patch")] if IGNORE in present else []
        return Sheet(tiles, columns, legend)

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """Part maps of the annotators and of every entry, with the share of pixels that are right."""
        classes = len(card.labels.classes)
        for position, row in rows_at(only(tables), rows):
            truth = load_label(card, row["label"])
            image = canvas.picture(row["image"])
            window, pictures, present = _crop(truth), [], set()
            for name, label in [(TRUTH, truth), *((n, g[position].load(truth.shape, classes)) for n, g in guesses)]:
                tile = fitted(image, window)
                here = blend_parts(tile, label) - {0, IGNORE}
                present |= here
                right_ones = 100 * float((label == truth)[truth != IGNORE].mean())
                note = "" if label is truth else f"{right_ones:.0f} % of the pixels right"
                alt = "parts: " + (", ".join(card.labels.classes[c] for c in sorted(here)) or "none")
                pictures.append(drawn(name, tile, alt, note))
            legend = tuple((str(c), card.labels.classes[c]) for c in sorted(present))
            yield DrawnSample(str(row["id"]), tuple(pictures), ("Number", "Part"), legend, True, position)

    def pictures(self, card: DatasetCard, tables: Tables, predictions: Sequence[MapFile]) -> Drawings:
        """Pictures under their part maps, each region with the number of its class."""
        for position, (name, path) in enumerate(zip(only(tables)["id"], only(tables)["image"], strict=True)):
            yield name, partial(_blended, str(path), predictions[position], len(card.labels.classes))


def _blended(path: str, predicted: MapFile, classes: int) -> Image.Image:
    tile = large(path)
    width, height = image_size(Path(path))
    blend_parts(tile, predicted.load((height, width), classes))
    return finished(tile)


def _crop(label: Map) -> Box | None:
    """The surroundings of all that is labelled as a part."""
    parts = np.argwhere((label > 0) & (label < IGNORE))[:, ::-1]
    return around([], [parts.min(axis=0), parts.max(axis=0)]) if len(parts) else None


def part_color(number: int) -> Color:
    """Colour of a part class."""
    red, green, blue = ImageColor.getrgb(PART_COLORS[(number - 1) % len(PART_COLORS)])[:3]
    return red, green, blue


def blend_parts(tile: Tile, label: Map) -> set[int]:
    """Colour the parts of a picture's map on its tile and number them; the classes there are."""
    left, top, right, bottom = tile.window
    small = np.array(Image.fromarray(label[top:bottom, left:right]).resize(tile.size, Image.Resampling.NEAREST))
    colors = np.array([canvas.INK, *map(part_color, range(1, 255)), canvas.PAPER], float)
    left, top = tile.corner
    picture = np.asarray(tile.canvas.crop((left, top, left + tile.size[0], top + tile.size[1])), float)
    picture = np.where(small[..., None] > 0, 0.35 * picture + 0.65 * colors[small], picture)
    edge = np.zeros(small.shape, bool)
    edge[1:] |= small[1:] != small[:-1]
    edge[:, 1:] |= small[:, 1:] != small[:, :-1]
    picture[edge] = canvas.INK
    tile.canvas.paste(Image.fromarray(picture.astype(np.uint8)), tile.corner)
    classes = {int(c) for c in np.unique(small)}
    for number in sorted(classes - {0, IGNORE}):
        for x, y in _middles(small == number):
            tile.label((x + left, y + top), str(number), 9)
    return classes


def _middles(mask: NDArray[np.bool_], at_least: int = 300) -> Iterator[tuple[int, int]]:
    """A point deep inside each region of a mask (x, y): of the largest, and of all that have room for a number."""
    import scipy.ndimage

    regions, count = scipy.ndimage.label(mask)
    areas = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    for number, (rows, columns) in enumerate(scipy.ndimage.find_objects(regions), 1):
        if areas[number - 1] < at_least and areas[number - 1] < areas.max():
            continue
        depth = scipy.ndimage.distance_transform_cdt(np.pad(regions[rows, columns] == number, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        yield int(x) + columns.start, int(y) + rows.start


drawing = ParsingDrawing()
