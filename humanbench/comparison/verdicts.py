"""From draws of a difference to a verdict: training seeds, many cells, and what is large enough to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from humanbench.arrays import Floats
from humanbench.metrics.directions import direction
from humanbench.results.apart import LEVEL, level_of, widening
from humanbench.results.cells import t_quantile
from humanbench.results.noise import Noise, Trained, seed_noise
from humanbench.stats import holm, p_value

Verdict = Literal["better", "worse", "no difference", "not comparable"]

MARGIN = {"%": 1.0, "px": 5.0, "people": 5.0}
"""Smallest difference that a gate minds, by unit: points of a metric in percent, else percent of BASE's value."""

MARGIN_ELSE = 5.0
"""The same for a unit of another package."""

POWER = 0.8
"""How often a difference of the size called `detectable` is found."""


@dataclass(frozen=True)
class Measured:
    """A cell as measured: `units` are draws of `new - base` over `n` test units, `rng` draws the rest."""

    values: Trained
    units: Floats
    n: int
    rng: np.random.Generator


@dataclass(frozen=True)
class Judgement:
    """What follows from a difference: its 95 % interval, p-values (`corrected` over the family it is judged with).

    `regression`: worse, and by more than `margin`. `detectable`: the smallest drop that would have been called one in
    `POWER` of comparisons like this.
    """

    low: float
    high: float
    p: float
    corrected: float
    margin: float
    detectable: float
    verdict: Verdict
    regression: bool


@dataclass(frozen=True)
class Judged(Judgement):
    """A cell judged: the difference, and what follows, in the metric's unit.

    `seed_sd`: the spread over training seeds that was reckoned with.
    """

    difference: float
    seed_sd: float


@dataclass(frozen=True)
class DrawnCell:
    """A cell with the noise of its seeds, and a draw of the error that this puts on the difference per resample."""

    cell: Measured
    noise: Noise
    errors: Floats

    def at(self, level: float) -> Floats:
        """Draws of `new - base`, drawn apart to allow for a small number of units at this level."""
        difference = self.difference
        units: Floats = difference + (self.cell.units - difference) * widening(self.cell.n, level)
        return units + self.errors

    @property
    def difference(self) -> float:
        """`new - base`, each the mean over its seeds."""
        return float(np.mean(self.cell.values.new)) - float(np.mean(self.cell.values.base))

    @property
    def base(self) -> float:
        return float(np.mean(self.cell.values.base))

    @property
    def sds(self) -> tuple[float, float]:
        """Standard deviations of the difference: by the test units, by the training seeds."""
        return float(np.nanstd(self.cell.units)), _seed_scale(self.cell, self.noise)

    def least(self, level: float) -> float:
        """The least difference that is significant at this level, as the board reckons it."""
        units, seeds = self.sds
        reach = t_quantile(math.inf, level) * widening(self.cell.n, level) * units
        return math.hypot(reach, t_quantile(self.noise.freedom, level) * seeds if seeds else 0.0)


def draw(cells: Sequence[Measured]) -> list[DrawnCell]:
    """All cells of a comparison: a draw of the difference is one over test units, moved by a draw of seed noise."""
    noises = seed_noise([cell.values for cell in cells])
    return [DrawnCell(cell, noise, _seed_errors(cell, noise)) for cell, noise in zip(cells, noises, strict=True)]


def judge(drawn: Sequence[DrawnCell], margin: float | None = None) -> list[Judged]:
    """Judge all cells of a comparison together. `margin` (see `MARGIN`) is one for all cells in place of the default.

    P-values are two-sided and corrected by Holm's procedure.
    """
    level = LEVEL / max(1, len(drawn))
    ps = [p_value(one.at(level)) for one in drawn]
    return [_judged(*known, len(drawn), margin) for known in zip(drawn, ps, holm(ps), strict=True)]


def _judged(one: DrawnCell, p: float, corrected: float, cells: int, margin: float | None) -> Judged:
    way = direction(one.cell.values.metric)
    gain = one.difference if way.higher_is_better else -one.difference
    wanted = MARGIN.get(way.unit, MARGIN_ELSE) if margin is None else margin
    least = wanted if way.unit == "%" else wanted / 100 * abs(one.base)
    outcome = judgement(gain, one.at(LEVEL), p, corrected, least, one.least(level_of(cells)), math.hypot(*one.sds))
    return Judged(**vars(outcome), difference=one.difference, seed_sd=one.noise.sd)


def judgement(
    gain: float, drawn: Floats, p: float, corrected: float, margin: float, significant: float, sd: float
) -> Judgement:
    """What follows from a gain (positive: better) with its draws, p-values and standard deviation.

    `significant` is the least difference that would have been.
    """
    verdict: Verdict = "better" if gain > 0 else "worse"
    if not corrected < LEVEL or gain == 0:  # `nan` establishes nothing
        verdict = "no difference"
    low, high = np.nanquantile(drawn, [LEVEL / 2, 1 - LEVEL / 2])
    return Judgement(
        low=float(low),
        high=float(high),
        p=p,
        corrected=corrected,
        margin=margin,
        # the smallest true drop of which `POWER` of the measured ones, of standard deviation `sd`, exceed what counts
        detectable=max(significant, margin) + t_quantile(math.inf, 2 * (1 - POWER)) * sd,
        verdict=verdict,
        regression=verdict == "worse" and -gain > margin,
    )


def _seed_errors(cell: Measured, noise: Noise) -> Floats:
    """Draws of the error that training seeds put on the difference of both means over seeds."""
    if noise.sd == 0:
        return np.zeros(len(cell.units))
    errors: Floats = _seed_scale(cell, noise) * cell.rng.standard_t(noise.freedom, len(cell.units))
    return errors


def _seed_scale(cell: Measured, noise: Noise) -> float:
    return noise.sd * math.sqrt(1 / len(cell.values.base) + 1 / len(cell.values.new))
