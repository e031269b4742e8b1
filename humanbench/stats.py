"""Uncertainty of benchmark numbers: percentile bootstrap intervals, and paired differences over the same units.

Randomness is passed in, so equal generators give equal intervals. Values that are `nan` in a resample (a class nobody
drew, say) leave that resample out for that metric; a metric that is `nan` everywhere has a `nan` interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import tee
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from humanbench.arrays import Floats
from humanbench.errors import HumanbenchError
from humanbench.metrics.scores import Scores
from humanbench.schema import SEEDS, Number, Record

RESAMPLES = 1000
CONFIDENCE = 0.95


class Metric(Record):
    """A metric's value, its 95 % bootstrap interval, and the number of units (queries, people, images) behind it."""

    value: Number
    low: Number
    high: Number
    n: Annotated[int, Field(ge=0, le=10**12)]


def check_draws(seed: Any, resamples: Any = 0) -> None:
    """`HumanbenchError` where these are no seed, or no number of resamples."""
    if not isinstance(seed, int | np.integer) or not 0 <= seed < SEEDS:
        raise HumanbenchError(f"a seed is a whole number from 0 to {SEEDS - 1}; found {seed!r}")
    if not isinstance(resamples, int | np.integer) or resamples < 0:
        raise HumanbenchError(f"the number of resamples is a whole number, 0 or more; found {resamples!r}")


def bootstrap(
    scores: Scores,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    progress: Callable[[range], Iterable[int]] = iter,
) -> dict[str, Metric]:
    """The 95 % percentile bootstrap interval of every metric: units are drawn with replacement `resamples` times.

    Of the values that are `Scores.centred` the draws are moved by what they lie above the value on average.
    `progress` may wrap the loop's range (`rich.progress.track`). Source: Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), chapter 13; quantiles are interpolated linearly, as `scipy.stats.bootstrap` does.
    """
    values = dict(scores)
    drawn = np.full((resamples, len(values)), math.nan)
    draws = (rng.integers(0, scores.n, scores.n) for _ in progress(range(resamples)))
    for row, again in enumerate(scores.resampled(draws, list(values))):
        drawn[row] = again
    tail = (1 - CONFIDENCE) / 2
    intervals = {}
    for (name, value), column in zip(values.items(), drawn.T, strict=True):
        if name in scores.centred and not np.isnan(column).all():
            column = np.maximum(column + value - np.nanmean(column), 0.0)
        defined = column[~np.isnan(column)]
        low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) else (math.nan, math.nan)
        intervals[name] = Metric(value=value, low=float(low), high=float(high), n=scores.n)
    return intervals


def paired_draws(
    base: Sequence[Scores], new: Sequence[Scores], metrics: Sequence[str], rng: np.random.Generator, resamples: int
) -> Floats:
    """Differences `mean of new - mean of base` in every resample, resamples x metrics; all get the same units.

    Several scores on a side are those of several trainings. A `ValueError` when number or kind of units differ.
    """
    first = base[0]
    for other in (*base, *new):
        if (first.n, first.unit) != (other.n, other.unit):
            raise ValueError(f"not paired: {first.n} x {first.unit} against {other.n} x {other.unit}")
    every = (*base, *new)
    draws = tee((rng.integers(0, first.n, first.n) for _ in range(resamples)), len(every))
    values = [one.resampled(units, metrics) for one, units in zip(every, draws, strict=True)]
    drawn = np.full((resamples, len(metrics)), math.nan)
    for row, trainings in enumerate(zip(*values, strict=True)):
        drawn[row] = _mean(trainings[len(base) :]) - _mean(trainings[: len(base)])
    return drawn


def _mean(values: Sequence[Sequence[float]]) -> Floats:
    """Of each column, added from the first row on."""
    return np.asarray(sum(map(np.asarray, values)) / len(values))


def p_value(drawn: Floats) -> float:
    """Two-sided p-value of bootstrap draws of a difference: how seldom they lie beyond zero; `nan` without draws.

    The observed data count as one more draw, so it is never zero. Source: Davison and Hinkley, Bootstrap Methods and
    their Application (1997), sections 4.2.1 and 5.4 (an interval's confidence at which it just reaches zero).
    """
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return math.nan
    beyond = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(defined) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected so that the chance of any false finding among them stays at the level each is compared with.

    `nan` is no test: it stays and does not count. Source: Holm, A Simple Sequentially Rejective Multiple Test
    Procedure (1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    corrected, largest = list(p_values), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p_values[i]))
        corrected[i] = largest
    return corrected
