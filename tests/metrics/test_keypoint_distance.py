"""PCKh and EPE against HRNet's evaluator (its numbers are noted here) and against cases worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat

from humanbench.errors import DataError, PredictionError
from humanbench.metrics import epe, pckh
from tests.samples import SAMPLES, needs_samples

GROUPS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def mpii_people(n: int, seed: int = 0) -> tuple[Any, ...]:
    """Random people with some joints missing and errors about the size of the thresholds."""
    rng = np.random.default_rng(seed)
    gt = rng.uniform(1, 500, (n, 16, 2))
    pred = gt - 1 + rng.normal(0, 1, gt.shape) * rng.choice([2, 15, 40], (n, 16, 1))
    corner = rng.uniform(1, 400, (n, 2))
    boxes = np.stack([corner, corner + rng.uniform(20, 80, (n, 2))], axis=1)
    return pred, gt, rng.random((n, 16)) < 0.2, boxes


@needs_samples
def test_predictions_in_mpii_gt_val() -> None:
    """Expected: `MPIIDataset.evaluate` of leoxiaobin/deep-high-resolution-net.pytorch (commit 2ad80f2) on this file.

    It reads thresholds 0.50, and 0.11 where it says 0.1; the 0.10 here is entry 10 of its curve, as mmpose reads it.
    The stored predictions are 1-based like the ground truth, hence the - 1.
    """
    mat = loadmat(SAMPLES / "annotations" / "mpii_gt_val.mat")
    predicted, gt, boxes = (np.moveaxis(mat[key], 2, 0) for key in ("pos_pred_src", "pos_gt_src", "headboxes_src"))
    missing = mat["jnt_missing"].T
    scores = pckh(predicted - 1, gt, missing, boxes)
    assert scores["PCKh@0.5"] == pytest.approx(82.3367, abs=5e-5)
    assert scores["PCKh@0.1"] == pytest.approx(28.9748, abs=5e-5)
    expected = (95.60027285, 92.71399457, 83.36457721, 76.73571585, 81.92832398, 73.36277552, 65.44615474)
    assert [scores[f"PCKh@0.5 {group}"] for group in GROUPS] == pytest.approx(expected, abs=1e-7)
    assert all(value == 100 for value in pckh(gt - 1, gt, missing, boxes).values())


def test_pckh_by_hand() -> None:
    """The head box is 30 x 40, its diagonal 50, the head size 30: right at 0.5 up to 15 pixels, at 0.1 up to 3.

    Person 0: exact but the right wrist (10), off by 15 = still right at 0.5, and the head (9), off by 15.1 = wrong.
    Person 1: all exact but pelvis and thorax, far off, which count nowhere; the left wrist (15) is missing.
    Counted joints: 14 + 13 = 27; right at 0.5: 26, at 0.1: 25. Head 1 of 2. Wrist: right 2/2, left 1/1.
    """
    gt = np.full((2, 16, 2), 200.0)
    pred = gt - 1
    pred[0, 10, 0] += 15
    pred[0, 9, 1] += 15.1
    pred[1, [6, 7]] += 300
    missing = np.zeros((2, 16), bool)
    missing[1, 15] = True
    scores = pckh(pred, gt, missing, np.broadcast_to([[10.0, 10.0], [40.0, 50.0]], (2, 2, 2)))
    assert scores["PCKh@0.5"] == pytest.approx(100 * 26 / 27)
    assert scores["PCKh@0.1"] == pytest.approx(100 * 25 / 27)
    assert [scores[f"PCKh@0.5 {group}"] for group in GROUPS] == [50, 100, 100, 100, 100, 100, 100]


def test_joints_annotated_in_nobody() -> None:
    """A side never annotated leaves its group to the other side; both sides never: `nan`; the mean is of the rest."""
    pred, gt, _, boxes = mpii_people(5)
    pred[:, :] = gt - 1
    pred[:, 11] += 1000  # right elbow: always wrong
    missing = np.zeros((5, 16), bool)
    missing[:, [14, 10, 15]] = True  # left elbow and both wrists
    gt[missing] = np.nan  # what stands there does not matter
    scores = pckh(pred, gt, missing, boxes)
    assert scores["PCKh@0.5 elbow"] == 0
    assert math.isnan(scores["PCKh@0.5 wrist"])
    assert scores["PCKh@0.5"] == pytest.approx(100 * 10 / 11)  # 14 - 3 joints a person, one of them wrong
    nobody = pckh(pred, gt, np.ones((5, 16), bool), boxes)
    assert all(math.isnan(v) for v in nobody.values())


def test_epe_by_hand() -> None:
    """Distances 5, 13 and 0 of three joints that count; the fourth does not: 18 / 3, not the mean of (9, 0)."""
    gt = np.zeros((2, 2, 2))
    pred = np.array([[[3, 4], [5, 12]], [[0, 0], [900, 900]]], float)
    mask = np.array([[True, True], [True, False]])
    assert dict(epe(pred, gt, mask)) == {"EPE": 6.0}
    gt[1, 1] = np.nan
    assert epe(pred, gt, mask)["EPE"] == 6.0
    assert math.isnan(epe(pred, gt, np.zeros((2, 2), bool))["EPE"])
    assert math.isnan(epe(np.zeros((0, 17, 2)), np.zeros((0, 17, 2)), np.zeros((0, 17), bool))["EPE"])


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_resamples_and_order(seed: int) -> None:
    pred, gt, missing, boxes = mpii_people(12, seed)
    rng = np.random.default_rng(seed)
    index, order = rng.integers(0, 12, 12), rng.permutation(12)
    near, far = pckh(pred, gt, missing, boxes), epe(pred, gt, ~missing)
    for rows, compared in ((index, [s.resample(index) for s in (near, far)]), (order, [near, far])):
        again = pckh(pred[rows], gt[rows], missing[rows], boxes[rows]), epe(pred[rows], gt[rows], ~missing[rows])
        for one, other in zip(again, compared, strict=True):
            assert dict(one) == pytest.approx(dict(other), abs=1e-9, nan_ok=True)
    assert dict(near.resample(np.arange(12))) == pytest.approx(dict(near), nan_ok=True)
    assert 0 <= near["PCKh@0.1"] <= near["PCKh@0.5"] <= 100


def test_bad_input_is_refused() -> None:
    pred, gt, missing, boxes = mpii_people(3)
    holed = pred.copy()
    holed[2, 5, 0] = np.nan
    with pytest.raises(PredictionError, match="joint 5 of person 2"):
        pckh(holed, gt, missing, boxes)
    with pytest.raises(PredictionError, match="joint 5 of person 2"):
        epe(holed, gt, ~missing)
    with pytest.raises(PredictionError, match=r"\(2, 16, 2\).*\(3, 16, 2\)"):
        pckh(pred[:2], gt, missing, boxes)
    with pytest.raises(PredictionError, match="16 joints of MPII"):
        pckh(pred[:, :14], gt[:, :14], missing[:, :14], boxes)
    with pytest.raises(DataError, match="flags"):
        epe(pred, gt, ~missing[:, :5])
    with pytest.raises(DataError, match="head boxes"):
        pckh(pred, gt, missing, boxes[:2])
    boxes[1, 1] = boxes[1, 0]
    with pytest.raises(DataError, match="person 1 has no size"):
        pckh(pred, gt, missing, boxes)
    gt[0, 0] = np.inf
    with pytest.raises(DataError, match="joint 0 of person 0"):
        epe(pred, gt, np.ones((3, 16), bool))
