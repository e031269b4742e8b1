"""Crowd counting: errors by hand, and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from humanbench.errors import HumanbenchError
from humanbench.metrics import counting


def test_errors_by_hand() -> None:
    # errors 1.5, -6, 0, 2: absolute sum 9.5, squared sum 2.25 + 36 + 0 + 4 = 42.25, root of 42.25 / 4 is 3.25
    scores = counting([11.5, 94, 0, 2], [10, 100, 0, 0])
    assert dict(scores) == pytest.approx({"MAE": 2.375, "MSE": 3.25})
    assert (scores.n, scores.unit) == (4, "image")


def test_whole_numbers_do_not_wrap_around() -> None:
    assert counting(np.array([0], np.uint8), np.array([200], np.uint8))["MAE"] == 200


BAD = {
    "2 predicted counts for 1 true": lambda: counting([1, 2], [1]),
    "no images": lambda: counting([], []),
    "predicted count 1 is not a finite": lambda: counting([1, np.nan], [1, 2]),
    "true count 0 is not a finite": lambda: counting([1], [np.inf]),
    "true count 1 is negative": lambda: counting([1, 1], [1, -2]),
    "predicted counts must be a list": lambda: counting([[1]], [1]),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input_is_named(sentence: str) -> None:
    with pytest.raises(HumanbenchError, match=sentence):
        BAD[sentence]()


counts = st.integers(0, 20000).map(lambda n: n / 4)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=30), st.data())
def test_a_resample_equals_scoring_the_drawn_images(pairs: list[tuple[float, float]], data: st.DataObject) -> None:
    pred, gt = np.array(pairs).T
    scores = counting(pred, gt)
    drawn = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=40))
    assert dict(scores.resample(drawn)) == pytest.approx(dict(counting(pred[drawn], gt[drawn])))
    assert dict(scores.resample(np.arange(len(pairs)))) == dict(scores)
    assert scores["MSE"] >= scores["MAE"] * (1 - 1e-12)


def test_a_draw_of_nothing_is_undefined() -> None:
    assert all(np.isnan(v) for v in counting([1], [1]).resample([]).values())
