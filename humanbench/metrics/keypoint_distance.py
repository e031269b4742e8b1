"""Pose metrics by distance, one person a row: PCKh (MPII) and end-point error (Human3.6M)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from humanbench.arrays import LARGEST, Bools, Floats, Ints, beyond, ratio
from humanbench.errors import DataError, PredictionError
from humanbench.metrics.scores import DrawCounts, Scores, UnitErrors

MPII_JOINTS = 16
PELVIS, THORAX = 6, 7
"""Joints that stay out of the mean."""

GROUPS = {
    "head": [9],
    "shoulder": [12, 13],
    "elbow": [11, 14],
    "wrist": [10, 15],
    "hip": [2, 3],
    "knee": [1, 4],
    "ankle": [0, 5],
}
"""Left and right of each, as positions in MPII's order (rank rkne rhip lhip lkne lank pelv thor neck head rwri ...)."""

HEAD_SHARE = 0.6
"""The head's size as a share of its box's diagonal (`SC_BIAS` of MPII's own and HRNet's evaluation)."""

THRESHOLDS = {"PCKh@0.5": 0.5, "PCKh@0.1": 0.1}


def pckh(pred: ArrayLike, gt: ArrayLike, missing: ArrayLike, headboxes: ArrayLike) -> Scores:
    """`PCKh@0.5`, `PCKh@0.1` and `PCKh@0.5 head` ... `ankle` of MPII's 16 joints in percent; the unit is the person.

    `pred` N x 16 x 2 in 0-based pixels (1 is added here), `gt` N x 16 x 2 in the 1-based pixels of MPII's .mat,
    `missing` N x 16 bool (not annotated), `headboxes` N x 2 x 2: two opposite corners [x, y] of the head box.

    A joint is right when its error is at most the threshold times 0.6 of the head box's diagonal. The mean weights each
    joint by the number of people it is annotated in, without pelvis and thorax. A group is the plain mean of left and
    right; a joint annotated in no person is left out, and a group or mean of such joints is `nan`.

    Raises `PredictionError` for predictions and `DataError` for ground truth of another shape or not finite, and for
    head boxes without size.

    Source: HRNet lib/dataset/mpii.py, mmpose MpiiPCKAccuracy; 0.1 is the threshold 0.10 (HRNet's "0.1" is 0.11).
    """
    annotated = ~np.asarray(missing, dtype=np.bool_)
    points, truth = _pair(pred, gt, annotated)
    if points.shape[1] != MPII_JOINTS:
        raise PredictionError(
            f"PCKh is of the {MPII_JOINTS} joints of MPII, and the predictions have {points.shape[1]}"
        )
    boxes = np.asarray(headboxes, dtype=np.float64)
    if boxes.shape != (len(points), 2, 2):
        raise DataError(f"head boxes have the shape {boxes.shape}, not {(len(points), 2, 2)}: two corners a person")
    size = HEAD_SHARE * np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    if not (size > 0).all():
        raise DataError(f"the head box of person {int(np.argmin(size > 0))} has no size")
    error = np.linalg.norm(points + 1 - truth, axis=2) / size[:, None]
    hits = {name: (annotated & (error <= threshold)).astype(np.float64) for name, threshold in THRESHOLDS.items()}
    info = {"annotated joints": int(annotated.sum())}
    counted = annotated.astype(np.float64)
    joints = counted.sum(axis=1)
    wrong = joints - hits["PCKh@0.5"].sum(axis=1)
    far_off = UnitErrors(lambda: 100 * ratio(wrong, joints), "joints that are wrong (PCKh@0.5)", "%")
    return Scores((counted, hits), _reduce_pckh, n=len(points), unit="person", info=info, errors=far_off)


def _reduce_pckh(parts: tuple[Floats, dict[str, Floats]], counts: DrawCounts) -> dict[str, float]:
    annotated = counts @ parts[0]
    right = {name: counts @ hits for name, hits in parts[1].items()}
    mean = np.delete(np.arange(MPII_JOINTS), [PELVIS, THORAX])
    values = {name: _percent(right[name][mean].sum(), annotated[mean].sum()) for name in right}
    for group, joints in GROUPS.items():
        shares = [_percent(right["PCKh@0.5"][j], annotated[j]) for j in joints if annotated[j] > 0]
        values[f"PCKh@0.5 {group}"] = sum(shares) / len(shares) if shares else float("nan")
    return values


def _percent(part: float, whole: float) -> float:
    return 100 * float(part) / float(whole) if whole > 0 else float("nan")


def epe(pred: ArrayLike, gt: ArrayLike, mask: ArrayLike, names: Sequence[str] = ()) -> Scores:
    """`EPE`: mean distance in pixels over all joints that count; the unit is the person.

    `pred` and `gt` N x K x 2 in the same frame of pixels, `mask` N x K bool: True where the joint counts. Each joint
    weighs the same, whatever its person; without any the value is `nan`. `EPE NAME`, where `names` (K) are given: of
    each joint alone.

    Raises `PredictionError` for predictions and `DataError` for ground truth of another shape or not finite.

    Source: mmpose `keypoint_epe` (which gives 0 where no joint counts).
    """
    counted = np.asarray(mask, dtype=np.bool_)
    points, truth = _pair(pred, gt, counted)
    if names and len(names) != points.shape[1]:
        raise DataError(f"there are {len(names)} names for {points.shape[1]} joints; one each is needed")
    distance = np.where(counted, np.linalg.norm(points - truth, axis=2), 0.0)
    joints = counted.sum(axis=1)
    parts = (distance.sum(axis=1), joints, distance, counted.astype(np.float64), tuple(names))
    far_off = UnitErrors(lambda: 100 * ratio(parts[0] / 100, joints), "mean distance of the joints", "px")
    info = {"joints": int(joints.sum())}
    return Scores(parts, _reduce_epe, n=len(points), unit="person", info=info, errors=far_off)


def _reduce_epe(parts: tuple[Floats, Ints, Floats, Floats, tuple[str, ...]], counts: DrawCounts) -> dict[str, float]:
    distance, joints = (counts @ part for part in parts[:2])
    values = {"EPE": float(distance) / float(joints) if joints > 0 else float("nan")}
    if names := parts[4]:
        far, count = (counts @ part for part in parts[2:4])
        values |= zip((f"EPE {name}" for name in names), ratio(far, count).tolist(), strict=True)
    return values


def _pair(pred: ArrayLike, gt: ArrayLike, counted: Bools) -> tuple[Floats, Floats]:
    """Both sides as float64, checked; ground truth of joints that do not count may hold anything and becomes 0."""
    points, truth = np.asarray(pred, dtype=np.float64), np.asarray(gt, dtype=np.float64)
    if truth.ndim != 3 or truth.shape[2] != 2 or counted.shape != truth.shape[:2]:
        raise DataError(
            f"ground truth has the shape {truth.shape} and its flags {counted.shape}, not N x K x 2 and N x K"
        )
    if points.shape != truth.shape:
        raise PredictionError(f"predictions have the shape {points.shape}, the ground truth {truth.shape} (N x K x 2)")
    truth = np.where(counted[:, :, None], truth, 0.0)
    sides = (("prediction", points, PredictionError), ("ground truth", truth, DataError))
    for name, places, error in sides:
        if not np.isfinite(places).all():
            person, joint, _ = np.argwhere(~np.isfinite(places))[0]
            raise error(f"the {name} of joint {joint} of person {person} is not a finite number")
    for name, places, error in sides:
        if (person := beyond(np.where(counted[:, :, None], places, 0.0))) is not None:
            raise error(f"the {name} of person {person} has a joint beyond {LARGEST:g}, outside any picture")
    return points, truth
