"""How much a number moves when only the training seed changes: expected without, estimated with several seeds.

Test units say nothing of it: two trainings that differ in their seed are two models, and a paired interval tells them
apart when there are enough units. A claim about what was trained needs this spread as well.

What is expected comes from many trainings of the same recipe where the shipped table has them (`seed_spreads`), else
from an assumption. The spread is estimated in two steps from sums over cells: first one factor for all cells that are
looked at together, how much larger or smaller their spreads are than expected; then each cell's own spread against the
expectation times this factor. Both are means of variances weighted by degrees of freedom, those of the expectation
being `FREEDOM`, for the backbone it was measured with is another one. Source of the
second step: Smyth, Linear Models and Empirical Bayes Methods (2004), the moderated variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from humanbench.metrics.directions import direction

ASSUMED = {"%": 0.3, "px": 2.0, "people": 4.0}
"""Standard deviation over seeds by unit: points of a metric in percent, else percent of the value."""

ASSUMED_ELSE = 4.0
"""The same for a unit of another package: the largest of ours."""

MISS_RATE = 1.0
"""In points: a log-average miss rate hangs on few false positives, those in its first images."""

SUITE = {"mini": 4.0}
"""Factor on both where a suite's few pictures and short trainings make it larger."""

LARGEST = 100.0
"""Variance, in units of the assumed one, up to which a cell counts for others: one that moves by more than ten times
what is assumed (an error near 0, say, of which percents are nothing) says something of itself alone."""

FREEDOM = 8.0
"""Degrees of freedom that what is expected counts for, when it is weighed against a spread that was seen."""


ROUNDING = 1e-18
"""Squared deviations, relative to the squared value, up to which values count as equal."""


@dataclass(frozen=True)
class Noise:
    """Standard deviation over seeds of one training's number, and the degrees of freedom it is known with."""

    sd: float
    freedom: float


@dataclass(frozen=True)
class Trained:
    """Values of one metric over the seeds of one run (`new` is empty) or of two; `trained`: whether anything was.

    `measured`: the spread of other trainings of this recipe (`seed_spreads.measured_spread`), where it is known.
    """

    metric: str
    suite: str
    base: tuple[float, ...]
    new: tuple[float, ...] = ()
    trained: bool = True
    measured: float | None = None

    @property
    def assumed(self) -> float:
        """The standard deviation over seeds to expect: as measured, unless that says none and some was seen."""
        value = sum(self.base) / len(self.base)
        if self.measured is None or (self.measured == 0 and self.squares > ROUNDING * value * value):
            return assumed_sd(self.metric, self.suite, value)
        return self.measured * _scale(self.metric, value)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of `spread`."""
        return sum(max(len(side) - 1, 0) for side in (self.base, self.new))

    @property
    def squares(self) -> float:
        """Sum of squared deviations from each run's own mean."""
        return sum(_squares(side) for side in (self.base, self.new) if side)


def _squares(values: Sequence[float]) -> float:
    if len(values) == 1:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) * (value - mean) for value in values)


def assumed_sd(metric: str, suite: str, value: float) -> float:
    """The standard deviation over seeds to expect of a metric that has this value."""
    usual = MISS_RATE if metric.startswith("MR-2") else ASSUMED.get(direction(metric).unit, ASSUMED_ELSE)
    return usual * _scale(metric, value) * SUITE.get(suite, 1.0)


def _scale(metric: str, value: float) -> float:
    """From what spreads are counted in, points or percent of the value, to the unit of the metric."""
    return 1.0 if direction(metric).unit == "%" else abs(value) / 100


def seed_noise(cells: Sequence[Trained]) -> list[Noise]:
    """The noise of each cell, from what was assumed and from all that was seen."""
    factor = spread_factor(*spread_sums(cells))
    return [moderated(cell, factor) for cell in cells]


def spread_sums(cells: Sequence[Trained]) -> tuple[float, int]:
    """Squared deviations in units of the assumed variance, and their degrees of freedom, summed over cells."""
    seen = [(cell, cell.assumed) for cell in cells if cell.trained and cell.freedom]
    usable = [(cell, assumed) for cell, assumed in seen if assumed > 0]
    ratios = (min(cell.squares / (a * a), LARGEST * cell.freedom) for cell, a in usable)
    return sum(ratios), sum(cell.freedom for cell, _ in usable)


def spread_factor(ratios: float, freedom: float) -> float:
    """From `spread_sums`: how much larger or smaller than assumed the variances are (1: as assumed)."""
    return (FREEDOM + ratios) / (FREEDOM + freedom)


def moderated(cell: Trained, factor: float) -> Noise:
    """A cell's noise: its own spread against the assumption times the factor; none where nothing was trained."""
    if not cell.trained:
        return Noise(0.0, math.inf)
    freedom, assumed = FREEDOM + cell.freedom, cell.assumed
    return Noise(math.sqrt((FREEDOM * factor * assumed * assumed + cell.squares) / freedom), freedom)
