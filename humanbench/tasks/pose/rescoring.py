"""From people at crops to the people of an image: scores, and the same person found twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from humanbench.arrays import Floats


@dataclass(frozen=True)
class CropPose:
    """A person as read from the heatmaps of one crop: keypoints K x 3 (x, y, score) in original pixels.

    `area` is that of the crop, `box_score` the detector's (1 where the box is given).
    """

    image_id: Any
    annotation_id: Any
    keypoints: Floats
    box_score: float
    area: float


def rescore(person: CropPose, threshold: float) -> float:
    """Box score times the mean score of the joints above the threshold; 0 where there is none."""
    confident = person.keypoints[:, 2][person.keypoints[:, 2] > threshold]
    return float(person.box_score * confident.mean()) if len(confident) else 0.0


def oks_nms(people: Sequence[CropPose], scores: ArrayLike, sigmas: ArrayLike, threshold: float) -> list[int]:
    """Positions of the people that non-maximum suppression leaves, in their order.

    Within an image, the best first, a person goes whose object keypoint similarity with a kept one is above the
    threshold. The similarity counts all joints and takes the mean of both crops' areas (HRNet's and mmpose's
    `oks_nms`).
    """
    score = np.asarray(scores, np.float64)
    rows: dict[Any, list[int]] = defaultdict(list)
    for position, person in enumerate(people):
        rows[person.image_id].append(position)
    variances = (2 * np.asarray(sigmas, np.float64)) ** 2
    points = np.array([person.keypoints[:, :2] for person in people])
    areas = np.array([person.area for person in people])
    survivors: list[int] = []
    for members in rows.values():
        left = np.array(members)[np.argsort(-score[members], kind="stable")]
        while len(left):
            best, left = left[0], left[1:]
            survivors.append(int(best))
            apart = ((points[left] - points[best]) ** 2).sum(axis=-1)
            area = (areas[left, None] + areas[best]) / 2
            similar = np.exp(-apart / variances / (area + np.spacing(1)) / 2).mean(axis=1)
            left = left[similar <= threshold]
    return sorted(survivors)
