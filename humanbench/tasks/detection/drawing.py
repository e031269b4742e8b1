"""Pictures of boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import PurePath

import numpy as np
import pandas as pd
from PIL import Image

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.boxes import visible_boxes
from humanbench.data.canvas import CELL, LegendKey, Sheet, Tile, around, shuffled_rows
from humanbench.metrics.boxes import HIT, IGNORED, MISS
from humanbench.metrics.crowdhuman import crowd_verdicts
from humanbench.tasks.base import Tables, TaskDrawing, only
from humanbench.tasks.detection.predictions import Detections
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
from humanbench.text import several


class DetectionDrawing(TaskDrawing):
    """See the methods of `TaskDrawing`."""

    samples = 3
    caption = (
        "The annotated people (dashed: ignored), and as many predicted boxes as people are annotated, those with the "
        "highest scores: solid where one covers a person (IoU above 0.5), dashed where none does, grey in an ignored "
        "region."
    )
    layout = "loose"

    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Images with people: full boxes, their visible part, boxes to be ignored."""
        tiles: list[Tile] = []
        for row in shuffled_rows(table, rng):
            if len(tiles) == columns * rows:
                break
            boxes, ignore = np.asarray(row["boxes"], float).reshape(-1, 4), np.asarray(row["ignore"], bool)
            if not len(boxes):
                continue
            shown = visible_boxes(boxes, row["visible"])
            people, ignored = int((~ignore).sum()), int(ignore.sum())
            caption = f"{PurePath(row['image']).name}  {people} people, {ignored} ignored"
            tile = Tile(canvas.picture(row["image"]), CELL, CELL, caption, around(list(boxes[~ignore])))
            for box, part, skip in zip(boxes, shown, ignore, strict=True):
                if not skip and np.abs(box - part).max() > 1:
                    tile.box(part, canvas.SKY, 1)
                tile.box(box, canvas.VERMILION if skip else canvas.YELLOW, 1 if skip else 2, bool(skip))
            tiles.append(tile)
        legend = [
            LegendKey(canvas.YELLOW, "person"),
            LegendKey(canvas.SKY, "visible part, where it is less than the person"),
            LegendKey(canvas.VERMILION, "ignored", "dashed"),
        ]
        return Sheet(tiles, columns, legend)

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """Pictures with people, and of every entry as many boxes as people are annotated."""
        for position, row in rows_at(only(tables), rows):
            boxes, ignore = np.asarray(row["boxes"], float).reshape(-1, 4), np.asarray(row["ignore"], bool)
            if ignore.all():
                continue
            image, people = canvas.picture(row["image"]), boxes[~ignore]
            tile = partial(fitted, image, around(list(people)))
            truth = tile()
            for box, skip in zip(boxes, ignore, strict=True):
                truth.box(box, canvas.GREY if skip else canvas.YELLOW, 1 if skip else 2, bool(skip))
            pictures = [drawn(TRUTH, truth, several(len(people), "person", "people") + " in boxes")]
            for name, guess in guesses:
                mine = np.flatnonzero(guess.rows == position)
                best = mine[np.argsort(-guess.scores[mine], kind="stable")[: len(people)]]
                scored_boxes = np.column_stack([guess.boxes[best], guess.scores[best]])
                labels = np.column_stack([boxes, ignore])
                pictures.append(_boxes(tile(), name, scored_boxes, labels, image.size))
            yield DrawnSample(str(row["id"]), tuple(pictures), position=position)

    def pictures(self, card: DatasetCard, tables: Tables, predictions: Detections) -> Drawings:
        """Pictures with the boxes of at least half the highest score that a box has anywhere."""
        least = SHOWN * float(predictions.scores.max(initial=0.0))
        for position, (name, path) in enumerate(zip(only(tables)["id"], only(tables)["image"], strict=True)):
            mine = np.flatnonzero((predictions.rows == position) & (predictions.scores >= least))
            yield name, partial(_found, str(path), predictions.boxes[mine], predictions.scores[mine])


SHOWN = 0.5
"""Share of the highest score from which on boxes are drawn where nobody knows how many people there are."""


def _found(path: str, boxes: Floats, scores: Floats) -> Image.Image:
    tile = large(path)
    for box, score in zip(boxes, scores, strict=True):
        tile.box(box, canvas.YELLOW, 2)
        tile.label(tile.place(box[:2])[0] + (18, 10), f"{score:.2f}", 8)
    return finished(tile)


def _boxes(tile: Tile, title: str, rows: Floats, labels: Floats, size: tuple[int, int]) -> DrawnPicture:
    """Detected boxes (x, y, w, h, score), the best first: solid where they find a person, dashed where not."""
    image = {"id": title, "gt": labels, "det": rows, "width": size[0], "height": size[1]}
    verdicts = crowd_verdicts(image)
    for (x, y, w, h, score), verdict in zip(rows, verdicts, strict=True):
        corners = near([[x, y], [x + w, y + h]], size)
        box = np.concatenate([corners[0], corners[1] - corners[0]])
        color = {HIT: canvas.YELLOW, MISS: canvas.VERMILION, IGNORED: canvas.GREY}[int(verdict)]
        tile.box(box, color, 2, verdict != HIT)
        if len(rows) <= 12:
            tile.label(tile.place(corners[0])[0] + (18, 10), f"{score:.2f}" if abs(score) < 100 else f"{score:.0e}", 8)
    people = several(int((labels[:, 4] == 0).sum()), "person", "people")
    note = f"{int((verdicts == HIT).sum())} of {people} found"
    return drawn(title, tile, f"{several(len(rows), 'box', 'boxes')}, {note}", note)


drawing = DetectionDrawing()
