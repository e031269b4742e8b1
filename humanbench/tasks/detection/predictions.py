"""Pedestrian detection: predictions files and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.cards import DatasetCard
from humanbench.data.boxes import object_column, visible_ratios
from humanbench.metrics.groups import Group, Grouping
from humanbench.metrics.scores import DrawCounts
from humanbench.predictions import records as coco
from humanbench.predictions.names import locate, named
from humanbench.tasks.base import Tables, TaskPredictions, only
from humanbench.tasks.detection import DetectionEvaluationOptions
from humanbench.tasks.detection.groups import groupings, picture_sizes


@dataclass(frozen=True)
class Detections:
    """Boxes (N x 4: x, y, w, h in original pixels), scores (N), and the row of the sample table each belongs to (N)."""

    rows: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


def _sized_images(table: pd.DataFrame, detections: Detections) -> list[dict[str, Any]]:
    truth = [np.column_stack(pair) for pair in zip(table["boxes"], table["ignore"], strict=True)]
    images = _images(table, truth, detections)
    return [image | {"width": w, "height": h} for image, (w, h) in zip(images, picture_sizes(table), strict=True)]


def _caltech(card: DatasetCard, table: pd.DataFrame, detections: Detections) -> metrics.Scores:
    truth = [
        np.column_stack([boxes, visible_ratios(boxes, visible), ignore])
        for boxes, visible, ignore in zip(table["boxes"], table["visible"], table["ignore"], strict=True)
    ]
    images = _images(table, truth, detections)
    options = DetectionEvaluationOptions.of(card)
    scores = {subset: metrics.caltech(images, subset) for subset in (options.subset, *options.beside)}
    return _together(scores[options.subset], {f"-{subset}": scores[subset] for subset in options.beside})


def _together(main: metrics.Scores, beside: Mapping[str, metrics.Scores]) -> metrics.Scores:
    """Scores of the same units as one: the main one's names, and the others' with a suffix each."""
    parts = {"": main, **beside}

    def reduce(parts: Mapping[str, metrics.Scores], counts: DrawCounts) -> dict[str, float]:
        values = {end: part.reduce(part.parts, counts) for end, part in parts.items()}
        return {f"{name}{end}": value for end, part in values.items() for name, value in part.items()}

    def alone(name: str, parts: Mapping[str, metrics.Scores], counts: DrawCounts) -> float:
        return parts[""].reduce(parts[""].parts, counts)[name]

    info = {f"{name}{end}": value for end, part in parts.items() for name, value in part.info.items()}
    centred = [f"{name}{end}" for end, part in parts.items() for name in part.centred]
    return metrics.Scores(
        parts,
        reduce,
        n=main.n,
        unit=main.unit,
        info=info,
        errors=main.errors,
        reliability=main.reliability,
        centred=centred,
        single={name: partial(alone, name) for name in main},
    )


METRICS: dict[str, Callable[[DatasetCard, pd.DataFrame, Detections], metrics.Scores]] = {
    "crowdhuman": lambda card, table, detections: metrics.crowdhuman(_sized_images(table, detections)),
    "caltech": _caltech,
    "caltech_paper": lambda card, table, detections: metrics.caltech_paper(_sized_images(table, detections)),
}


def _images(table: pd.DataFrame, truth: Sequence[NDArray[np.float64]], detections: Detections) -> list[dict[str, Any]]:
    """What the metrics of detection take: one dict per image; detections keep their order."""
    order = np.argsort(detections.rows, kind="stable")
    rows = np.column_stack([detections.boxes, detections.scores])[order]
    ends = np.cumsum(np.bincount(detections.rows, minlength=len(table)))[:-1]
    return [
        {"id": i, "gt": gt, "det": det} for i, gt, det in zip(table["id"], truth, np.split(rows, ends), strict=True)
    ]


class DetectionPredictions(TaskPredictions):
    """Predictions of detection and their metrics."""

    suffix = ".json"

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> Detections:
        """Read COCO results JSON: a list of {image_id, category_id 1, bbox [x, y, w, h], score}.

        An image without entries is legitimate; an image that the split does not have is an error.
        """
        table = only(tables)
        columns = coco.read_columns(
            path,
            {"bbox": coco.Numbers(4, "4 (x, y, width, height)"), "score": coco.SCORE, "image_id": coco.NAME},
            len(table),
        )
        rows = locate([str(i) for i in table["id"]], named(card, table, columns["image_id"]), path)
        return Detections(rows, columns["bbox"], columns["score"][:, 0])

    def write(self, card: DatasetCard, tables: Tables, predictions: Detections, path: Path) -> None:
        """Write COCO results JSON; `image_id` is the sample's id."""
        ids = only(tables)["id"].tolist()
        parts = zip(predictions.rows.tolist(), predictions.boxes.tolist(), predictions.scores.tolist(), strict=True)
        coco.write_records(
            path,
            [{"image_id": ids[i], "category_id": coco.PERSON, "bbox": box, "score": score} for i, box, score in parts],
        )

    def score(self, card: DatasetCard, tables: Tables, predictions: Detections) -> metrics.Scores:
        """The metric that the card names."""
        return METRICS[DetectionEvaluationOptions.of(card).metric_for(tables)](card, only(tables), predictions)

    def groups(
        self, card: DatasetCard, tables: Tables, predictions: Detections, scores: metrics.Scores
    ) -> Iterator[Grouping]:
        """By size, occlusion, crowding and truncation of people: others become boxes to ignore."""
        ((split, table),) = tables.items()
        for name, criterion, parts in groupings(table):
            groups = []
            for group, members in parts.items():
                ignore = object_column([~chosen for chosen in members])
                again = self.score(card, {split: table.assign(ignore=ignore)}, predictions)
                groups.append(Group.whole(group, again, int(again.info["people"])))
            yield Grouping(name, "people", criterion, tuple(groups))


predictions = DetectionPredictions()
