"""Parsing scores against scikit-learn and numpy (run in the test) and against cases worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from humanbench.errors import DataError, PredictionError
from humanbench.metrics import confusion, parsing


def maps(seed: int, classes: int, shape: tuple[int, int] = (40, 30), dtype: Any = np.uint8) -> tuple[Any, Any]:
    """Blocks of classes with one pixel in five mistaken and one in ten ignored."""
    rng = np.random.default_rng(seed)
    gt = np.kron(rng.integers(0, classes, (shape[0] // 10, shape[1] // 10)), np.ones((10, 10), int))
    pred = np.where(rng.random(shape) < 0.2, rng.integers(0, classes, shape), gt)
    gt = np.where(rng.random(shape) < 0.1, 255, gt)
    return pred.astype(dtype), gt.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint16])
def test_confusion_equals_sklearn(dtype: Any) -> None:
    pred, gt = maps(0, 20, dtype=dtype)
    kept = gt != 255
    expected = sklearn_metrics.confusion_matrix(gt[kept], pred[kept], labels=range(20))
    found = confusion(pred, gt, 20)
    assert found.dtype == np.int64
    assert (found == expected).all()
    assert (confusion(pred[::-1, ::2], gt[::-1, ::2], 20) == confusion(pred[::-1, ::2].copy(), gt[::-1, ::2], 20)).all()
    assert (confusion(pred.T, gt.T, 20) == expected).all()
    assert (confusion(np.asfortranarray(pred), gt, 20) == expected).all()


def test_confusion_by_hand() -> None:
    """Rows are the ground truth; the ignored pixel counts nowhere, whatever is predicted there, 255 included."""
    gt = np.array([[0, 0, 1], [2, 255, 1]], np.uint8)
    pred = np.array([[0, 1, 1], [2, 255, 0]], np.uint8)
    assert confusion(pred, gt, 3).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert confusion(pred, np.full_like(gt, 255), 3).tolist() == [[0] * 3] * 3
    assert confusion(pred % 255, gt % 255, 3, ignore=2).sum() == 5
    assert confusion(np.minimum(pred, 1), np.minimum(gt, 2), 3, ignore=0).tolist() == [[0] * 3, [1, 1, 0], [0, 2, 0]]


def test_confusion_refuses_unknown_classes_and_sizes() -> None:
    gt = np.zeros((4, 6), np.uint8)
    pred = gt.copy()
    pred[2, 3] = 20
    with pytest.raises(PredictionError, match="unknown class 20 at row 2, column 3, known are 0 to 19"):
        confusion(pred, gt, 20)
    pred[2, 3] = 255
    with pytest.raises(PredictionError, match="class 255"):
        confusion(pred, gt, 20)
    with pytest.raises(PredictionError, match="class -1"):
        confusion(gt.astype(int) - 1, gt, 20)
    with pytest.raises(DataError, match="class 31 at row 0, column 0"):
        confusion(gt, gt + 31, 20)
    with pytest.raises(PredictionError, match=r"4 x 6 .*6 x 4"):
        confusion(gt.T, gt, 20)
    with pytest.raises(PredictionError, match="float64"):
        confusion(gt.astype(float), gt, 20)
    with pytest.raises(DataError, match="H x W"):
        confusion(gt, gt[None], 20)


def test_parsing_by_hand() -> None:
    """Four classes; class 2 is labelled but never predicted, class 3 neither.

                 predicted 0  1  2  3
    labelled 0:            6  2  0  0      IoU 6 / (8 + 7 - 6) = 2/3,  precision 6/7, F1 12/15
    labelled 1:            0  4  0  0      IoU 4 / (4 + 7 - 4) = 4/7,  precision 4/7, F1  8/11
    labelled 2:            1  1  0  0      IoU 0, precision 0, F1 0
    Means are over three classes. Recalls 6/8, 1, 0. Foreground: 4 of the 6 pixels that are not background.
    """
    table = np.array([[6, 2, 0, 0], [0, 4, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    scores = parsing(table[None], 4)
    assert dict(scores) == pytest.approx(
        {
            "mIoU": 100 * (2 / 3 + 4 / 7) / 3,
            "pACC": 100 * 10 / 14,
            "mACC": 100 * (6 / 8 + 1) / 3,
            "F1": 100 * (12 / 15 + 8 / 11) / 3,
            "mean precision": 100 * (6 / 7 + 4 / 7) / 3,
            "mean recall": 100 * (6 / 8 + 1) / 3,
            "foreground accuracy": 100 * 4 / 6,
            "IoU 0": 100 * 2 / 3,
            "IoU 1": 100 * 4 / 7,
            "IoU 2": 0,
            "IoU 3": math.nan,
        },
        nan_ok=True,
    )
    assert list(parsing([table], ("background", "hat", "hair", "glove")))[-1] == "IoU glove"


def test_class_predicted_but_not_labelled() -> None:
    """IoU 0 and in mIoU's mean, but no recall: mACC is over the ground truth's classes only."""
    scores = parsing([np.array([[3, 1], [0, 0]])], 2)
    assert scores["mIoU"] == pytest.approx(100 * (3 / 4 + 0) / 2)
    assert scores["mACC"] == pytest.approx(75)
    assert math.isnan(scores["foreground accuracy"])


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_counted_is_undefined(n: int) -> None:
    scores = parsing(np.zeros((n, 5, 5), np.int64), 5)
    assert scores.n == n
    assert all(math.isnan(v) for v in scores.values())
    assert all(math.isnan(v) for v in parsing(iter([]), 5).values())


@pytest.mark.parametrize("seed", range(5))
def test_parsing_equals_sklearn(seed: int) -> None:
    """Over the classes in either map; classes 20 to 24 are in neither. scikit-learn 1.x, macro averages."""
    pairs = [maps(seed * 10 + i, 20) for i in range(4)]
    scores = parsing((confusion(pred, gt, 25) for pred, gt in pairs), 25)
    pred, gt = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    pred, gt = pred[gt != 255], gt[gt != 255]
    macro = {"labels": np.union1d(pred, gt), "average": "macro", "zero_division": 0}
    in_truth = macro | {"labels": np.unique(gt)}
    expected = {
        "mIoU": sklearn_metrics.jaccard_score(gt, pred, **macro),
        "pACC": sklearn_metrics.accuracy_score(gt, pred),
        "mACC": sklearn_metrics.recall_score(gt, pred, **in_truth),
        "F1": sklearn_metrics.f1_score(gt, pred, **macro),
        "mean precision": sklearn_metrics.precision_score(gt, pred, **macro),
    }
    assert {k: scores[k] / 100 for k in expected} == pytest.approx(expected, abs=1e-12)


def test_parsing_refuses_what_is_no_count() -> None:
    for bad in (np.zeros((2, 3, 3), int), -np.eye(4, dtype=int)[None], np.eye(4)[None], np.eye(4, dtype=int)):
        with pytest.raises(DataError, match="4 x 4 counts"):
            parsing(bad, 4)


small = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_confusion_properties(data: st.DataObject) -> None:
    """It sums to the counted pixels, its margins are the histograms, and exchanging the sides transposes it."""
    shape = data.draw(small)
    gt = data.draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 255])))
    pred = data.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 3)))
    kept = gt != 255
    table = confusion(pred, gt, 4)
    assert table.sum() == kept.sum()
    assert (table.sum(axis=1) == np.bincount(gt[kept], minlength=4)).all()
    assert (table.sum(axis=0) == np.bincount(pred[kept], minlength=4)).all()
    filled = np.where(kept, gt, 0).astype(np.uint8)
    assert (confusion(filled, np.where(kept, pred, 255).astype(np.uint8), 4) == table.T).all()


@given(hnp.arrays(np.int64, (6, 3, 3), elements=st.integers(0, 3)), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_parsing_properties(tables: Any, random: Any) -> None:
    """Resamples equal recomputation on the repeated images; neither the images' nor the classes' order matters."""
    scores = parsing(tables, 3)
    index = [random.randrange(6) for _ in range(9)]
    assert dict(scores.resample(index)) == pytest.approx(dict(parsing(tables[index], 3)), nan_ok=True)
    assert dict(scores.resample(np.arange(6))) == pytest.approx(dict(scores), nan_ok=True)
    assert dict(parsing(tables[::-1], 3)) == pytest.approx(dict(scores), nan_ok=True)
    swapped = parsing(tables[:, [0, 2, 1]][:, :, [0, 2, 1]], ["0", "2", "1"])
    assert dict(swapped) == pytest.approx(dict(scores), nan_ok=True)


def test_many_draws_at_a_time_are_the_draws_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit: the draw of nothing, draws without some class, blocks that do not come out even."""
    monkeypatch.setattr("humanbench.metrics.scores._BLOCK", 12 * 5)
    scores = parsing([confusion(*maps(seed, 3 + seed % 6), 9) for seed in range(12)], 9)
    rng = np.random.default_rng(0)
    draws = [*(rng.integers(0, 12, size) for size in (12, 12, 1, 3, 12, 2, 12)), np.array([], dtype=np.int64)]
    one_by_one = [list(scores.resample(index).values()) for index in draws]
    np.testing.assert_array_equal(list(scores.resampled(draws, list(scores))), one_by_one)
