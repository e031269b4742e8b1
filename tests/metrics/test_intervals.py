"""Intervals hold their value where a class, an identity or a size is so rare that resamples go without it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from humanbench import metrics
from humanbench.metrics import Scores
from humanbench.stats import bootstrap
from tests.metrics.coco import SIGMAS
from tests.metrics.crowds import crowd, street

RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def _the_same_cases_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(0))


UNITS = 50


def rare_attributes(right: float = 1.0) -> Scores:
    """35 attributes, two positives each."""
    labels = np.zeros((UNITS, 35), int)
    for attribute in range(35):
        labels[RNG.choice(UNITS, 2, replace=False), attribute] = 1
    as_told = RNG.random(labels.shape) < right
    return metrics.attributes(np.where(as_told, labels, 1 - labels).astype(float), labels)


def rare_classes(right: float = 1.0) -> Scores:
    """20 classes; all but the first two in two pictures each."""
    gt = np.zeros((UNITS, 8, 8), np.uint8)
    gt[:, 4:] = 1
    for label in range(2, 20):
        gt[RNG.choice(UNITS, 2, replace=False), 0, label % 8] = label
    pred = np.where(RNG.random(gt.shape) < right, gt, 0).astype(np.uint8)
    return metrics.parsing((metrics.confusion(p, g, 20) for p, g in zip(pred, gt, strict=True)), 20)


def rare_sizes(right: float = 1.0) -> Scores:
    """One person a picture; two of them are of medium size, all others large."""
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1}]}
    found = []
    for image in range(UNITS):
        side = 60.0 if image < 2 else 200.0
        points = np.column_stack([side * RNG.random((17, 2)), np.full(17, 2)])
        truth["images"].append({"id": image})
        truth["annotations"].append(
            {"id": image + 1, "image_id": image, "category_id": 1, "bbox": [0, 0, side, side], "area": side**2}
            | {"keypoints": points.ravel().tolist()}
        )
        moved = points + (RNG.random() > right) * side * RNG.normal(size=(17, 3))
        found.append({"image_id": image, "category_id": 1, "keypoints": moved.ravel(), "score": RNG.random()})
    return metrics.keypoint_ap(truth, found, SIGMAS)


def rare_joints(right: float = 1.0) -> Scores:
    """Each of the 16 joints of MPII is annotated in two people, pelvis and thorax in all."""
    missing = np.ones((UNITS, 16), bool)
    missing[:, 6:8] = False
    for joint in range(16):
        missing[RNG.choice(UNITS, 2, replace=False), joint] = False
    gt = 100 * RNG.random((UNITS, 16, 2))
    pred = gt - 1 + (RNG.random((UNITS, 16, 1)) > right) * 50
    return metrics.pckh(pred, gt, missing, np.tile([[0.0, 0.0], [30.0, 40.0]], (UNITS, 1, 1)))


def rare_people(right: float = 1.0) -> Scores:
    """Two pictures of fifty show people."""
    images = []
    for number in range(UNITS):
        boxes = np.array([[20.0 + 60 * i, 20, 30, 80] for i in range(3 if number < 2 else 0)]).reshape(-1, 4)
        det = np.column_stack([boxes + (RNG.random((len(boxes), 1)) > right) * 40, np.full(len(boxes), 0.95)])
        gt = np.column_stack([boxes, np.zeros(len(boxes))])
        images.append({"id": number, "width": 400, "height": 300, "gt": gt, "det": det})
    return metrics.crowdhuman(images)


def rare_identities(right: float = 1.0) -> Scores:
    """Two queries each of 25 people."""
    people = np.repeat(np.arange(25), 2)
    near = (people[:, None] == people[None]) ^ (RNG.random((UNITS, UNITS)) > right)
    return metrics.reid(1.0 - near, people, people, np.zeros(UNITS, int), np.ones(UNITS, int))


CASES: list[Callable[[float], Scores]] = [
    rare_attributes, rare_classes, rare_sizes, rare_joints, rare_people, rare_identities,
]  # fmt: skip
VARIES = {"AP50", "accuracy", "precision", "recall", "F1", "F1-image"}
"""Not the same in all draws even where all is right: CrowdHuman's AP50 is 100 (1 - 1 / people), and pictures without
any attribute score 0 by those of pictures."""


@pytest.mark.parametrize("case", CASES)
def test_where_all_is_right_the_interval_is_the_value(case: Callable[[float], Scores]) -> None:
    scores = case(1.0)
    for name, interval in bootstrap(scores, np.random.default_rng(0), 300).items():
        if name in VARIES or np.isnan(interval.value):
            continue
        assert (interval.low, interval.high) == pytest.approx((interval.value,) * 2, abs=1e-9), name


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("right", [0.5, 0.9, 0.97])
def test_the_value_lies_in_its_interval(case: Callable[[float], Scores], right: float) -> None:
    for name, interval in bootstrap(case(right), np.random.default_rng(0), 300).items():
        if not np.isnan(interval.value):
            assert interval.low - 1e-9 <= interval.value <= interval.high + 1e-9, name


@pytest.mark.parametrize("seed", range(3))
def test_values_of_crowded_pictures_lie_in_their_intervals(seed: int) -> None:
    frames = street(seed, 40)
    for scores in (
        metrics.crowdhuman(crowd(seed, 30)),
        *(metrics.caltech(frames, subset) for subset in ("heavy", "reasonable", "all")),
    ):
        for name, interval in bootstrap(scores, np.random.default_rng(0), 200).items():
            assert interval.low <= interval.value <= interval.high, name


@pytest.mark.parametrize("case", [rare_sizes, lambda right: metrics.crowdhuman(crowd(1, 30)), rare_identities])
def test_a_value_that_is_asked_for_alone_is_that_of_all(case: Callable[[float], Scores]) -> None:
    scores = case(0.5)
    for _ in range(20):
        again = scores.resample(RNG.integers(0, scores.n, scores.n))
        for name, value in again.items():
            np.testing.assert_array_equal(again.only(name), value, err_msg=name)
            np.testing.assert_array_equal(again.for_draws().only(name), value, err_msg=name)


class OwnScores(Scores):
    """Scores as another package may make them, with a constructor of their own."""

    def __init__(self, values: list[float]) -> None:
        super().__init__(
            np.array(values), lambda v, counts: {"mean": float((v * counts).sum() / counts.sum())}, n=3, unit="u"
        )


def test_scores_of_another_package_may_have_a_constructor_of_their_own() -> None:
    scores = OwnScores([1.0, 2.0, 6.0])
    assert scores.resample([0, 0, 1])["mean"] == pytest.approx(4 / 3)
    assert scores.for_draws()["mean"] == 3.0
    assert bootstrap(scores, np.random.default_rng(0), 50)["mean"].n == 3
