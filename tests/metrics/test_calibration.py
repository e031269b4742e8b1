"""Calibration errors: by hand, against scikit-learn's curve, and what resamples of them say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from humanbench import metrics
from humanbench.metrics.calibration import bin_of
from humanbench.metrics.scores import ALL, ReliabilityBins, Scores
from humanbench.stats import bootstrap


def test_error_of_an_attribute_by_hand() -> None:
    """Bins of 1/15: 0.05 and 0.06 share the first, 0.93 and 0.90 lie in (13/15, 14/15]."""
    scores = metrics.attributes([[0.05], [0.06], [0.93], [0.90]], [[0], [1], [1], [1]], names=["hat"])
    assert scores["ECE hat"] == scores["ECE"] == pytest.approx(100 * (abs(0.11 - 1) + abs(1.83 - 2)) / 4)


def test_mean_over_attributes_leaves_unknown_labels_out() -> None:
    scores = metrics.attributes([[0.2, 0.5], [0.2, 0.9], [0.2, 0.1]], [[1, -1], [0, 1], [-1, -1]], names=["a", "b"])
    assert (scores["ECE a"], scores["ECE b"]) == (pytest.approx(30), pytest.approx(10))
    assert scores["ECE"] == pytest.approx(20)


def test_equals_the_curve_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.random((400, 2)) ** 2
    labels = (rng.random((400, 2)) < probabilities**1.5).astype(int)
    scores = metrics.attributes(probabilities, labels, names=["a", "b"])
    assert scores.reliability is not None
    curves = scores.reliability()
    for number, name in enumerate(("a", "b")):
        observed, predicted = calibration_curve(labels[:, number], probabilities[:, number], n_bins=15)
        assert curves[name].observed == pytest.approx(100 * observed)
        assert curves[name].predicted == pytest.approx(100 * predicted)
        gaps = np.abs(observed - predicted) * curves[name].n
        assert scores[f"ECE {name}"] == pytest.approx(100 * gaps.sum() / 400)
    assert sum(curves[ALL].n) == 800


def test_edges_belong_to_the_bin_below() -> None:
    assert bin_of([0.0, 0.05, 0.1, 0.3, 1.0], 20).tolist() == [0, 0, 1, 5, 19]


def test_decisions_have_no_calibration() -> None:
    scores = metrics.attributes([[1, 0], [0, 1]], [[1, 0], [1, 1]])
    assert "ECE" not in scores
    assert scores.reliability is None
    assert scores.info["calibration"] == "not given: every probability is 0 or 1, a decision"


def test_error_of_detections_by_hand() -> None:
    """Right at 0.9 and 0.82, wrong at 0.88; one in an ignore region and one below 0.3 do not count."""
    people = [[20.0, 0, 10, 10, 0], [60.0, 0, 10, 10, 0], [100.0, 0, 40, 40, 1]]
    found = [[20, 0, 10, 10, 0.9], [60, 0, 10, 10, 0.82], [200, 0, 10, 10, 0.88], [110, 5, 10, 10, 0.99]]
    image = {
        "id": 1,
        "width": 400,
        "height": 300,
        "gt": np.array(people),
        "det": np.array([*found, [0, 50, 5, 5, 0.2]]),
    }
    scores = metrics.crowdhuman([image])
    # (0.85, 0.9]: predicted 0.9 + 0.88, observed 1; (0.8, 0.85]: 0.82, observed 1
    assert scores["D-ECE"] == pytest.approx(100 * (0.78 + 0.18) / 3)
    assert scores.reliability is not None
    assert scores.reliability()[ALL].bins == (16, 17)
    assert scores.resample([0, 0])["D-ECE"] == pytest.approx(scores["D-ECE"])


def test_what_few_cases_leave_of_a_right_predictor() -> None:
    """The mean error over many draws of labels from the probabilities is what is said to remain."""
    rng = np.random.default_rng(1)
    probabilities = rng.random((200, 1))
    seen = [metrics.attributes(probabilities, rng.random((200, 1)) < probabilities)["ECE"] for _ in range(300)]
    scores = metrics.attributes(probabilities, rng.random((200, 1)) < probabilities)
    assert scores.reliability is not None
    assert scores.reliability()[ALL].by_chance() == pytest.approx(np.mean(seen), rel=0.05)
    assert ReliabilityBins((0,), (5,), (0.0,), (0.0,)).by_chance() == 0


def test_intervals_do_not_hold_the_error_of_few_units_twice() -> None:
    """Resamples of a right predictor's labels lie above its error, all of them: their mean is moved onto it."""
    rng = np.random.default_rng(2)
    probabilities = rng.random((100, 1))
    scores = metrics.attributes(probabilities, rng.random((100, 1)) < probabilities)
    moved = bootstrap(scores, np.random.default_rng(0), 200)["ECE"]
    plain = Scores(scores.parts, scores.reduce, n=100, unit="image")
    raw = bootstrap(plain, np.random.default_rng(0), 200)["ECE"]
    assert moved.low < moved.value < moved.high
    assert (raw.low + raw.high) / 2 > moved.value + 1
    assert moved.high - moved.low == pytest.approx(raw.high - raw.low)
