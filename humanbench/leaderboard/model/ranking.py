"""Ranks and how far they can be trusted.

Two entries of a column are told apart where `humanbench.results.apart` says so: by the model of `compare` (test units,
training seeds, few units, correction for the number of datasets), without pairing. Entries are measured on the same
people, so their errors go together and this is careful: where it sees a difference there is one, and `compare`, which
pairs the units, sees smaller ones too.

The order of a board is by mean rank over its columns; an entry without a value in a column shares the last ranks there,
so leaving out what went badly does not help. Intervals of overall ranks are those of Goldstein and Spiegelhalter
(1996): values are drawn around each score as its interval says, and each draw is ranked. Of a single column, they are
the column's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.stats import rankdata

from humanbench.arrays import Bools, Floats, Ints
from humanbench.results.apart import ColumnNumbers
from humanbench.results.cells import CellNumber
from humanbench.results.counted import surely_counts

_Z = 1.959964
"""Half a 95 % interval of the normal distribution, in standard deviations."""
_AHEAD = 0.975
"""Share of draws in which an entry must be ahead of the next to be told apart from it."""


@dataclass(frozen=True)
class ColumnRanks:
    """Ranks of one column's E entries: 1 is best, equal values share the better rank, 0 means no value.

    `low`, `high`: best and worst rank that cannot be ruled out. `numbers`: of the entries that have one, `places` by
    entry; `higher`: whether more is better.
    """

    rank: Ints
    low: Ints
    high: Ints
    numbers: ColumnNumbers
    places: Ints
    higher: bool

    @cached_property
    def contested(self) -> bool:
        """Whether anybody is better than anybody else: several values that are not all equal."""
        return bool(self.rank.max(initial=0) > 1)

    def apart(self, better: int, worse: int) -> bool:
        """Whether two entries that have a value are told apart."""
        a, b = self.places[[better]], self.places[[worse]]
        return bool(_surely(self.numbers, self.higher, a, b)[0])

    def surely_better(self) -> Bools:
        """E x E: whether an entry (row) is told apart from another (column) and better; False without a value."""
        there = np.flatnonzero(self.rank)
        better = np.zeros((len(self.rank), len(self.rank)), bool)
        if len(there):
            at = self.places[there]
            better[np.ix_(there, there)] = _surely(self.numbers, self.higher, at[:, None], at[None, :])
        return better


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
    tied: Bools
    columns: tuple[ColumnRanks, ...]


KnownColumns = dict[tuple[bool, int, tuple[int, ...]], ColumnRanks]
"""Columns that were ranked before, by what decides their ranks; numbers by their places in memory."""


def rank_entries(
    numbers: Sequence[Sequence[CellNumber | None]],
    higher: Bools,
    compared: int = 1,
    known: KnownColumns | None = None,
) -> Ranking:
    """Rank E entries by their numbers in D columns, None where there is none; `higher`: D.

    `compared`: on how many datasets the entries of the board meet. `known`: columns of tables of the same numbers,
    which must outlive it; it takes those of this one.
    """
    known = {} if known is None else known
    columns = []
    for one, up in zip(zip(*numbers, strict=True), higher, strict=True):
        key = (bool(up), compared, tuple(map(id, one)))
        if key not in known:
            known[key] = _column(one, bool(up), compared)
        columns.append(known[key])
    sign = np.where(higher, -1.0, 1.0)  # from here on less is better
    values, lows, highs = (_field(numbers, name) for name in ("value", "low", "high"))
    points = np.where(np.isfinite(values), values * sign, np.nan)
    mean_rank = _mean_ranks(points[None])[0]
    order = np.lexsort((np.arange(len(points)), mean_rank))
    place = rankdata(mean_rank, "min").astype(np.int64)
    if len(columns) == 1:
        low, high, tied = _of_column(columns[0], order)
    else:
        draws = _mean_ranks(_drawn(points, *_reach(values, lows, highs, higher)))
        low, high, tied = _of_draws(draws, order)
    return Ranking(order, place, mean_rank, np.minimum(low, place), np.maximum(high, place), tied, tuple(columns))


def _field(numbers: Sequence[Sequence[CellNumber | None]], name: str) -> Floats:
    return np.array([[np.nan if n is None else getattr(n, name) for n in row] for row in numbers], np.float64)


def _of_column(column: ColumnRanks, order: Ints) -> tuple[Ints, Ints, Bools]:
    tied = np.zeros(len(order), bool)
    for before, after in pairwise(order):
        tied[before] = not column.apart(int(before), int(after))
    return column.low, column.high, tied


def _of_draws(draws: Floats, order: Ints) -> tuple[Ints, Ints, Bools]:
    """From draws x E mean ranks: intervals of the overall rank, and which entries are ahead too seldom."""
    low, high = np.quantile(rankdata(draws, "min", axis=1), [0.025, 0.975], axis=0, method="nearest").astype(np.int64)
    tied = np.zeros(len(order), bool)
    tied[order[:-1]] = (draws[:, order[:-1]] < draws[:, order[1:]]).mean(axis=0) < _AHEAD
    return low, high, tied


def _column(numbers: Sequence[CellNumber | None], higher: bool, compared: int) -> ColumnRanks:
    listed = [(row, one) for row, one in enumerate(numbers) if one is not None and np.isfinite(one.value)]
    there = np.array([row for row, _ in listed], np.int64)
    rank, low, high, places = (np.zeros(len(numbers), np.int64) for _ in range(4))
    column = ColumnNumbers([one for _, one in listed], compared)
    if len(there):
        above, below = surely_counts(column)
        ahead, behind = (below, above) if higher else (above, below)
        places[there] = np.arange(len(there))
        rank[there] = rankdata(-column.values if higher else column.values, "min")
        low[there] = 1 + ahead
        high[there] = len(there) - behind
    return ColumnRanks(rank, low, np.maximum(high, rank), column, places, higher)


def _surely(numbers: ColumnNumbers, higher: bool, better: Ints, worse: Ints) -> Bools:
    """Whether cells are better beyond doubt than others, by indices that broadcast."""
    return numbers.surely_above(better, worse) if higher else numbers.surely_above(worse, better)


def _reach(values: Floats, lows: Floats, highs: Floats, higher: Bools) -> tuple[Floats, Floats]:
    """How far the intervals reach to the better and to the worse side; 0 where there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        down, up = (
            np.nan_to_num(gap, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0) for gap in (values - lows, highs - values)
        )
    return np.where(higher, up, down), np.where(higher, down, up)


def _drawn(points: Floats, better: Floats, worse: Floats) -> Floats:
    """Draws x E x D values around the points, with the spread of either side; fewer draws of many entries."""
    draws = 1000 if len(points) <= 100 else 100
    noise = np.random.default_rng(0).standard_normal((draws, *points.shape))
    with np.errstate(over="ignore"):
        drawn: Floats = points + noise * np.where(noise < 0, better, worse) / _Z
    return drawn


def _mean_ranks(points: Floats) -> Floats:
    """Draws x E mean ranks over the columns of draws x E x D points; absent ones share the last ranks."""
    total = np.zeros(points.shape[:2])
    for column in range(points.shape[2]):
        total += rankdata(np.nan_to_num(points[:, :, column], nan=np.inf), "average", axis=1)
    mean: Floats = total / max(points.shape[2], 1)
    return mean
