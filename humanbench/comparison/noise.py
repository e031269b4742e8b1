"""How much a number moves when only the training seed changes: assumed without, estimated with several seeds.

Test units say nothing of it: two trainings that differ in their seed are two models, and a paired interval tells them
apart when there are enough units. A claim about what was trained needs this spread as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from humanbench.metrics.directions import direction

ASSUMED = {"%": 0.3, "px": 2.0, "people": 4.0}
"""Standard deviation over seeds by unit: points of a metric in percent, else percent of the value."""

MISS_RATE = 1.0
"""In points: a log-average miss rate hangs on few false positives, those in its first images."""

SUITE = {"mini": 4.0}
"""Factor on both where a suite's few pictures and short trainings make it larger."""

FREEDOM = 8.0
"""Degrees of freedom the assumption counts for, when it is weighed against a spread that was seen."""


@dataclass(frozen=True)
class Noise:
    """Standard deviation over seeds of one training's number, and the degrees of freedom it is known with."""

    sd: float
    freedom: float


@dataclass(frozen=True)
class Trained:
    """Values of one metric over the seeds of both runs; `trained` is false where nothing was trained."""

    metric: str
    suite: str
    base: tuple[float, ...]
    new: tuple[float, ...]
    trained: bool = True

    @property
    def assumed(self) -> float:
        """The standard deviation over seeds to expect."""
        unit = direction(self.metric).unit
        usual = MISS_RATE if self.metric.startswith("MR-2") else ASSUMED[unit]
        scale = 1.0 if unit == "%" else abs(float(np.mean(self.base))) / 100
        return usual * scale * SUITE.get(self.suite, 1.0)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of `spread`."""
        return len(self.base) + len(self.new) - 2

    @property
    def squares(self) -> float:
        """Sum of squared deviations from each run's own mean."""
        return sum(float(np.sum((np.asarray(side) - np.mean(side)) ** 2)) for side in (self.base, self.new))


def seed_noise(cells: Sequence[Trained]) -> list[Noise]:
    """The noise of each cell, from what was assumed and from all that was seen.

    First one factor for the whole comparison, how much larger or smaller the spreads are than assumed; then each cell's
    own spread against the assumption times this factor. Both are means of variances weighted by degrees of freedom, the
    assumption's being `FREEDOM`. Source of the second step: Smyth, Linear Models and Empirical Bayes Methods (2004),
    the moderated variance.
    """
    seen = [cell for cell in cells if cell.trained and cell.freedom and cell.assumed > 0]
    ratios = sum(cell.squares / cell.assumed**2 for cell in seen)
    factor = (FREEDOM + ratios) / (FREEDOM + sum(cell.freedom for cell in seen))
    return [_moderated(cell, factor) for cell in cells]


def _moderated(cell: Trained, factor: float) -> Noise:
    if not cell.trained:
        return Noise(0.0, math.inf)
    freedom = FREEDOM + cell.freedom
    return Noise(math.sqrt((FREEDOM * factor * cell.assumed**2 + cell.squares) / freedom), freedom)
