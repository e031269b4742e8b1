"""Poses by group: people's size and hidden joints, and how crowded pictures are.

Where people are found by the model, a group of people is scored on all pictures with the others to be ignored, each of
them taking one detection as COCO's tool has it; the group of a size is COCO's own (APm, APl).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from humanbench.arrays import Bools, Floats, Ints
from humanbench.metrics import Scores
from humanbench.metrics.groups import Group, Grouping

MEDIUM, LARGE = 32.0**2, 96.0**2
"""Least areas in pixels of COCO's medium and large people.   cocodataset/cocoapi, cocoeval.py, `areaRng`"""
CROWDED = {"few (index up to 0.1)": (-1.0, 0.1), "some": (0.1, 0.8), "crowded (over 0.8)": (0.8, np.inf)}
"""Crowd indices of easy, medium and hard pictures.   Li et al., CrowdPose (CVPR 2019)"""
HIDDEN = {"all seen": (-1.0, 0.0), "some hidden": (0.0, 0.5), "more than half hidden": (0.5, np.inf)}
"""Shares of a person's annotated joints that are marked as hidden."""
_HIDDEN = ("occlusion", "share of annotated joints that are marked as hidden (flag 1)")


def labelled_joints(table: pd.DataFrame) -> Ints:
    """How many joints of each person count: what the dataset's file states, else those with a flag above 0."""
    if "num_keypoints" in table:
        return table["num_keypoints"].to_numpy(np.int64)
    return np.array([(np.asarray(k)[:, 2] > 0).sum() for k in table["keypoints"]], np.int64)


def hidden_shares(table: pd.DataFrame) -> Floats:
    """Of each person the share of annotated joints with flag 1; `nan` without any."""
    flags = [np.asarray(k)[:, 2] for k in table["keypoints"]]
    return np.array([(f == 1).sum() / (f > 0).sum() if (f > 0).any() else np.nan for f in flags])


def crowd_index(boxes: Sequence[Floats], keypoints: Sequence[Floats]) -> float:
    """Mean over people of the others' annotated joints in their box (x, y, w, h) over their own; 0 without any.

    At most 1 a person. Definition: Li et al., CrowdPose (CVPR 2019), equation 1.
    """
    joints = [k[k[:, 2] > 0, :2] for k in keypoints]
    shares = []
    for i, (x, y, w, h) in enumerate(boxes):
        if not len(joints[i]):
            continue
        others = np.concatenate([j for number, j in enumerate(joints) if number != i] or [np.empty((0, 2))])
        inside = ((others >= (x, y)) & (others <= (x + w, y + h))).all(axis=1).sum()
        shares.append(min(1.0, inside / len(joints[i])))
    return float(np.mean(shares)) if shares else 0.0


def of_found_people(
    table: pd.DataFrame, images: Sequence[Any], scores: Scores, rescored: Callable[[Bools], Scores]
) -> Iterator[Grouping]:
    """Of the scores of pictures (`images`, in the order of the units)."""
    counted = (labelled_joints(table) > 0) & ~table["iscrowd"].to_numpy(bool)
    area = table["area"].to_numpy(np.float64)
    sizes = {
        "medium (32² to 96²)": (counted & (area >= MEDIUM) & (area <= LARGE), "APm"),
        "large (from 96²)": (counted & (area >= LARGE), "APl"),
    }
    groups = [Group.whole(name, scores, int(members.sum()), metric) for name, (members, metric) in sizes.items()]
    yield Grouping("size", "people", "area of the person, as COCO's tool has APm and APl", tuple(groups))
    hidden = hidden_shares(table)
    if (hidden > 0).any():
        bands = {name: counted & (hidden > low) & (hidden <= high) for name, (low, high) in HIDDEN.items()}
        groups = [Group.whole(name, rescored(m), int(m.sum())) for name, m in bands.items()]
        yield Grouping(_HIDDEN[0], "people", _HIDDEN[1], tuple(groups))
    index = _crowd_indices(table)
    crowd = np.array([index.get(image, 0.0) for image in images])
    yield _crowding(scores, crowd)


def of_given_people(table: pd.DataFrame, scores: Scores) -> Iterator[Grouping]:
    """Of the scores of people, in the order of the table."""
    hidden = hidden_shares(table)
    if (hidden > 0).any():
        parts = [Group.part(n, scores, (hidden > low) & (hidden <= high)) for n, (low, high) in HIDDEN.items()]
        yield Grouping(_HIDDEN[0], "people", _HIDDEN[1], tuple(parts))
    if "bbox" in table and table["image_id"].duplicated().any():
        index = _crowd_indices(table)
        yield _crowding(scores, np.array([index[image] for image in table["image_id"]]), "people")


def _crowding(scores: Scores, crowd: Floats, members: str = "pictures") -> Grouping:
    parts = [Group.part(name, scores, (crowd > low) & (crowd <= high)) for name, (low, high) in CROWDED.items()]
    return Grouping("crowding", members, "CrowdPose's crowd index of the picture", tuple(parts))


def _crowd_indices(table: pd.DataFrame) -> dict[Any, float]:
    return {
        image: crowd_index(
            [np.asarray(b, np.float64) for b in people["bbox"]],
            [np.asarray(k, np.float64) for k in people["keypoints"]],
        )
        for image, people in table.groupby("image_id", sort=False)
    }
