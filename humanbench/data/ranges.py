"""Whether the labels of a sample table have values that the task allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.boxes import records

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = -1

CHUNK = 50_000
"""People looked at together: a table of a million would take gigabytes at once."""


def problem(card: DatasetCard, table: pd.DataFrame) -> str:
    """The first label that cannot be, in words with its sample's id; "" when all are possible."""
    return _CHECKS[card.task](card, table)


def peculiarities(card: DatasetCard, table: pd.DataFrame) -> list[str]:
    """Rows that training and scoring leave out, with their number and the first: no fault of the copy."""
    if card.task != "pose" or not len(table):
        return []
    boxes = np.stack([np.asarray(b, np.float64) for b in table["bbox"]])
    areas = table["area"].to_numpy(np.float64)
    labelled = np.array([bool((np.asarray(p)[:, 2] > 0).any()) for p in table["keypoints"]])
    flat = (boxes[:, 2:] <= 0).any(axis=1)
    small = labelled & ~flat & ~(areas > 0)
    words = (
        (flat, "have a box without area: training and average precision leave them out"),
        (
            small,
            "have labelled keypoints and an area of 0: average precision takes them for infinitely small",
        ),
    )
    return [
        f"{int(rows.sum()):,} of {len(table):,} people {text}; the first is {_first(table, rows)}"
        for rows, text in words
        if rows.any()
    ]


def labelled_points(card: DatasetCard, rows: pd.DataFrame) -> Any:
    """Where the labels of these rows are: keypoints with v > 0, centres of people's boxes, heads. N x 2."""
    if card.task == "pose":
        points = np.concatenate([np.reshape(p, (-1, 3)) for p in rows["keypoints"]])
        return points[points[:, 2] > 0, :2]
    if card.task == "detection":
        boxes = np.concatenate([b[~i] for b, i in zip(rows["boxes"], rows["ignore"], strict=True)])
        return boxes[:, :2] + boxes[:, 2:] / 2
    if card.task == "counting":
        return np.concatenate([np.reshape(p, (-1, 2)) for p in rows["points"]])
    return np.zeros((0, 2))


def _first(table: pd.DataFrame, bad: Any) -> Any:
    return table["id"].iloc[int(np.argmax(np.asarray(bad)))]


def _reid(card: DatasetCard, table: pd.DataFrame) -> str:
    for column in ("pid", "camid"):
        bad = table[column] < UNKNOWN
        if bad.any():
            return f"{_first(table, bad)} has {column} {table[column][bad].iloc[0]}, the least is {UNKNOWN} (unknown)"
    return ""


def _pose(card: DatasetCard, table: pd.DataFrame) -> str:
    joints = len(card.labels.keypoints)
    for name, points in zip(table["id"], table["keypoints"], strict=True):
        if np.shape(points) != (joints, 3):
            return f"{name} has keypoints of shape {np.shape(points)}, the card has {joints}"
    for start in range(0, len(table), CHUNK):
        part = table.iloc[start : start + CHUNK]
        points = np.stack([np.asarray(p, np.float64) for p in part["keypoints"]])
        boxes = np.stack([np.asarray(b, np.float64) for b in part["bbox"]])
        odd = ~np.isin(points[..., 2], (0, 1, 2)).all(axis=1)
        if odd.any():
            return f"{_first(part, odd)} has a keypoint whose v is none of 0, 1, 2"
        adrift = ~np.isfinite(np.where(points[..., 2:] > 0, points[..., :2], 0)).all(axis=(1, 2))
        if adrift.any():
            return f"{_first(part, adrift)} has a labelled keypoint without finite coordinates"
        unbounded = ~np.isfinite(boxes).all(axis=1)
        if unbounded.any():
            return f"{_first(part, unbounded)} has a box that is not finite"
    return ""


def _parsing(card: DatasetCard, table: pd.DataFrame) -> str:
    return ""  # the maps are opened with the pictures


def _attribute(card: DatasetCard, table: pd.DataFrame) -> str:
    for name in card.labels.attributes:
        bad = ~table[name].isin((0, 1, -1))
        if bad.any():
            return f"{_first(table, bad)} has {name} = {table[name][bad].iloc[0]}, allowed are 0, 1 and -1 (unknown)"
    return ""


def _detection(card: DatasetCard, table: pd.DataFrame) -> str:
    for row in records(table):
        name, boxes, ignore, visible = (row[key] for key in ("id", "boxes", "ignore", "visible"))
        if np.shape(boxes) != (len(boxes), 4) or np.shape(ignore) != (len(boxes),):
            return f"{name} has boxes of shape {np.shape(boxes)} and ignore of shape {np.shape(ignore)}"
        if not np.isfinite(boxes).all():
            return f"{name} has a box that is not finite"
        if (boxes[~ignore, 2:] <= 0).any():
            return f"{name} has a person's box without area"
        if visible is not None and len(visible) != len(boxes):
            return f"{name} has {len(boxes)} boxes and {len(visible)} visible parts"
        classes = row.get("labels", np.zeros(0, np.int64))
        if ((classes < UNKNOWN) | (classes >= len(card.labels.classes))).any():
            return f"{name} has a class outside 0..{len(card.labels.classes) - 1}"
    return ""


def _counting(card: DatasetCard, table: pd.DataFrame) -> str:
    for row in records(table):
        if not np.isfinite(row["points"]).all():
            return f"{row['id']} has a point that is not finite"
        if row["count"] != len(row["points"]):
            return f"{row['id']} has {len(row['points'])} points and the count {row['count']}"
    return ""


_CHECKS: dict[str, Callable[[DatasetCard, pd.DataFrame], str]] = {
    "reid": _reid,
    "pose": _pose,
    "parsing": _parsing,
    "attribute": _attribute,
    "detection": _detection,
    "counting": _counting,
}
