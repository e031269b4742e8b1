"""Ranks and how far they can be trusted.

Two entries of a column can be told apart when their difference exceeds the root of the summed squares of the half
intervals that face each other: the usual test of a difference of independent values. Entries are measured on the same
people, so their errors go together and the test is careful: where it sees a difference there is one (`humanbench
compare` pairs the units and sees smaller ones).

The order of a board is by mean rank over its columns; an entry without a value in a column shares the last ranks there,
so leaving out what went badly does not help. Intervals of overall ranks are those of Goldstein and Spiegelhalter
(1996): values are drawn around each score as its interval says, and each draw is ranked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Floats, Ints

_Z = 1.959964
"""Half a 95 % interval of the normal distribution, in standard deviations."""
_AHEAD = 0.975
"""Share of draws in which an entry must be ahead of the next to be told apart from it."""


@dataclass(frozen=True)
class ColumnRanks:
    """Ranks of one column's E entries: 1 is best, equal values share the better rank, 0 means no value.

    `low`, `high`: best and worst rank that cannot be ruled out.
    """

    rank: Ints
    low: Ints
    high: Ints


@dataclass(frozen=True)
class Ranking:
    """E entries over D columns, as they come in; `order` sorts them.

    `mean_rank`: E; `low`, `high`: E, the interval of the overall rank; `tied`: E, whether the entry cannot be told
    apart from the one after it in the order; `columns`: D.
    """

    order: Ints
    rank: Ints
    mean_rank: Floats
    low: Ints
    high: Ints
    tied: NDArray[np.bool_]
    columns: tuple[ColumnRanks, ...]


def rank_entries(values: Floats, lows: Floats, highs: Floats, higher: NDArray[np.bool_], seed: int = 0) -> Ranking:
    """Rank E entries by E x D values with their 95 % intervals; `nan` where there is none. `higher`: D."""
    sign = np.where(higher, -1.0, 1.0)  # from here on less is better
    points = np.where(np.isfinite(values), values * sign, np.nan)
    near = np.where(higher, lows, highs) * sign  # the worse end
    far = np.where(higher, highs, lows) * sign  # the better end
    with np.errstate(over="ignore", invalid="ignore"):
        worse = np.nan_to_num(near - points, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
        better = np.nan_to_num(points - far, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    columns = tuple(_column(points[:, d], better[:, d], worse[:, d]) for d in range(points.shape[1]))
    mean_rank = _mean_ranks(points[None])[0]
    draws = _mean_ranks(_drawn(points, better, worse, seed))
    order = np.lexsort((np.arange(len(points)), mean_rank))
    overall = _ranks(draws)
    low, high = np.quantile(overall, [0.025, 0.975], axis=0, method="nearest")
    place = _ranks(mean_rank[None])[0]
    tied = np.zeros(len(points), bool)
    ahead = (draws[:, order[:-1]] < draws[:, order[1:]]).mean(axis=0)
    tied[order[:-1]] = ahead < _AHEAD
    return Ranking(
        order,
        place.astype(np.int64),
        mean_rank,
        np.minimum(low, place).astype(np.int64),
        np.maximum(high, place).astype(np.int64),
        tied,
        columns,
    )


def _column(points: Floats, better: Floats, worse: Floats) -> ColumnRanks:
    """`better`, `worse`: half intervals of each point, towards less and towards more."""
    there = np.flatnonzero(~np.isnan(points))
    rank, low, high = (np.zeros(len(points), np.int64) for _ in range(3))
    p, b, w = points[there], better[there], worse[there]
    if len(there):
        with np.errstate(over="ignore"):
            # Row i against column j: j is surely better than i when it lies below by more than both halves allow.
            below = np.maximum(p[:, None] - p[None, :], 0.0)
            surely = below * below > (b * b)[:, None] + (w * w)[None, :]
        ordered = np.sort(p)
        rank[there] = np.searchsorted(ordered, p, "left") + 1
        low[there] = 1 + surely.sum(axis=1)
        high[there] = len(there) - surely.sum(axis=0)
    return ColumnRanks(rank, low, np.maximum(high, rank))


def surely_differ(values: tuple[float, float], bounds: tuple[tuple[float, float], tuple[float, float]]) -> bool:
    """Whether two values of a column can be told apart, by their (low, high) bounds.

    >>> surely_differ((80.0, 82.0), ((79.0, 81.0), (81.0, 83.0))), surely_differ((80.0, 81.0), ((79.0, 81.0),) * 2)
    (True, False)
    """
    (less, (_, up)), (more, (down, _)) = sorted(zip(values, bounds, strict=True))
    return more - less > float(np.hypot(max(up - less, 0.0), max(more - down, 0.0)))


def _drawn(points: Floats, better: Floats, worse: Floats, seed: int) -> Floats:
    """Draws x E x D values around the points, with the spread of either side; fewer draws of many entries."""
    draws = 1000 if len(points) <= 100 else 100
    noise = np.random.default_rng(seed).standard_normal((draws, *points.shape))
    with np.errstate(over="ignore"):
        drawn: Floats = points + noise * np.where(noise < 0, better, worse) / _Z
    return drawn


def _mean_ranks(points: Floats) -> Floats:
    """Draws x E mean ranks over the columns of draws x E x D points; absent ones share the last ranks."""
    total = np.zeros(points.shape[:2])
    for column in range(points.shape[2]):
        total += _ranks(np.nan_to_num(points[:, :, column], nan=np.inf), shared=True)
    mean: Floats = total / max(points.shape[2], 1)
    return mean


def _ranks(points: Floats, shared: bool = False) -> Floats:
    """Ranks along the second axis; equal values get the mean of their ranks (`shared`), else the least."""
    rows = np.arange(len(points))[:, None]
    order = np.argsort(points, axis=1, kind="stable")
    ordered = points[rows, order]
    start = np.ones(points.shape, bool)
    start[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    index = np.broadcast_to(np.arange(points.shape[1]), points.shape)
    first = np.maximum.accumulate(np.where(start, index, 0), axis=1)
    rank = first + 1.0
    if shared:
        stop = np.ones(points.shape, bool)
        stop[:, :-1] = start[:, 1:]
        last = np.minimum.accumulate(np.where(stop, index, points.shape[1])[:, ::-1], axis=1)[:, ::-1]
        rank = (first + last) / 2 + 1.0
    found = np.empty(points.shape)
    found[rows, order] = rank
    return found
