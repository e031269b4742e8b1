"""Drawn predictions: what the page of a task shows of a test picture, and what all tasks draw it with.

The pictures are taken at random, not chosen. Predictions may come from anywhere: places far outside a picture are
moved to its surroundings.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from humanbench.arrays import Floats, shuffled_positions
from humanbench.data import canvas
from humanbench.data.canvas import Box, Tile
from humanbench.names import shown

if TYPE_CHECKING:
    import pandas as pd

Guess = tuple[str, Any]
"""The name of an entry, and its predictions as the task's `TaskPredictions.read` gives them."""

Drawings = Iterator[tuple[str, Callable[[], Image.Image]]]
"""Pictures by id, each with something that draws it."""

Layout = Literal["even", "loose", "strips"]
"""How the samples of a page stand: a picture beside a table, several pictures in a row, long ones below each other."""

WIDTH, HEIGHT = 300, 330
"""The largest drawn picture."""
TRUTH = "Annotated"


@dataclass(frozen=True)
class DrawnPicture:
    """A drawn picture as WebP bytes: whose labels it shows, what is to be seen in words, a line to stand below."""

    title: str
    data: bytes
    width: int
    height: int
    alt: str
    note: str = ""


@dataclass(frozen=True)
class DrawnSample:
    """A test picture: its drawings, and a table (heads and rows of text) where words say more than a drawing.

    `legend`: the rows are what numbers in the drawings mean. `position`: of its row in the first table.
    """

    name: str
    pictures: tuple[DrawnPicture, ...]
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    legend: bool = False
    position: int = -1


def rows_at(table: pd.DataFrame, positions: Iterable[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Positions and rows."""
    for position in positions:
        yield position, {str(k): v for k, v in table.iloc[position].items()}


def shuffled(table: pd.DataFrame) -> Iterator[tuple[int, dict[str, Any]]]:
    """Positions and rows in an order that is random, but always the same."""
    return rows_at(table, shuffled_positions(len(table)))


def fitted(image: Image.Image, crop: Box | None = None, width: int = WIDTH, height: int = HEIGHT) -> Tile:
    """A tile with the part of the picture as large as fits."""
    left, top, right, bottom = canvas.whole_pixels(crop, image.size)
    scale = min(width / (right - left), height / (bottom - top))
    sides = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    return Tile(image, *sides, "", crop)


def large(path: str) -> Tile:
    """A tile with a whole picture file about as large as it is: its longer side is 512 to 1,280 pixels."""
    image = canvas.picture(path)
    side = min(1280, max(512, *image.size))
    return fitted(image, None, side, side)


def finished(tile: Tile) -> Image.Image:
    """The tile without its caption."""
    whole = tile.reduced()
    return whole.crop((0, 0, whole.width, whole.height - Tile.CAPTION))


def drawn(title: str, image: Tile | Image.Image, alt: str, note: str = "") -> DrawnPicture:
    """A finished picture; `title` is the name of an entry, which somebody chose."""
    picture = finished(image) if isinstance(image, Tile) else image
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=80, method=4)
    return DrawnPicture(shown(title), file.getvalue(), picture.width, picture.height, alt, note)


def near(points: ArrayLike, size: tuple[int, int]) -> Floats:
    """x, y pairs with those far outside a picture of this size moved nearer; what is no number is outside."""
    xy = np.nan_to_num(np.asarray(points, float), nan=-size[0], posinf=2 * max(size), neginf=-max(size))
    moved: Floats = np.clip(xy, -max(size), 2 * max(size))
    return moved
