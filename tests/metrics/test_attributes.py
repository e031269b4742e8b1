"""Pedestrian attributes: official tools, counts by hand, and resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from humanbench.errors import HumanbenchError
from humanbench.metrics import attributes

NAMES = ["mA", "accuracy", "precision", "recall", "F1", "F1-image"]


def people(unknown: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """50 images, 7 attributes, the first never present and the last always; the second draw has unknown labels."""
    rng = np.random.default_rng(26)
    for again in range(1 + unknown):
        labels = (rng.random((50, 7)) < np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.9, 1.0])).astype(int)
        probabilities = np.clip(0.25 + 0.5 * labels + 0.6 * (rng.random((50, 7)) - 0.5), 0, 1)
        if again:
            labels[rng.random((50, 7)) < 0.15] = -1
    return probabilities, labels


# The first five: get_pedestrian_metrics of valencebond/Rethinking_of_PAR, metrics/pedestrian_metrics.py, at 0baa462.
# F1-image: instance_f1 of PedAttrEvaluator.evaluate in OpenGVLab/HumanBench, attr_tester_dev.py, which agrees on the
# first four. Both were given the arrays of `people`.
OFFICIAL = {
    False: [79.7300896382529, 87.36666666666667, 91.2, 95.16666666666667, 93.14111965659093, 92.20303030303032],
    True: [78.66983133498945, 69.6, 76.03333333333333, 88.66666666666667, 81.8654793226742, 79.29841269841269],
}


@pytest.mark.parametrize("unknown", OFFICIAL)
def test_equals_the_official_tools(unknown: bool) -> None:
    scores = attributes(*people(unknown))
    assert list(scores) == [*NAMES, "ECE"]
    assert [scores[name] for name in NAMES] == pytest.approx(OFFICIAL[unknown], abs=1e-10)
    assert (scores.n, scores.unit) == (50, "image")


def test_counts_by_hand() -> None:
    probabilities = [[0.9, 0.8, 0.1], [0.6, 0.1, 0.1], [0.2, 0.9, 0.7]]
    labels = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    scores = attributes(probabilities, labels)
    # attribute 0: TPR 1/2, TNR 0/1; attribute 1: TPR 1/2, TNR 0/1; attribute 2: TPR 1/1, TNR 2/2
    assert scores["mA"] == pytest.approx(100 * (1 / 4 + 1 / 4 + 1) / 3)
    # image 0: predicted {0, 1} true {0, 1}; image 1: {0} and {1}; image 2: {1, 2} and {0, 2}
    assert scores["accuracy"] == pytest.approx(100 * (1 + 0 + 1 / 3) / 3)
    assert scores["precision"] == pytest.approx(100 * (1 + 0 + 1 / 2) / 3)
    assert scores["recall"] == pytest.approx(100 * (1 + 0 + 1 / 2) / 3)
    assert scores["F1"] == pytest.approx(50)
    assert scores["F1-image"] == pytest.approx(100 * (1 + 0 + 1 / 2) / 3)


def test_an_attribute_without_positives_or_negatives_has_that_rate_zero() -> None:
    assert attributes([[0.1], [0.2]], [[0], [0]])["mA"] == 50
    assert attributes([[0.9], [0.8]], [[1], [1]])["mA"] == 50
    assert attributes([[0.9], [0.1]], [[-1], [-1]])["mA"] == 0


def test_an_unknown_label_counts_as_neither() -> None:
    scores = attributes([[0.9, 0.9], [0.1, 0.1], [0.1, 0.9]], [[1, 1], [0, 0], [-1, -1]])
    assert scores["mA"] == 100
    assert scores["precision"] == pytest.approx(100 / 3)  # 2/2, then nothing predicted, then 0/1


def test_an_image_without_any_attribute_scores_zero() -> None:
    assert [attributes([[0.1, 0.1]], [[0, 0]])[name] for name in NAMES] == [50, 0, 0, 0, 0, 0]


def test_the_threshold_itself_is_not_above_it() -> None:
    assert attributes([[0.5]], [[0]])["mA"] == 50
    assert attributes([[0.5]], [[1]])["mA"] == 0
    assert attributes([[0.5]], [[1]], threshold=0.4)["mA"] == 50


BAD = {
    r"shape \(1, 2\) and labels \(1, 3\)": lambda: attributes([[0.1, 0.2]], [[0, 1, 0]]),
    "must be matrices": lambda: attributes([0.1], [0]),
    "nothing to compare": lambda: attributes(np.ones((0, 4)), np.ones((0, 4))),
    "image 1, attribute 0 has probability nan": lambda: attributes([[0.1], [np.nan]], [[0], [1]]),
    "has probability 1.5; it must lie in": lambda: attributes([[1.5]], [[0]]),
    "image 0, attribute 1 has label 2": lambda: attributes([[0.1, 0.2]], [[0, 2]]),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input_is_named(sentence: str) -> None:
    with pytest.raises(HumanbenchError, match=sentence):
        BAD[sentence]()


def rates(probabilities: NDArray[Any], labels: NDArray[Any], every: NDArray[Any]) -> list[float]:
    """TPR and TNR of each attribute; 0 where `every` image has none to count, nothing where only these have none."""
    found = []
    for sign in (1, 0):
        for a in range(labels.shape[1]):
            counted = labels[:, a] == sign
            if counted.any():
                found.append(float(((probabilities[:, a] > 0.5) == sign)[counted].mean()))
            elif not (every[:, a] == sign).any():
                found.append(0.0)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 49), min_size=1, max_size=80), st.booleans())
def test_a_resample_equals_scoring_the_drawn_images(drawn: list[int], unknown: bool) -> None:
    """But for the rates that have nothing to count in this draw alone, which are left out of its mA."""
    probabilities, labels = people(unknown)
    scores = attributes(probabilities, labels)
    again = attributes(probabilities[drawn], labels[drawn])
    mean = 100 * np.mean(rates(probabilities[drawn], labels[drawn], labels))
    assert dict(scores.resample(drawn)) == pytest.approx(dict(again) | {"mA": mean}, rel=1e-12, abs=1e-11)
    assert dict(scores.resample(np.arange(50))) == dict(scores)


def test_a_draw_of_nothing_is_undefined() -> None:
    empty = attributes(*people(False)).resample([])
    assert list(empty) == [*NAMES, "ECE"]
    assert all(np.isnan(v) for v in empty.values())


def test_many_draws_at_a_time_are_the_draws_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit, the draw of nothing and blocks that do not come out even too."""
    monkeypatch.setattr("humanbench.metrics.scores._BLOCK", 50 * 7)
    scores = attributes(*people(True), names=list("abcdefg"))
    rng = np.random.default_rng(3)
    draws = [*(rng.integers(0, 50, size) for size in (1, 3, 50, 50, 80, 2, 50, 50)), np.array([], dtype=np.int64)]
    one_by_one = [list(scores.resample(index).values()) for index in draws]
    np.testing.assert_array_equal(list(scores.resampled(draws, list(scores))), one_by_one)
