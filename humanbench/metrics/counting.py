"""Crowd counting: how far the predicted number of people is from the true one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from humanbench.arrays import LARGEST, Floats, beyond
from humanbench.errors import HumanbenchError
from humanbench.metrics.scores import DrawCounts, Scores, UnitErrors


def counting(pred: ArrayLike, gt: ArrayLike) -> Scores:
    """MAE and MSE, in people, of N predicted counts against N true ones; the units are images.

    Counts are real numbers and are not rounded. MSE is the root of the mean squared error, as the literature on crowd
    counting uses the name (gjy3035/C-3-Framework, trainer.py). Raises `HumanbenchError` for lists of unequal length,
    empty ones, and counts that are not finite, above 1e100 or, for the truth, negative.

    >>> dict(counting([10.0, 24.0], [13, 20]))
    {'MAE': 3.5, 'MSE': 3.5355339059327378}
    """
    predicted, true = _counts(pred, "predicted"), _counts(gt, "true")
    if len(predicted) != len(true):
        raise HumanbenchError(
            f"there are {len(predicted)} predicted counts for {len(true)} true ones; one each is needed"
        )
    if not len(true):
        raise HumanbenchError("there are no images to compare counts of")
    for counts, name in ((predicted, "predicted"), (true, "true")):
        if (i := beyond(counts)) is not None:
            raise HumanbenchError(f"{name} count {i} is {counts[i]:g}, too large to square (above {LARGEST:g})")
    if (true < 0).any():
        raise HumanbenchError(f"true count {int((true < 0).argmax())} is negative; a number of people is 0 or more")
    error = predicted - true
    far_off = UnitErrors(lambda: np.abs(error), "off by", "people")
    return Scores(np.stack([np.abs(error), error**2]), _reduce, n=len(true), unit="image", errors=far_off)


def _reduce(errors: Floats, counts: DrawCounts) -> Mapping[str, float]:
    drawn = counts.sum()
    absolute, squared = errors @ counts / drawn if drawn else (np.nan, np.nan)
    return {"MAE": float(absolute), "MSE": float(np.sqrt(squared))}


def _counts(values: ArrayLike, name: str) -> Floats:
    counts = np.asarray(values)
    if counts.ndim != 1 or (counts.dtype.kind not in "fiu" and counts.size):
        raise HumanbenchError(
            f"the {name} counts must be a list of numbers; found shape {counts.shape} of {counts.dtype}"
        )
    numbers = counts.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise HumanbenchError(f"{name} count {int((~np.isfinite(numbers)).argmax())} is not a finite number")
    return numbers
