"""Drawing for contact sheets: pictures fitted into tiles, marks in picture coordinates, tiles on a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from humanbench.arrays import Floats
from humanbench.data import Table
from humanbench.data.images import open_rgb

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]

# The palette of Okabe and Ito (2008), distinguishable with every common colour vision deficiency.
ORANGE, SKY, GREEN, YELLOW = (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)
BLUE, VERMILION, PURPLE, GREY = (0, 114, 178), (213, 94, 0), (204, 121, 167), (150, 150, 150)
INK, PAPER, MOUNT = (20, 20, 20), (255, 255, 255), (235, 235, 235)
CELL = 340
"""Width and height of a picture on a sheet."""
SUPER = 2
"""Tiles are drawn this many times larger and reduced at the end, which smooths the lines."""


@dataclass(frozen=True)
class LegendKey:
    """An entry of the legend: a line in the colour (dashed or not), or a filled patch, and what it means."""

    color: Color
    text: str
    style: str = "line"


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font, so that a sheet looks the same everywhere."""
    return ImageFont.load_default(size)


def picture(path: str) -> Image.Image:
    """An image file as RGB, as stored: labels are in stored pixels, so no rotation by EXIF."""
    return open_rgb(path)


class Tile:
    """A picture, or the part `crop` (left, top, right, bottom) of it, in a frame of `width` x `height` with a caption.

    Marks are given in the pixels of the whole picture, (0, 0) being the centre of its top-left pixel. `window` is the
    part shown in whole pixels, `corner` and `size` where it lies on the canvas.
    """

    CAPTION = 18

    def __init__(
        self, image: Image.Image, width: int, height: int, caption: str, crop: Box | None = None, share: float = 1.0
    ) -> None:
        """`share` below 1 keeps the picture in that left part of the frame."""
        self.canvas = Image.new("RGB", (SUPER * width, SUPER * (height + self.CAPTION)), MOUNT)
        self.draw = ImageDraw.Draw(self.canvas)
        self.window = whole_pixels(crop, image.size)
        part = image.crop(self.window)
        self.scale = min(SUPER * width * share / part.width, SUPER * height / part.height)
        self.size = max(1, round(part.width * self.scale)), max(1, round(part.height * self.scale))
        free = SUPER * width - self.size[0], SUPER * height - self.size[1]
        self.corner = (free[0] // 2 if share == 1 else 0), free[1] // 2
        self._origin = np.array(self.window[:2], float)
        self.canvas.paste(part.resize(self.size, Image.Resampling.BICUBIC), self.corner)
        self.text((4, SUPER * height + 3), caption, INK, 13, width=SUPER * width - 8)

    def place(self, points: ArrayLike) -> Floats:
        """N x 2 picture pixels as canvas pixels."""
        xy = np.asarray(points, float).reshape(-1, 2)
        placed: Floats = (xy + 0.5 - self._origin) * self.scale + self.corner
        return placed

    def text(self, at: tuple[float, float], words: str, color: Color, size: int, width: int | None = None) -> None:
        """Write at a canvas position; words too wide lose their beginning, as the end of a path tells more."""
        face = font(SUPER * size)
        if width is not None and face.getlength(words) > width:
            while words and face.getlength("..." + words) > width:
                words = words[1:]
            words = "..." + words
        self.draw.text(at, words, color, face)

    def label(self, center: ArrayLike, words: str, size: int = 11) -> None:
        """Dark words on a light plate around a canvas position."""
        x, y = np.asarray(center, float)
        face = font(SUPER * size)
        box = self.draw.textbbox((x, y), words, face, anchor="mm")
        self.draw.rectangle((box[0] - 3, box[1] - 2, box[2] + 3, box[3] + 2), PAPER)
        self.draw.text((x, y), words, INK, face, anchor="mm")

    def box(self, box: ArrayLike, color: Color, width: int = 2, dashed: bool = False) -> None:
        """A box [x, y, w, h]."""
        x, y, w, h = np.asarray(box, float)
        corners = self.place([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]) - self.scale / 2  # edges, not centres
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            self._stroke(start, end, color, width, dashed)

    def line(self, start: ArrayLike, end: ArrayLike, color: Color, width: int = 2) -> None:
        """A line between two points."""
        self._stroke(self.place(start)[0], self.place(end)[0], color, width, False)

    def dot(self, point: ArrayLike, color: Color, radius: float = 3, hollow: bool = False) -> None:
        """A filled circle with a dark rim, or a ring that is white inside."""
        (x, y), r = self.place(point)[0], SUPER * radius
        self.draw.ellipse((x - r - 1, y - r - 1, x + r + 1, y + r + 1), INK)
        self.draw.ellipse((x - r, y - r, x + r, y + r), color)
        if hollow:
            self.draw.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), PAPER)

    def border(self, color: Color, dashed: bool = False) -> None:
        """A frame around the picture area."""
        width, height = self.canvas.width - 3, self.canvas.height - SUPER * self.CAPTION - 3
        corners = np.array([[2, 2], [width, 2], [width, height], [2, height]], float)
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            self._stroke(start, end, color, 4, dashed, rim=False)

    def _stroke(self, start: Floats, end: Floats, color: Color, width: int, dashed: bool, rim: bool = True) -> None:
        """A line on the canvas; the dark rim keeps light colours visible on light pictures."""
        length, dash = float(np.hypot(*(end - start))), 7.0 * SUPER
        stops = np.arange(0, max(length, 1), dash) / max(length, 1) if dashed else np.array([0.0])
        share = dash * 0.55 / max(length, 1) if dashed else 1.0
        for color_, extra in ((INK, 2), (color, 0)) if rim else ((color, 0),):
            for stop in stops:
                a, b = start + stop * (end - start), start + min(stop + share, 1.0) * (end - start)
                self.draw.line([*a, *b], color_, SUPER * width + 1 + extra)  # + 1: a whole pixel when reduced

    def reduced(self) -> Image.Image:
        """The finished tile."""
        return self.canvas.reduce(SUPER)


def blank(width: int, height: int) -> Tile:
    """A tile with nothing on it."""
    return Tile(Image.new("RGB", (1, 1), MOUNT), width, height, "")


class Sheet(NamedTuple):
    """Tiles, how many stand in a row, and the legend."""

    tiles: Sequence[Tile]
    across: int
    legend: Sequence[LegendKey]


def shuffled_rows(table: Table, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """The rows of a table in random order."""
    for position in rng.permutation(len(table)):
        yield {str(k): v for k, v in table.iloc[int(position)].items()}


def around(boxes: Sequence[Any], points: Sequence[Any] = ()) -> Box | None:
    """A crop that holds these boxes [x, y, w, h] and points with a margin, so that small people can be seen."""
    corners = [(b[0], b[1]) for b in boxes] + [(b[0] + b[2], b[1] + b[3]) for b in boxes] + list(points)
    xy = np.array(corners, float).reshape(-1, 2)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        return None
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = 0.12 * float((high - low).max()) + 8
    return (low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin)


def whole_pixels(crop: Box | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A crop inside the picture, of at least one pixel."""
    if crop is None:
        return 0, 0, *size
    left, top = (int(min(max(np.floor(v), 0), n - 1)) for v, n in zip(crop[:2], size, strict=True))
    right, bottom = (
        int(min(max(np.ceil(v), low + 1), n)) for v, low, n in zip(crop[2:], (left, top), size, strict=True)
    )
    return left, top, right, bottom


def sheet(title: str, tiles: Sequence[Tile], columns: int, legend: Sequence[LegendKey]) -> Image.Image:
    """Title, tiles in rows of `columns`, legend."""
    gap = 6
    pictures = [tile.reduced() for tile in tiles]
    width, height = pictures[0].size
    total = columns * (width + gap) + gap
    places = _flow(legend, total - 2 * gap)
    lines = 1 + max((line for _, line in places), default=-1)
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (total, 32 + rows * (height + gap) + 22 * lines + 10), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((gap, 7), title, INK, font(16))
    for number, image in enumerate(pictures):
        page.paste(image, (gap + number % columns * (width + gap), 32 + number // columns * (height + gap)))
    base = 32 + rows * (height + gap) + 4
    for key, (x, line) in zip(legend, places, strict=True):
        _draw_key(draw, key, gap + x, base + 22 * line)
    return page


def _flow(legend: Sequence[LegendKey], width: int) -> list[tuple[int, int]]:
    """Offset and line of each legend entry."""
    places, x, line = [], 0, 0
    for key in legend:
        needed = 34 + int(font(13).getlength(key.text)) + 18
        if x and x + needed > width:
            x, line = 0, line + 1
        places.append((x, line))
        x += needed
    return places


def _draw_key(draw: ImageDraw.ImageDraw, key: LegendKey, x: int, y: int) -> None:
    middle = y + 9
    if key.style == "patch":
        draw.rectangle((x, middle - 6, x + 26, middle + 6), key.color, INK)
    elif key.style in ("dot", "ring"):
        fill = key.color if key.style == "dot" else None
        draw.ellipse(
            (x + 8, middle - 5, x + 18, middle + 5), fill, key.color if fill is None else INK, 2 if fill is None else 1
        )
    else:
        for start in range(0, 26, 9) if key.style == "dashed" else (0,):
            end = start + 5 if key.style == "dashed" else 26
            draw.line((x + start, middle, x + end, middle), key.color, 4)
    draw.text((x + 34, y + 1), key.text, INK, font(13))
