"""Labels of poses: joints and boxes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.arrays import Bools, Floats
from humanbench.cards import DatasetCard
from humanbench.data.ranges import first
from humanbench.tasks.base import Tables, TaskLabels

CHUNK = 50_000
"""People looked at together: a table of a million would take gigabytes at once."""


RARE = 0.01
"""Share of people up to which joints outside their boxes are passed over."""
MARGIN = 0.1
"""How far outside its box a joint may lie, as a share of the box's longer side."""


class PoseLabels(TaskLabels):
    """See the methods of `TaskLabels`."""

    placed = True

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        joints = len(card.labels.keypoints)
        for name, points in zip(table["id"], table["keypoints"], strict=True):
            if np.shape(points) != (joints, 3):
                return f"{name} has keypoints of shape {np.shape(points)}, the card has {joints}"
        for start in range(0, len(table), CHUNK):
            part = table.iloc[start : start + CHUNK]
            points = np.stack([np.asarray(p, np.float64) for p in part["keypoints"]])
            boxes = np.stack([np.asarray(b, np.float64) for b in part["bbox"]])
            labelled = np.where(points[..., 2:] > 0, points[..., :2], 0)
            faults = (
                (~np.isin(points[..., 2], (0, 1, 2)).all(axis=1), "a keypoint whose v is none of 0, 1, 2"),
                (~np.isfinite(labelled).all(axis=(1, 2)), "a labelled keypoint without finite coordinates"),
                (~np.isfinite(boxes).all(axis=1), "a box that is not finite"),
            )
            for people, fault in faults:
                if people.any():
                    return f"{first(part, people)} has {fault}"
        return ""

    def peculiarities(self, card: DatasetCard, table: pd.DataFrame) -> list[str]:
        """People without a box or an area."""
        if not len(table):
            return []
        boxes = np.stack([np.asarray(b, np.float64) for b in table["bbox"]])
        areas = table["area"].to_numpy(np.float64)
        labelled = np.array([bool((np.asarray(p)[:, 2] > 0).any()) for p in table["keypoints"]])
        flat = (boxes[:, 2:] <= 0).any(axis=1)
        small = labelled & ~flat & ~(areas > 0)
        words = (
            (flat, "have a box without area: training and average precision leave them out"),
            (small, "have labelled keypoints and an area of 0: average precision takes them for infinitely small"),
        )
        oddities = [(rows, text) for rows, text in words if rows.any()]
        oddities += [(rows, text) for rows, text in self._misplaced(table, boxes) if rows.sum() > RARE * len(table)]
        return [
            f"{int(rows.sum()):,} of {len(table):,} people {text}; the first is {first(table, rows)}"
            for rows, text in oddities
        ]

    def _misplaced(self, table: pd.DataFrame, boxes: Floats) -> list[tuple[Bools, str]]:
        """People whose joints do not belong to their box, or are no places; single ones are in every dataset."""
        outside, together = (np.zeros(len(table), bool) for _ in range(2))
        for row, (points, box) in enumerate(zip(table["keypoints"], boxes, strict=True)):
            known = np.asarray(points, np.float64)
            known = known[known[:, 2] > 0, :2]
            if len(known) < 3 or (box[2:] <= 0).any():
                continue
            away = np.maximum(box[:2] - known, known - box[:2] - box[2:]) > MARGIN * box[2:].max()
            outside[row] = away.any(axis=1).mean() > 0.5
            together[row] = bool((known == known[0]).all())
        return [
            (outside, "have most of their joints outside their box: boxes and joints may be of different rows"),
            (together, "have all their joints in one place"),
        ]

    def counts(self, card: DatasetCard, table: pd.DataFrame) -> dict[str, int]:
        """People, one a row."""
        return {"persons": len(table)}

    def points(self, card: DatasetCard, rows: pd.DataFrame) -> Floats:
        """Labelled joints."""
        points = np.concatenate([np.reshape(p, (-1, 3)) for p in rows["keypoints"]])
        return points[points[:, 2] > 0, :2]

    def units(self, card: DatasetCard, table: pd.DataFrame) -> list[str]:
        """Pictures: all people of one together."""
        return [f"{table.attrs['split']}/{name}" for name in table["image_id"]]

    def lack(self, card: DatasetCard, drawn: Tables, whole: Tables) -> str:
        there, all_ = (self._labelled(card, tables) for tables in (drawn, whole))
        missing = [card.labels.keypoints[joint] for joint in np.flatnonzero(all_ & ~there)]
        rest = f" (and {len(missing) - 1} joints more)" if len(missing) > 1 else ""
        return f"no labelled {missing[0]}{rest}" if missing else ""

    def _labelled(self, card: DatasetCard, tables: Tables) -> Bools:
        """Which joints are labelled of anybody."""
        labelled = np.zeros(len(card.labels.keypoints), bool)
        for table in tables.values():
            for points in table["keypoints"]:
                labelled |= np.asarray(points)[:, 2] > 0
        return labelled


labels = PoseLabels()
