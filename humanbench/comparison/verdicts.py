"""From draws of a difference to a verdict: training seeds, many cells, and what is large enough to matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from humanbench.arrays import Floats
from humanbench.metrics.directions import direction
from humanbench.results.apart import LEVEL, widening
from humanbench.results.noise import Noise, Trained, seed_noise
from humanbench.stats import holm, p_value

Verdict = Literal["better", "worse", "no difference", "not comparable"]

MARGIN = {"%": 1.0, "px": 5.0, "people": 5.0}
"""Smallest difference that a gate minds, by unit: points of a metric in percent, else percent of BASE's value."""

MARGIN_ELSE = 5.0
"""The same for a unit of another package."""


@dataclass(frozen=True)
class Measured:
    """A cell as measured: `units` are draws of `new - base` over `n` test units, `rng` draws the rest."""

    values: Trained
    units: Floats
    n: int
    rng: np.random.Generator


@dataclass(frozen=True)
class Judged:
    """The difference with its 95 % interval, p-values (`corrected` over all cells), and what follows.

    `regression`: worse, and by more than `margin` (in the metric's unit). `seed_sd`: the spread over training seeds
    that was reckoned with.
    """

    difference: float
    low: float
    high: float
    p: float
    corrected: float
    margin: float
    seed_sd: float
    verdict: Verdict
    regression: bool


def judge(cells: Sequence[Measured], margin: float | None = None) -> list[Judged]:
    """Judge all cells of a comparison together. `margin` (see `MARGIN`) is one for all cells in place of the default.

    A draw of the difference is one over test units, moved by a draw of the seeds' noise; p-values are two-sided and
    corrected by Holm's procedure.
    """
    noises = seed_noise([cell.values for cell in cells])
    errors = [_seed_errors(cell, noise) for cell, noise in zip(cells, noises, strict=True)]
    level = LEVEL / max(1, len(cells))
    ps = [p_value(_widened(cell, level) + error) for cell, error in zip(cells, errors, strict=True)]
    drawn = [_widened(cell, LEVEL) + error for cell, error in zip(cells, errors, strict=True)]
    return [_judged(*known, margin) for known in zip(cells, drawn, noises, ps, holm(ps), strict=True)]


def _judged(cell: Measured, drawn: Floats, noise: Noise, p: float, corrected: float, margin: float | None) -> Judged:
    way = direction(cell.values.metric)
    base, new = float(np.mean(cell.values.base)), float(np.mean(cell.values.new))
    gain = way.gain(base, new)
    verdict = _verdict(gain, corrected)
    wanted = MARGIN.get(way.unit, MARGIN_ELSE) if margin is None else margin
    least = wanted if way.unit == "%" else wanted / 100 * abs(base)
    low, high = np.nanquantile(drawn, [LEVEL / 2, 1 - LEVEL / 2])
    return Judged(
        difference=new - base,
        low=float(low),
        high=float(high),
        p=p,
        corrected=corrected,
        margin=least,
        seed_sd=noise.sd,
        verdict=verdict,
        regression=verdict == "worse" and -gain > least,
    )


def _verdict(gain: float, corrected: float) -> Verdict:
    if corrected >= LEVEL or gain == 0:
        return "no difference"
    return "better" if gain > 0 else "worse"


def _seed_errors(cell: Measured, noise: Noise) -> Floats:
    """Draws of the error that training seeds put on the difference of both means over seeds."""
    if noise.sd == 0:
        return np.zeros(len(cell.units))
    scale = noise.sd * math.sqrt(1 / len(cell.values.base) + 1 / len(cell.values.new))
    errors: Floats = scale * cell.rng.standard_t(noise.freedom, len(cell.units))
    return errors


def _widened(cell: Measured, level: float) -> Floats:
    """The draws over test units, drawn apart to allow for a small number of units at this level."""
    difference = np.mean(cell.values.new) - np.mean(cell.values.base)
    drawn: Floats = difference + (cell.units - difference) * widening(cell.n, level)
    return drawn
