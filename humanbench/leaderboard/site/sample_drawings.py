"""Test pictures with the labels and what entries predicted for them, drawn for the task pages.

The pictures are taken at random, not chosen. Predictions may come from anywhere: places far outside a picture are
moved to its surroundings, and of each picture no more people are drawn than are annotated in it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import Box, Color, Tile, around
from humanbench.data.labels import IGNORE, load_label
from humanbench.names import shown
from humanbench.tasks.base import only
from humanbench.tasks.parsing.drawing import blend_parts
from humanbench.tasks.pose.drawing import draw_skeleton

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT = 300, 330
"""The largest drawn picture."""
GALLERY = 5
"""Ranks that are shown of a gallery."""
PERSON = 84, 168
"""A picture of the re-identification strip."""
ATTRIBUTES = 12
"""Rows of an attribute table."""

Guess = tuple[str, Any]
"""The name of an entry, and its predictions as the task's `predictions.read` gives them."""
Row = dict[str, Any]


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
class Sample:
    """A test picture: its drawings, and a table (heads and rows of text) where words say more than a drawing."""

    name: str
    pictures: tuple[DrawnPicture, ...]
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def draw(card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int) -> list[Sample]:
    """Up to `count` samples of the test tables, the same ones for everybody, with the guesses beside the labels."""
    return list(_DRAW[card.task](card, tables, guesses, count))


TRUTH = "Annotated"


def _records(table: pd.DataFrame) -> Iterator[tuple[int, Row]]:
    """Positions and rows in an order that is random, but always the same."""
    for position in np.random.default_rng(0).permutation(len(table)):
        yield int(position), {str(k): v for k, v in table.iloc[int(position)].items()}


def _tile(image: Image.Image, crop: Box | None = None, width: int = WIDTH, height: int = HEIGHT) -> Tile:
    """The part of the picture as large as fits."""
    left, top, right, bottom = canvas.whole_pixels(crop, image.size)
    scale = min(width / (right - left), height / (bottom - top))
    sides = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    return Tile(image, *sides, "", crop)


def _finished(tile: Tile) -> Image.Image:
    whole = tile.reduced()
    return whole.crop((0, 0, whole.width, whole.height - Tile.CAPTION))


def _picture(title: str, image: Image.Image, alt: str, note: str = "") -> DrawnPicture:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80, method=4)
    return DrawnPicture(shown(title), file.getvalue(), image.width, image.height, alt, note)


def _near(points: ArrayLike, size: tuple[int, int]) -> NDArray[np.float64]:
    """x, y pairs with those far outside a picture of this size moved nearer; what is no number is outside."""
    xy = np.nan_to_num(np.asarray(points, float), nan=-size[0], posinf=2 * max(size), neginf=-max(size))
    near: NDArray[np.float64] = np.clip(xy, -max(size), 2 * max(size))
    return near


def _several(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _pose(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int
) -> Iterator[Sample]:
    table = only(tables)
    by_image = [_positions(guess.image_ids) for _, guess in guesses]
    seen: set[str] = set()
    for _, row in _records(table):
        if len(seen) == count:
            return
        if row["image"] in seen or not (np.asarray(row["keypoints"])[:, 2] > 0).any():
            continue
        seen.add(row["image"])
        people = [p for p in _rows(table[table["image"] == row["image"]]) if not p["iscrowd"]]
        joints = [np.asarray(p["keypoints"], float) for p in people]
        image = canvas.picture(row["image"])
        marked = [xy for one in joints for xy in one[one[:, 2] > 0, :2]]
        tile = partial(_tile, image, around([p["bbox"] for p in people], marked))
        pictures = [_skeletons(card, tile(), TRUTH, joints)]
        for (name, guess), index in zip(guesses, by_image, strict=True):
            found = index.get(str(row["image_id"]), np.empty(0, np.int64))
            best = found[np.argsort(-guess.scores[found], kind="stable")[: len(people)]]
            drawn = [
                np.column_stack([_near(k[:, :2], image.size), np.full(len(k), 2.0)]) for k in guess.keypoints[best]
            ]
            pictures.append(_skeletons(card, tile(), name, drawn))
        yield Sample(str(row["image_id"]), tuple(pictures))


def _positions(names: Sequence[Any]) -> dict[str, NDArray[np.int64]]:
    """By name, the positions at which it stands."""
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(str(name), []).append(position)
    return {name: np.array(places, np.int64) for name, places in found.items()}


def _rows(table: pd.DataFrame) -> list[Row]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _skeletons(card: DatasetCard, tile: Tile, title: str, people: Sequence[NDArray[np.float64]]) -> DrawnPicture:
    for keypoints in people:
        extent = np.ptp(keypoints[keypoints[:, 2] > 0, :2], axis=0) if (keypoints[:, 2] > 0).any() else np.zeros(2)
        draw_skeleton(card, tile, keypoints, float(np.sqrt(np.prod(extent + 1))))
    text = _several(len(people), "skeleton", "skeletons")
    return _picture(title, _finished(tile), text, text if len(people) != 1 else "")


def _parsing(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int
) -> Iterator[Sample]:
    classes = len(card.labels.classes)
    for position, row in list(_records(only(tables)))[:count]:
        truth = load_label(card, row["label"])
        image = canvas.picture(row["image"])
        parts = np.argwhere((truth > 0) & (truth < IGNORE))[:, ::-1]
        crop = around([], [parts.min(axis=0), parts.max(axis=0)]) if len(parts) else None
        pictures, present = [], set()
        for name, label in [(TRUTH, truth), *((n, g[position].load(truth.shape, classes)) for n, g in guesses)]:
            tile = _tile(image, crop)
            left, top, right, bottom = tile.window
            here = blend_parts(tile, label[top:bottom, left:right]) - {0, IGNORE}
            present |= here
            right_ones = 100 * float((label == truth)[truth != IGNORE].mean())
            note = "" if label is truth else f"{right_ones:.0f} % of the pixels right"
            alt = "parts: " + (", ".join(card.labels.classes[c] for c in sorted(here)) or "none")
            pictures.append(_picture(name, _finished(tile), alt, note))
        legend = tuple((str(c), card.labels.classes[c]) for c in sorted(present))
        yield Sample(str(row["id"]), tuple(pictures), ("Number", "Part"), legend)


def _counting(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int
) -> Iterator[Sample]:
    for position, row in list(_records(only(tables)))[:count]:
        image = canvas.picture(row["image"])
        tile = _tile(image, width=WIDTH + 60)
        points = np.asarray(row["points"], float).reshape(-1, 2)
        for point in points:
            tile.dot(point, canvas.YELLOW, 2 if len(points) > 100 else 3)
        counts = [(TRUTH, f"{row['count']:g}")]
        counts += [(shown(name), _count(guess[position])) for name, guess in guesses]
        alt = f"a crowd with {_several(len(points), 'ringed head', 'ringed heads')}"
        yield Sample(str(row["id"]), (_picture(TRUTH, _finished(tile), alt),), ("", "People"), tuple(counts))


def _count(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 1e6 else f"{value:.2g}"


def _attribute(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int
) -> Iterator[Sample]:
    names = list(card.labels.attributes)
    said = {1: "yes", 0: "no", -1: "not known"}
    for position, row in list(_records(only(tables)))[:count]:
        image = _finished(_tile(canvas.picture(row["image"]), width=150, height=260))
        chances = np.array([np.asarray(guess)[position] for _, guess in guesses]).reshape(len(guesses), len(names))
        # What the person has, or somebody believes it has; of these the most certain ones.
        certain = np.array([2.0 * (row[n] == 1) for n in names]) + chances.max(axis=0, initial=0.0)
        kept = [i for i in np.argsort(-certain, kind="stable") if certain[i] >= 0.5][:ATTRIBUTES]
        rows = [(names[i], said[int(row[names[i]])], *(f"{c:.2f}" for c in chances[:, i])) for i in sorted(kept)]
        has = ", ".join(n for n in names if row[n] == 1) or "none"
        heads = ("Attribute", TRUTH, *(shown(name) for name, _ in guesses))
        yield Sample(str(row["id"]), (_picture("", image, f"a person with the attributes {has}"),), heads, tuple(rows))


def _detection(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int
) -> Iterator[Sample]:
    drawn = 0
    for position, row in _records(only(tables)):
        boxes, ignore = np.asarray(row["boxes"], float).reshape(-1, 4), np.asarray(row["ignore"], bool)
        if drawn == count or ignore.all():
            if drawn == count:
                return
            continue
        drawn += 1
        image, people = canvas.picture(row["image"]), boxes[~ignore]
        tile = partial(_tile, image, around(list(people)))
        truth = tile()
        for box, skip in zip(boxes, ignore, strict=True):
            truth.box(box, canvas.GREY if skip else canvas.YELLOW, 1 if skip else 2, bool(skip))
        pictures = [_picture(TRUTH, _finished(truth), _several(len(people), "person", "people") + " in boxes")]
        for name, guess in guesses:
            mine = np.flatnonzero(guess.rows == position)
            best = mine[np.argsort(-guess.scores[mine], kind="stable")[: len(people)]]
            pictures.append(_boxes(tile(), name, guess.boxes[best], guess.scores[best], people, image.size))
        yield Sample(str(row["id"]), tuple(pictures))


def _boxes(
    tile: Tile,
    title: str,
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    people: NDArray[np.float64],
    size: tuple[int, int],
) -> DrawnPicture:
    """Detected boxes, the best first: solid where they find a person, dashed where not, each with its score."""
    free, found = np.ones(len(people), bool), 0
    for (x, y, w, h), score in zip(boxes, scores, strict=True):
        corners = _near([[x, y], [x + w, y + h]], size)
        box = np.concatenate([corners[0], corners[1] - corners[0]])
        overlap = np.where(free, _overlaps(box, people), 0.0)
        best = int(overlap.argmax())
        hit = bool(overlap[best] >= 0.5)
        free[best] &= not hit
        found += hit
        tile.box(box, canvas.YELLOW if hit else canvas.VERMILION, 2, not hit)
        if len(boxes) <= 12:
            tile.label(tile.place(corners[0])[0] + (18, 10), f"{score:.2f}" if abs(score) < 100 else f"{score:.0e}", 8)
    note = f"{found} of {_several(len(people), 'person', 'people')} found"
    return _picture(title, _finished(tile), f"{_several(len(boxes), 'box', 'boxes')}, {note}", note)


def _overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of one box with N."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    ratio: NDArray[np.float64] = shared / np.maximum(np.prod(box[2:]) + np.prod(others[:, 2:], axis=1) - shared, 1e-9)
    return ratio


def _reid(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], guesses: Sequence[Guess], count: int
) -> Iterator[Sample]:
    query, gallery = tables.values()
    pids, cams = gallery["pid"].to_numpy(), gallery["camid"].to_numpy()
    drawn = 0
    for position, row in _records(query):
        if drawn == count:
            return
        same = pids == row["pid"]
        ranked = (pids >= 0) & ~(same & (cams == row["camid"]) & (row["camid"] >= 0))
        if not (same & ranked).any():
            continue
        drawn += 1
        pictures = []
        for name, guess in guesses:
            distances = _distances(card, guess, position)
            order = [int(i) for i in np.argsort(distances, kind="stable") if ranked[i]]
            right = [bool(same[i]) for i in order]
            first = [(gallery["image"].iloc[i], mark) for i, mark in zip(order[:GALLERY], right, strict=False)]
            words = ", ".join("right" if mark else "wrong" for _, mark in first)
            alt = f"a query, then the gallery pictures of ranks 1 to {len(first)}: {words}"
            pictures.append(
                _picture(name, _strip(row["image"], first), alt, f"first right one: rank {right.index(True) + 1}")
            )
        yield Sample(str(row["id"]), tuple(pictures))


def _distances(card: DatasetCard, guess: Any, position: int) -> NDArray[np.float64]:
    """Distances of a query to the gallery."""
    from humanbench.tasks.reid import ReidEvaluationOptions
    from humanbench.tasks.reid.predictions import ReidDistances

    if isinstance(guess, ReidDistances):
        return np.asarray(guess.matrix[position], float)
    query, gallery = np.asarray(guess.query[position], float), np.asarray(guess.gallery, float)
    if ReidEvaluationOptions.of(card).distance == "cosine":
        query, gallery = (v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12) for v in (query, gallery))
    distances: NDArray[np.float64] = ((gallery - query) ** 2).sum(axis=1)
    return distances


def _strip(query: str, gallery: Sequence[tuple[str, bool]]) -> Image.Image:
    """The query and, after a gap, gallery pictures with a frame and a tick or a cross."""
    tiles = [Tile(canvas.picture(query), *PERSON, "")]
    for path, right in gallery:
        tile = Tile(canvas.picture(path), *PERSON, "")
        tile.border(canvas.GREEN if right else canvas.VERMILION, not right)
        _sign(tile, right)
        tiles.append(tile)
    gap, wide = 5, 18
    width = len(tiles) * (PERSON[0] + gap) - gap + wide - gap
    strip = Image.new("RGBA", (width, PERSON[1]))  # gaps have the colour of the page
    for number, tile in enumerate(tiles):
        strip.paste(_finished(tile), (number * (PERSON[0] + gap) + (wide - gap if number else 0), 0))
    return strip


def _sign(tile: Tile, right: bool) -> None:
    """A tick or a cross on a light plate in the upper corner."""
    tile.draw.rectangle((6, 6, 42, 42), canvas.PAPER, canvas.INK, 2)
    color: Color = canvas.GREEN if right else canvas.VERMILION
    lines = [(12, 25, 20, 34), (20, 34, 36, 13)] if right else [(13, 13, 35, 35), (13, 35, 35, 13)]
    for line in lines:
        tile.draw.line(line, color, 6)


_DRAW: dict[str, Callable[..., Iterator[Sample]]] = {
    "reid": _reid,
    "pose": _pose,
    "parsing": _parsing,
    "attribute": _attribute,
    "detection": _detection,
    "counting": _counting,
}
