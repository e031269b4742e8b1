"""All cells of a board together, and those of each task: a small drop everywhere, which no single cell can show.

A cell's gain is taken in percent of BASE's value (positive: better) and weighted by how certain it is. Cells are
tested on units of their own and trained apart, so their draws are independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from humanbench.arrays import Floats
from humanbench.comparison.verdicts import DrawnCell, Judgement, judgement
from humanbench.metrics.directions import direction
from humanbench.results.apart import LEVEL
from humanbench.results.cells import t_quantile
from humanbench.stats import holm, p_value

MARGIN = 1.0
"""Smallest drop of a mean over cells that a gate minds, in percent of BASE's values."""

HETEROGENEITY = 1.0
"""Standard deviation, in percent of BASE's value, by which true changes may differ between cells: it keeps one cell
that is known exactly from standing for all others. Source: the random-effects weights of DerSimonian and Laird,
Meta-analysis in clinical trials (1986), with the spread between studies given instead of estimated."""

Group = TypeVar("Group")


@dataclass(frozen=True)
class Together(Judgement):
    """The weighted mean change of some cells, and what follows, in percent of BASE's values; positive: better.

    `cells` are those that count: with a BASE above 0 and a difference that could be drawn.
    """

    cells: int
    change: float


def judge_together(groups: Mapping[Group, Sequence[DrawnCell]], margin: float | None = None) -> dict[Group, Together]:
    """Judge each group of cells by its weighted mean change; groups of fewer than two cells that count are left out.

    `margin`: percent of BASE's values; None is `MARGIN`. P-values are two-sided and corrected over the groups by Holm's
    procedure; they are a family beside that of the single cells.
    """
    usable = {name: [one for one in cells if _counts(one)] for name, cells in groups.items()}
    usable = {name: cells for name, cells in usable.items() if len(cells) > 1}
    level = LEVEL / max(1, len(usable))
    means = {name: _Mean(cells) for name, cells in usable.items()}
    ps = [p_value(mean.draws(level)) for mean in means.values()]
    least = MARGIN if margin is None else margin
    judged = zip(means.items(), ps, holm(ps), strict=True)
    return {name: _judged(mean, level, p, corrected, least) for (name, mean), p, corrected in judged}


class _Mean:
    """The weighted mean change of some cells."""

    def __init__(self, cells: Sequence[DrawnCell]) -> None:
        self.cells = cells
        sds = np.array([_percent(one) * math.hypot(*one.sds) for one in cells])
        weights = 1 / (sds**2 + HETEROGENEITY**2)
        self.weights = weights / weights.sum()
        signs = [1 if direction(one.cell.values.metric).higher_is_better else -1 for one in cells]
        self._scale = self.weights * [sign * _percent(one) for sign, one in zip(signs, cells, strict=True)]
        self.change = float(sum(s * one.difference for s, one in zip(self._scale, cells, strict=True)))
        self.sd = float(np.sqrt((self.weights**2 * sds**2).sum()))

    def draws(self, level: float) -> Floats:
        """Draws of the mean; resamples in which a cell is undefined are taken from its other ones."""
        drawn = [one.at(level) for one in self.cells]
        full = [np.resize(cell[~np.isnan(cell)], cell.shape) for cell in drawn]
        return np.asarray(self._scale @ np.array(full), np.float64)

    def least(self, level: float) -> float:
        """The least change that is significant at this level, by the normal distribution of a sum of many errors."""
        return t_quantile(math.inf, level) * self.sd


def _judged(mean: _Mean, level: float, p: float, corrected: float, margin: float) -> Together:
    outcome = judgement(mean.change, mean.draws(LEVEL), p, corrected, margin, mean.least(level), mean.sd)
    return Together(**vars(outcome), cells=len(mean.cells), change=mean.change)


def _counts(one: DrawnCell) -> bool:
    return one.base != 0 and not np.isnan(one.cell.units).all()


def _percent(one: DrawnCell) -> float:
    """What a unit of the metric is in percent of BASE's value."""
    return 100 / abs(one.base)
