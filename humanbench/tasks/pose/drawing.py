"""Pictures of poses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from humanbench.arrays import Floats, Ints
from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.tasks.base import Tables, TaskDrawing, only
from humanbench.tasks.drawn import (
    TRUTH,
    Drawings,
    DrawnPicture,
    DrawnSample,
    Guess,
    drawn,
    finished,
    fitted,
    large,
    near,
    rows_at,
)
from humanbench.tasks.pose.predictions import PredictedPoses
from humanbench.text import several


class PoseDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    samples = 3
    caption = (
        "The annotated skeletons, and as many predicted ones as people are annotated, those with the highest scores: "
        "orange is the person’s left side, blue the right one."
    )
    layout = "loose"

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Images with everybody in them: skeletons by side, hidden joints as rings."""
        tiles: list[Tile] = []
        images: dict[str, None] = {}
        for row in shuffled_rows(table, rng):
            if len(images) == columns * rows:
                break
            if (np.asarray(row["keypoints"])[:, 2] > 0).any():
                images[row["image"]] = None
        for path in images:
            people = [{str(k): v for k, v in p.items()} for p in table[table["image"] == path].to_dict("records")]
            joints = [np.asarray(p["keypoints"], float) for p in people]
            seen = [xy for person in joints for xy in person[person[:, 2] > 0, :2]]
            crop = around([p["bbox"] for p in people if not p["iscrowd"]], seen)
            caption = f"{PurePath(path).name}  {len(people)} annotated"
            tile = Tile(canvas.picture(path), CELL, CELL, caption, crop)
            for person, keypoints in zip(people, joints, strict=True):
                tile.box(
                    person["bbox"], canvas.VERMILION if person["iscrowd"] else canvas.PAPER, 1, bool(person["iscrowd"])
                )
                draw_skeleton(card, tile, keypoints, float(np.sqrt(np.prod(person["bbox"][2:]))))
            tiles.append(tile)
        legend = [
            LegendKey(canvas.ORANGE, "left of the person"),
            LegendKey(canvas.SKY, "right of the person"),
            LegendKey(canvas.GREEN, "middle"),
            LegendKey(canvas.INK, "visible joint", "dot"),
            LegendKey(canvas.INK, "labelled, hidden joint", "ring"),
            LegendKey(canvas.VERMILION, "crowd, ignored", "dashed"),
        ]
        return Sheet(tiles, columns, legend)

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """Pictures with annotated joints, and of every entry as many skeletons as people are annotated."""
        table = only(tables)
        by_image = [_positions(guess.image_ids) for _, guess in guesses]
        seen: set[str] = set()
        for position, row in rows_at(table, rows):
            if row["image"] in seen or not (np.asarray(row["keypoints"])[:, 2] > 0).any():
                continue
            seen.add(row["image"])
            people = [p for p in table[table["image"] == row["image"]].to_dict("records") if not p["iscrowd"]]
            joints = [np.asarray(p["keypoints"], float) for p in people]
            image = canvas.picture(row["image"])
            marked = [xy for one in joints for xy in one[one[:, 2] > 0, :2]]
            tile = partial(fitted, image, around([p["bbox"] for p in people], marked))
            pictures = [_skeletons(card, tile(), TRUTH, joints)]
            for (name, guess), index in zip(guesses, by_image, strict=True):
                there = index.get(str(row["image_id"]), np.empty(0, np.int64))
                best = there[np.argsort(-guess.scores[there], kind="stable")[: len(people)]]
                moved = [
                    np.column_stack([near(k[:, :2], image.size), np.full(len(k), 2.0)]) for k in guess.keypoints[best]
                ]
                pictures.append(_skeletons(card, tile(), name, moved))
            yield DrawnSample(str(row["image_id"]), tuple(pictures), position=position)

    def pictures(self, card: DatasetCard, tables: Tables, predictions: PredictedPoses) -> Drawings:
        """Pictures with everybody who was found, joints of a score of at least 0.2."""
        table, by_image = only(tables), _positions(predictions.image_ids)
        for name, rows in table.groupby("image_id", sort=False):
            there = by_image.get(str(name), np.empty(0, np.int64))
            yield str(name), partial(_people, card, str(rows["image"].iloc[0]), predictions.keypoints[there])


JOINT = 0.2
"""Score from which on a joint is drawn: what HRNet takes for seen."""


def _people(card: DatasetCard, path: str, keypoints: Floats) -> Image.Image:
    tile = large(path)
    for person in keypoints:
        seen = np.column_stack([person[:, :2], np.where(person[:, 2] >= JOINT, 2.0, 0.0)])
        draw_skeleton(card, tile, seen, _size(seen))
    return finished(tile)


def side_color(name: str) -> Color:
    """Colour of a keypoint by the side its name tells: left, right, or neither."""
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    if "left" in words or words[0] == "l":
        return canvas.ORANGE
    return canvas.SKY if "right" in words or words[0] == "r" else canvas.GREEN


def draw_skeleton(card: DatasetCard, tile: Tile, keypoints: NDArray[np.float64], size: float) -> None:
    radius = float(np.clip(size * tile.scale / 60, 1.5, 4))  # a person in the distance shall not vanish under dots
    colors = [side_color(name) for name in card.labels.keypoints]
    for start, end in card.labels.skeleton:
        if keypoints[start, 2] > 0 and keypoints[end, 2] > 0:
            color = colors[start] if colors[start] == colors[end] else canvas.GREEN
            tile.line(keypoints[start, :2], keypoints[end, :2], color, 1 if radius < 2.5 else 2)
    for (x, y, visible), color in zip(keypoints, colors, strict=True):
        if visible > 0:
            tile.dot((x, y), color, radius, hollow=visible == 1)


def _size(keypoints: Floats) -> float:
    """The side of a square as large as what the joints that are there span, in pixels."""
    there = keypoints[keypoints[:, 2] > 0, :2]
    return float(np.sqrt(np.prod(np.ptp(there, axis=0) + 1))) if len(there) else 1.0


def _positions(names: Sequence[Any]) -> dict[str, Ints]:
    """By name, the positions at which it stands."""
    texts = np.array([str(name) for name in names], object)
    rows_of = pd.Series(texts).groupby(texts, sort=False).indices
    return {str(text): np.asarray(rows, np.int64) for text, rows in rows_of.items()}


def _skeletons(card: DatasetCard, tile: Tile, title: str, people: Sequence[Floats]) -> DrawnPicture:
    for keypoints in people:
        draw_skeleton(card, tile, keypoints, _size(keypoints))
    text = several(len(people), "skeleton", "skeletons")
    return drawn(title, tile, text, text if len(people) != 1 else "")


drawing = PoseDrawing()
