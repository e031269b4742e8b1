"""Uncertainty of benchmark numbers: percentile bootstrap intervals, and paired differences over the same units.

Randomness is passed in, so equal generators give equal intervals. Values that are `nan` in a resample (a class nobody
drew, say) leave that resample out for that metric; a metric that is `nan` everywhere has a `nan` interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humanbench.metrics.scores import Scores

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A value, its interval [low, high], and the number of units it was measured on."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(
    scores: Scores,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    progress: Callable[[range], Iterable[int]] = iter,
) -> dict[str, Interval]:
    """The 95 % percentile bootstrap interval of every metric: units are drawn with replacement `resamples` times.

    `progress` may wrap the loop's range (`rich.progress.track`). Source: Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), chapter 13; quantiles are interpolated linearly, as `scipy.stats.bootstrap` does.
    """
    values = dict(scores)
    drawn = np.full((resamples, len(values)), math.nan)
    for row in progress(range(resamples)):
        again = scores.resample(rng.integers(0, scores.n, scores.n))
        drawn[row] = [again[name] for name in values]
    return _intervals(values, drawn, scores.n)


def paired_difference(
    base: Scores, new: Scores, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Intervals of `new - base` for every metric that both have: each resample draws the same units for both.

    Both must be scores of the same units in the same order (the same dataset, split and subset); a `ValueError` when
    their number or kind differs.
    """
    if (base.n, base.unit) != (new.n, new.unit):
        raise ValueError(f"not paired: {base.n} x {base.unit} against {new.n} x {new.unit}")
    values = {name: new[name] - base[name] for name in base if name in new}
    drawn = np.full((resamples, len(values)), math.nan)
    for row in range(resamples):
        index = rng.integers(0, base.n, base.n)
        a, b = base.resample(index), new.resample(index)
        drawn[row] = [b[name] - a[name] for name in values]
    return _intervals(values, drawn, base.n)


def _intervals(values: dict[str, float], drawn: NDArray[np.float64], n: int) -> dict[str, Interval]:
    tail = (1 - CONFIDENCE) / 2
    result = {}
    for column, (name, value) in enumerate(values.items()):
        kept = drawn[~np.isnan(drawn[:, column]), column]
        low, high = np.quantile(kept, [tail, 1 - tail]) if len(kept) else (math.nan, math.nan)
        result[name] = Interval(value, float(low), float(high), n)
    return result
