"""2D human pose estimation: predictions files and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from humanbench import metrics
from humanbench.arrays import Bools, Floats, Ints
from humanbench.cards import DatasetCard
from humanbench.errors import DataError, PredictionError
from humanbench.metrics.groups import Grouping
from humanbench.predictions import records as coco
from humanbench.predictions.names import align, locate, named
from humanbench.tasks.base import Tables, TaskPredictions, only
from humanbench.tasks.pose import PoseEvaluationOptions
from humanbench.tasks.pose.groups import labelled_joints, of_found_people, of_given_people


@dataclass(frozen=True)
class PredictedPoses:
    """Predicted people: K keypoints each (N x K x 3: x, y, score in original pixels, 0-based) and a score (N).

    `image_ids` are those of the sample table. Where the people are given, there is one row per row of the table, in its
    order, and `annotation_ids` says which. `boxes` (N x 4: x, y, w, h), where a file states them, are what COCO's
    evaluation takes for the people's size.
    """

    image_ids: Sequence[Any]
    keypoints: Floats
    scores: Floats
    annotation_ids: Sequence[Any] | None = None
    boxes: Floats | None = None


def _keypoint_ap(card: DatasetCard, table: pd.DataFrame, people: PredictedPoses) -> metrics.Scores:
    rows = table[[c for c in ("annotation_id", *_ANNOTATION) if c in table]].to_dict("records")
    left_out = [{**row, "iscrowd": 1} for row in table.attrs.get("left_out", ())]
    truth = {
        "images": [{"id": i} for i in _images(table)],
        "annotations": [_annotation(row) for row in (*rows, *left_out)],
        "categories": [{"id": coco.PERSON, "name": "person"}],
    }
    measured = PoseEvaluationOptions.of(card).area
    detections = metrics.PoseDetections(people.image_ids, people.keypoints, people.scores, people.boxes)
    return metrics.keypoint_ap(truth, detections, np.array(card.labels.sigmas), area=measured)


_ANNOTATION = ("image_id", "bbox", "area", "iscrowd", "num_keypoints", "keypoints")
"""What COCO's evaluation reads of a person; `num_keypoints` where the dataset's file states it."""


def _annotation(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A person of the sample table as COCO's files have them, box and keypoints as arrays."""
    fields = {name: row[name] for name in _ANNOTATION if name in row}
    return {**fields, "id": row["annotation_id"], "category_id": coco.PERSON}


def _pckh(card: DatasetCard, table: pd.DataFrame, people: PredictedPoses) -> metrics.Scores:
    truth = np.stack([np.asarray(k, float) for k in table["keypoints"]])
    heads = np.stack([np.asarray(box, float).reshape(2, 2) for box in table["headbox"]])
    if np.isnan(heads).any():
        raise DataError(
            f"{card.id}: PCKh needs the head boxes of the people, and their file is not there; "
            f"`humanbench datasets show {card.id}` prints the expected layout"
        )
    # The metric takes the ground truth in MATLAB's pixels, which count from 1.
    return metrics.pckh(people.keypoints[..., :2], truth[..., :2] + 1, truth[..., 2] == 0, heads)


def _epe(card: DatasetCard, table: pd.DataFrame, people: PredictedPoses) -> metrics.Scores:
    truth = np.stack([np.asarray(k, float) for k in table["keypoints"]])
    return metrics.epe(people.keypoints[..., :2], truth[..., :2], truth[..., 2] > 0, names=card.labels.keypoints)


class PoseMetric(NamedTuple):
    """How poses are scored."""

    score: Callable[[DatasetCard, pd.DataFrame, PredictedPoses], metrics.Scores]
    given: bool
    """Whether the people are given, so that every one of them needs exactly one prediction."""


METRICS = {
    "keypoint_ap": PoseMetric(_keypoint_ap, given=False),
    "pckh": PoseMetric(_pckh, given=True),
    "epe": PoseMetric(_epe, given=True),
}


def metric_of(card: DatasetCard, tables: Tables) -> PoseMetric:
    """The metric of the tables' split."""
    return METRICS[PoseEvaluationOptions.of(card).metric_for(tables)]


def _images(table: pd.DataFrame) -> list[Any]:
    """All images of the split, also those without people."""
    return list(dict.fromkeys(table.attrs.get("image_ids", table["image_id"])))


def _plain(identifier: Any) -> int | str:
    """An id as JSON can hold it."""
    return identifier if isinstance(identifier, str) else int(identifier)


_BOX = coco.Numbers(4, "4 (x, y, width, height), as the first entry has", if_first=True)


class PosePredictions(TaskPredictions):
    """Predictions of poses and their metrics."""

    suffix = ".json"

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> PredictedPoses:
        """Read COCO results JSON: a list of {image_id, category_id 1, keypoints [x, y, score] * K, score}.

        Where the first entry has a `bbox`, as COCO's own tool decides it, all need one.
        Where the people are given each entry also has its `annotation_id`, and every person needs exactly one entry. An
        image without entries is legitimate otherwise; an image that the split does not have is an error.
        """
        table = only(tables)
        points = len(card.labels.keypoints)
        given = metric_of(card, tables).given
        fields = {
            "keypoints": coco.Numbers(3 * points, f"{3 * points} (x, y, score of {points} keypoints)"),
            "score": coco.SCORE,
            "image_id": coco.NAME,
            **({"annotation_id": coco.NAME} if given else {"bbox": _BOX}),
        }
        read = coco.read_columns(path, fields, len(table), 3 * points)
        keypoints, scores = read["keypoints"].reshape(-1, points, 3), read["score"][:, 0]
        images = _images(table)
        places = locate([str(i) for i in images], named(card, table, read["image_id"]), path)
        image_ids = [images[place] for place in places]
        if not given:
            return PredictedPoses(image_ids, keypoints, scores, boxes=read.get("bbox"))
        order = align([str(i) for i in table["annotation_id"]], read["annotation_id"], path, noun="person")
        for row, (entry, image) in enumerate(zip(order, table["image_id"], strict=True)):
            if image_ids[entry] != image:
                person = table["annotation_id"].iloc[row]
                raise PredictionError(f"{path}: person {person} is in image {image!r}, not in {image_ids[entry]!r}")
        return PredictedPoses(list(table["image_id"]), keypoints[order], scores[order], list(table["annotation_id"]))

    def write(self, card: DatasetCard, tables: Tables, predictions: PredictedPoses, path: Path) -> None:
        """Write COCO results JSON."""
        people, boxes = predictions.annotation_ids, predictions.boxes
        columns = {
            "annotation_id": None if people is None else [_plain(person) for person in people],
            "image_id": [_plain(image) for image in predictions.image_ids],
            "category_id": [coco.PERSON] * len(predictions.image_ids),
            "keypoints": [points.ravel().tolist() for points in predictions.keypoints],
            "score": predictions.scores.tolist(),
            "bbox": None if boxes is None else boxes.tolist(),
        }
        stated = {name: values for name, values in columns.items() if values is not None}
        rows = zip(*stated.values(), strict=True)
        coco.write_records(path, [dict(zip(stated, row, strict=True)) for row in rows])

    def score(self, card: DatasetCard, tables: Tables, predictions: PredictedPoses) -> metrics.Scores:
        """The metric that the card names (`humanbench.metrics.keypoint_ap`, `pckh` or `epe`)."""
        return metric_of(card, tables).score(card, only(tables), predictions)

    def groups(
        self, card: DatasetCard, tables: Tables, predictions: PredictedPoses, scores: metrics.Scores
    ) -> Iterator[Grouping]:
        """By size, hidden joints and crowding (CrowdPose's index)."""
        ((split, table),) = tables.items()
        if metric_of(card, tables).given:
            yield from of_given_people(table, scores)
            return

        def rescored(members: Bools) -> metrics.Scores:
            counted = table.assign(num_keypoints=np.where(members, labelled_joints(table), 0))
            return self.score(card, {split: counted}, predictions)

        yield from of_found_people(table, sorted(set(_images(table))), scores, rescored)

    def rows(self, card: DatasetCard, tables: Tables, scores: metrics.Scores) -> Ints:
        """Where people are found by the model the units are images, by sorted id: the first person of each."""
        table = only(tables)
        if metric_of(card, tables).given:
            return np.arange(len(table))
        first: dict[Any, int] = {}
        for row, image in enumerate(table["image_id"]):
            first.setdefault(image, row)
        return np.array([first.get(image, -1) for image in sorted(set(_images(table)))], np.int64)


predictions = PosePredictions()
