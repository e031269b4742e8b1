"""Human parsing: confusion counts of label maps and the scores made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from humanbench.arrays import Floats, Ints, ratio
from humanbench.compiled import compiled
from humanbench.errors import DataError, HumanbenchError, PredictionError
from humanbench.metrics.scores import DrawCounts, Scores, UnitErrors

_TABLES = 4
"""Neighbouring pixels mostly share a class; counting them in turn in separate tables spares waiting for each other."""


@compiled
def _count(pred: Any, gt: Any, classes: int, ignore: int, tables: Ints) -> int:
    """Adds pairs of flat maps to `tables` (T x C x C); returns the first pixel with an unknown class, or -1."""
    for i in range(len(gt)):
        g, p = np.int64(gt[i]), np.int64(pred[i])
        if g == ignore:
            continue
        if g < 0 or g >= classes or p < 0 or p >= classes:
            return i
        tables[i & (_TABLES - 1), g, p] += 1
    return -1


def confusion(pred: ArrayLike, gt: ArrayLike, classes: int, ignore: int = 255) -> Ints:
    """DrawCounts of pixels by class, C x C int64: rows ground truth, columns prediction.

    `pred` and `gt` H x W integer maps of class ids 0..C-1. Pixels where `gt` is `ignore` are left out, whatever is
    predicted there.

    Raises `PredictionError` for a prediction of another size, not of integers, or with an unknown class id where the
    ground truth counts, and `DataError` for such ground truth.
    """
    predicted, truth = _integers(pred, "predicted map", PredictionError), _integers(gt, "label map", DataError)
    if predicted.shape != truth.shape:
        raise PredictionError(
            f"the predicted map is {_size(predicted)}, its ground truth {_size(truth)}; maps have the original size"
        )
    tables = np.zeros((_TABLES, classes, classes), np.int64)
    bad = _count(predicted.reshape(-1), truth.reshape(-1), classes, ignore, tables)
    if bad >= 0:
        place = "row {}, column {}".format(*np.unravel_index(bad, truth.shape))
        g, p = truth.reshape(-1)[bad], predicted.reshape(-1)[bad]
        if not 0 <= g < classes:
            raise DataError(
                f"the label map has class {g} at {place}, known are 0 to {classes - 1} and {ignore} (ignored)"
            )
        raise PredictionError(f"the predicted map has the unknown class {p} at {place}, known are 0 to {classes - 1}")
    return np.asarray(tables.sum(axis=0), np.int64)


def _integers(values: ArrayLike, what: str, error: type[HumanbenchError]) -> NDArray[Any]:
    """The map as contiguous uint8 or int64, the two kinds the loop is compiled for."""
    label_map = np.asarray(values)
    if not np.issubdtype(label_map.dtype, np.integer) or label_map.ndim != 2:
        raise error(f"the {what} has the shape {label_map.shape} of {label_map.dtype}, not H x W of integers")
    return np.ascontiguousarray(label_map, dtype=np.uint8 if label_map.dtype == np.uint8 else np.int64)


def _size(label_map: NDArray[Any]) -> str:
    return f"{label_map.shape[1]} x {label_map.shape[0]} (width x height)"


def parsing(confusions: Iterable[ArrayLike], classes: int | Sequence[str]) -> Scores:
    """Parsing scores of a split in percent, from one confusion matrix per image; the unit is the image.

    `confusions` N x C x C counts or an iterable of C x C (rows ground truth, columns prediction); `classes` their
    number, or their names in order (class 0 is the background). All counts are added up first; then

    - `IoU <name or number>` per class: right / (ground truth + predicted - right), `nan` for a class in neither, and
      `mIoU` their mean over the classes in either;
    - `pACC` right / all pixels; `mACC` and `mean recall` (the same) the mean of right / ground truth over classes in
      the ground truth;
    - `mean precision`, the mean of right / predicted, and `F1`, the mean of 2 right / (ground truth + predicted), over
      the classes in either, 0 for a class that is never right. PATH calls its mean precision mACC;
    - `foreground accuracy`: right / all pixels where the ground truth is not background.

    Raises `DataError` where the confusions are not C x C counts.

    Source: PATH core/solvers/utils/par_tester_dev.py and SCHP utils/miou.py, which count an absent class as 0.
    """
    names = list(classes) if isinstance(classes, Sequence) else [str(i) for i in range(classes)]
    c = len(names)
    tables = confusions if isinstance(confusions, np.ndarray) else [np.asarray(table) for table in confusions]
    if len(tables) == 0:
        tables = np.zeros((0, c, c), np.int64)
    for i, table in enumerate(tables):
        if table.shape != (c, c) or not np.issubdtype(table.dtype, np.integer) or table.min() < 0:
            raise DataError(f"confusion {i} has the shape {table.shape} of {table.dtype}, not {c} x {c} counts")
    rows = np.asarray(tables, np.int64).reshape(len(tables), c * c)
    parts = (sparse.csr_array(rows), names)  # an image shows few of the classes
    far_off = UnitErrors(lambda: _errors(parts[0], c), "100 − mIoU of the picture", "%")
    return Scores(
        parts,
        _reduce,
        n=len(rows),
        unit="image",
        info={"pixels": int(rows.sum())},
        errors=far_off,
        reduce_many=_reduce_many,
    )


def _errors(rows: Any, classes: int) -> Floats:
    """100 - mIoU of each image alone; `nan` for one without a pixel that counts."""
    errors = np.full(rows.shape[0], np.nan)
    for number in range(rows.shape[0]):
        table = rows[[number]].toarray().reshape(classes, classes)
        right, either = table.diagonal(), table.sum(axis=0) + table.sum(axis=1)
        seen = either > 0
        if seen.any():
            errors[number] = 100 - ratio(100.0 * right[seen], (either - right)[seen]).mean()
    return errors


def _reduce(parts: tuple[Any, list[str]], counts: DrawCounts) -> dict[str, float]:
    rows, names = parts
    return _values(counts @ rows, names)


def _reduce_many(parts: tuple[Any, list[str]], counts: DrawCounts) -> dict[str, Floats]:
    """As `_reduce`, of rows of counts; the confusions are added up for all draws in one pass over the images."""
    rows, names = parts
    draws = [_values(total, names) for total in np.ascontiguousarray((rows.T @ counts.T).T)]
    return {name: np.array([one[name] for one in draws]) for name in draws[0]}


def _values(counted: Ints, names: list[str]) -> dict[str, float]:
    """The scores of a confusion matrix, flat."""
    total = counted.reshape(len(names), len(names))
    right, labelled, predicted = total.diagonal(), total.sum(axis=1), total.sum(axis=0)
    seen = labelled + predicted > 0
    iou = ratio(100.0 * right, labelled + predicted - right)
    return {
        "mIoU": _mean(iou[seen]),
        "pACC": float(ratio(100.0 * right.sum(), total.sum())),
        "mACC": _mean(ratio(100.0 * right, labelled)[labelled > 0]),
        "F1": _mean(ratio(200.0 * right, labelled + predicted)[seen]),
        "mean precision": _mean(ratio(100.0 * right, np.maximum(predicted, 1))[seen]),
        "mean recall": _mean(ratio(100.0 * right, labelled)[labelled > 0]),
        "foreground accuracy": float(ratio(100.0 * right[1:].sum(), labelled[1:].sum())),
        **{f"IoU {name}": float(value) for name, value in zip(names, iou, strict=True)},
    }


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
