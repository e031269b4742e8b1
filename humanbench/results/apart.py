"""How far apart two numbers must lie to differ: what `compare` and the board both go by.

`compare` draws differences over test units, paired where it can, and adds draws of the seeds' noise. The board has many
pairs and no predictions, so it takes the same model in closed form: recorded intervals as those of independent normal
errors (what `compare` calls unpaired), the same noise of training seeds of the two entries, the same allowance for few
units, and the same correction for the number of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy
from functools import lru_cache

import numpy as np

from humanbench.arrays import Bools, Floats, Ints
from humanbench.results.cells import CellNumber, t_quantile
from humanbench.results.noise import FREEDOM
from humanbench.stats import CONFIDENCE, RESAMPLES

LEVEL = 1 - CONFIDENCE

_DRAWS_PER_CELL = 60


def resamples_for(cells: int) -> int:
    """Draws that leave the smallest possible p-value significant after correction over so many cells."""
    return max(RESAMPLES, _DRAWS_PER_CELL * cells)


@lru_cache(maxsize=64)
def level_of(cells: int) -> float:
    """The two-sided level at which a difference is significant to `compare` after correction over so many cells.

    Its p-value counts the observed data as one more draw, so this is somewhat below `LEVEL / cells`.
    """
    draws = resamples_for(cells)
    return 2 * (LEVEL * (draws + 1) / (2 * max(cells, 1)) - 1) / draws


@lru_cache(maxsize=4096)
def widening(n: int, level: float) -> float:
    """How much wider than its bootstrap draws the interval of a mean of `n` units is, at this level.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 4.3.1, as a factor on the draws
    in place of other quantiles.
    """
    return t_quantile(n - 1, level) / t_quantile(math.inf, level) * math.sqrt(n / (n - 1))


class ColumnNumbers:
    """The numbers of a column's N cells as arrays. `below` and `above` are standard deviations over test units."""

    def __init__(self, numbers: list[CellNumber], cells: int) -> None:
        """`cells`: how many cells the entries are compared on, which is what the level is corrected for."""
        self._level = level_of(cells)
        z = t_quantile(math.inf)
        self.values = _array(one.value for one in numbers)
        self.below, self.above = _array(one.below / z for one in numbers), _array(one.above / z for one in numbers)
        stretch = t_quantile(math.inf, self._level)
        self._units = _array(stretch * widening(one.n, self._level) if one.n > 1 else math.inf for one in numbers)
        trained = [one.trained for one in numbers]
        self._seeds = _array(1 / one.seeds for one in numbers)
        self._assumed = _array(cell.assumed if cell.trained else 0.0 for cell in trained)
        self._squares = _array(cell.squares for cell in trained)
        self._freedom = np.array([cell.freedom for cell in trained], np.int64)
        self._ratios = _array(one.row_ratios for one in numbers)
        self._row_freedom = _array(one.row_freedom for one in numbers)
        self._trained = np.array([cell.trained for cell in trained], bool)

    def terms(self) -> list[list[float]]:
        """What `least` reckons with, by cell: value, below, above, factor of its units, 1 / seeds, and of the noise of
        training seeds what is assumed, squared deviations, their degrees of freedom, the row's sums, and whether
        anything was trained (0 or 1). For the page of the board that compares any two entries."""
        columns = (
            self.values, self.below, self.above, self._units, self._seeds, self._assumed, self._squares, self._freedom,
            self._ratios, self._row_freedom, self._trained.astype(np.float64),
        )  # fmt: skip
        return [list(map(float, row)) for row in np.stack([column.astype(np.float64) for column in columns], axis=1)]

    def quantiles(self) -> list[float]:
        """By added degrees of freedom of two cells, the quantile of the t distribution at the level of `least`."""
        largest = 2 * int(self._freedom.max(initial=0)) + 1
        return [t_quantile(FREEDOM + extra, self._level) for extra in range(largest)]

    def least(self, less: Ints, more: Ints) -> Floats:
        """The least differences by which cells `more` lie surely above cells `less` (indices that broadcast).

        Infinite where an interval is not known, or a single unit was tested.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            units = np.maximum(self._units[less], self._units[more])
            reach = units * units * (self.above[less] ** 2 + self.below[more] ** 2)
            least: Floats = np.sqrt(reach + self._seed_reach(less, more))
        return np.where(np.isnan(least), np.inf, least)

    def surely_above(self, more: Ints, less: Ints) -> Bools:
        """Whether cells `more` lie above cells `less` beyond doubt (indices that broadcast)."""
        with np.errstate(over="ignore"):
            above: Bools = self.values[more] - self.values[less] > self.least(less, more)
        return above

    def bounds(self, order: Ints, starts: Ints, wide: bool) -> ColumnNumbers:
        """A cell for each run of cells in this order, with none of their least differences larger than its (`wide`),
        or none smaller: `least` grows with all that it reckons with but the degrees of freedom. It has no values."""
        grows, shrinks = (np.maximum, np.minimum) if wide else (np.fmin, np.fmax)  # nan: an interval not known
        bounds = copy(self)
        bounds.values = np.full(len(starts), math.nan)
        for name in ("below", "above", "_units", "_seeds", "_assumed", "_squares", "_ratios", "_trained"):
            setattr(bounds, name, grows.reduceat(getattr(self, name)[order], starts))
        for name in ("_freedom", "_row_freedom"):
            setattr(bounds, name, shrinks.reduceat(getattr(self, name)[order], starts))
        return bounds

    def _seed_reach(self, a: Ints, b: Ints) -> Floats:
        """What training seeds add to the square of the least difference."""
        factor = (FREEDOM + self._ratios[a] + self._ratios[b]) / (FREEDOM + self._row_freedom[a] + self._row_freedom[b])
        freedom = self._freedom[a] + self._freedom[b]
        assumed = np.maximum(self._assumed[a], self._assumed[b])
        variance = FREEDOM * factor * assumed * assumed + self._squares[a] + self._squares[b]
        variance = variance / (FREEDOM + freedom) * (self._seeds[a] + self._seeds[b])
        quantiles = _array(self.quantiles())
        reach: Floats = np.where(self._trained[a] | self._trained[b], quantiles[freedom] ** 2 * variance, 0.0)
        return reach


def _array(values: Iterable[float]) -> Floats:
    return np.array(list(values), np.float64)
