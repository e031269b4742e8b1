"""Numbers over the fractions of the labels: what draws of one fraction come to together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from humanbench.metrics.directions import direction
from humanbench.results.cells import CellNumber, t_quantile
from humanbench.results.record import Result

ALL = 1.0
"""The fraction of cells that were trained on all labels."""


@dataclass(frozen=True)
class FractionNumber:
    """A fraction's mean over so many draws, with its 95 % interval [low, high]; `nan` where it is not known.

    With several draws the interval holds the test units, whose reach towards either side is the mean over the draws,
    and the draws: t x sd / sqrt(draws), with the standard deviation over them, which holds what training seeds add.
    Both are independent, so it reaches to the root of the sum of their squares. With one draw, and of all labels, it is
    the cell's own: of units and seeds.
    """

    fraction: float
    value: float
    low: float
    high: float
    draws: int


def over_draws(fraction: float, metric: str, numbers: Sequence[CellNumber]) -> FractionNumber:
    """The number of a fraction from the cells of its draws, at least one."""
    if len(numbers) == 1:
        return FractionNumber(fraction, numbers[0].value, numbers[0].low, numbers[0].high, 1)
    values = [one.value for one in numbers]
    mean, spread = statistics.fmean(values), statistics.stdev(values) * t_quantile(len(values) - 1)
    below, above = (
        math.hypot(statistics.fmean(reach), spread / math.sqrt(len(values)))
        for reach in ([one.below for one in numbers], [one.above for one in numbers])
    )
    percent = direction(metric).unit == "%"
    low, high = mean - below, mean + above
    return FractionNumber(
        fraction,
        mean,
        low if math.isnan(low) else max(low, min(0.0, mean)),
        high if math.isnan(high) or not percent else min(high, max(100.0, mean)),
        len(values),
    )


def by_fraction(metric: str, cells: Iterable[tuple[Result, CellNumber]]) -> dict[float, FractionNumber]:
    """By fraction, from the smallest to all labels, the number over the draws of one row and dataset.

    `cells`: a result of each cell, with the cell's number over its seeds; of several of one draw the first counts.
    """
    draws: dict[tuple[float, int], CellNumber] = {}
    for result, number in cells:
        draws.setdefault((ALL if result.fraction is None else result.fraction, result.draw or 0), number)
    fractions = sorted({fraction for fraction, _ in draws})
    return {f: over_draws(f, metric, [n for (own, _), n in draws.items() if own == f]) for f in fractions}


def fraction_text(fraction: float) -> str:
    """`10 %`."""
    return f"{100 * fraction:g} %"


def few(fractions: Mapping[float, FractionNumber]) -> bool:
    """Whether there is any fraction beside all labels."""
    return any(fraction != ALL for fraction in fractions)
