"""Pedestrian detection.

Evaluation option `metric` of a card: `crowdhuman` or `caltech`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.cards import DatasetCard
from humanbench.data.boxes import visible_ratios
from humanbench.data.images import image_size
from humanbench.errors import PredictionError
from humanbench.predictions import records as coco
from humanbench.predictions.names import locate
from humanbench.tasks import only, option

MAIN_METRIC = "AP50"


@dataclass(frozen=True)
class Detections:
    """Boxes (N x 4: x, y, w, h in original pixels), scores (N), and the row of the sample table each belongs to (N)."""

    rows: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


def read_predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], path: Path) -> Detections:
    """Read COCO results JSON: a list of {image_id, category_id 1, bbox [x, y, w, h], score}.

    An image without entries is legitimate; an image that the split does not have is an error.
    """
    records = coco.read_records(path)
    boxes = coco.numbers(records, "bbox", 4, path, "4 (x, y, width, height)")
    scores = coco.numbers(records, "score", 1, path, "a number")[:, 0]
    negative = (boxes[:, 2:] < 0).any(axis=1)
    if negative.any():
        raise PredictionError(
            f"{path}: entry {int(negative.argmax())} is a box of negative size; bbox is x, y, width, height"
        )
    rows = locate([str(i) for i in only(tables)["id"]], coco.names(records, "image_id", path), path)
    return Detections(rows, boxes, scores)


def write_predictions(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], predictions: Detections, path: Path
) -> None:
    """Write COCO results JSON; `image_id` is the sample's id."""
    ids = only(tables)["id"].tolist()
    parts = zip(predictions.rows.tolist(), predictions.boxes.tolist(), predictions.scores.tolist(), strict=True)
    coco.write_records(
        path,
        [{"image_id": ids[i], "category_id": coco.PERSON, "bbox": box, "score": score} for i, box, score in parts],
    )


def score(card: DatasetCard, tables: Mapping[str, pd.DataFrame], predictions: Detections) -> metrics.Scores:
    """The metric that the card names."""
    measured: metrics.Scores = option(card, "metric", METRICS)(only(tables), predictions)
    return measured


def _crowdhuman(table: pd.DataFrame, detections: Detections) -> metrics.Scores:
    truth = [np.column_stack(pair) for pair in zip(table["boxes"], table["ignore"], strict=True)]
    sizes = list(table["size"]) if "size" in table else [image_size(Path(p)) for p in table["image"]]
    return metrics.crowdhuman(_images(table, truth, detections, sizes))


def _caltech(table: pd.DataFrame, detections: Detections) -> metrics.Scores:
    truth = [
        np.column_stack([boxes, visible_ratios(boxes, visible), ignore])
        for boxes, visible, ignore in zip(table["boxes"], table["visible"], table["ignore"], strict=True)
    ]
    images = _images(table, truth, detections, [CALTECH_SIZE] * len(table))
    return metrics.caltech(images)


METRICS = {"crowdhuman": _crowdhuman, "caltech": _caltech}
CALTECH_SIZE = (640, 480)
"""Width and height of every frame of the Caltech videos; the metric's boundary rule is written for them."""


def _images(
    table: pd.DataFrame,
    truth: Sequence[NDArray[np.float64]],
    detections: Detections,
    sizes: Sequence[tuple[int, int]],
) -> list[dict[str, Any]]:
    """What the metrics of detection take: one dict per image; detections keep their order."""
    order = np.argsort(detections.rows, kind="stable")
    rows = np.column_stack([detections.boxes, detections.scores])[order]
    ends = np.cumsum(np.bincount(detections.rows, minlength=len(table)))[:-1]
    return [
        {"id": i, "width": width, "height": height, "gt": gt, "det": det}
        for i, (width, height), gt, det in zip(table["id"], sizes, truth, np.split(rows, ends), strict=True)
    ]
