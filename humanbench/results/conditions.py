"""Numbers over conditions: what draws of one fraction of the labels come to together, means over corruptions and
severities, and what is lost against pictures as they are.

The mean over all corruptions and severities and its share of the value on pictures as they are: mPC and rPC of
Michaelis et al., Benchmarking Robustness in Object Detection (arXiv 1907.07484, 2019). A relative drop is 100 % minus
that share.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from humanbench.data.corruptions import CORRUPTIONS, corruption_of
from humanbench.metrics.directions import direction
from humanbench.results.cells import CellNumber, interval_around, lists_by, t_quantile
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
    return FractionNumber(fraction, mean, *interval_around(mean, below, above, metric), len(values))


def by_fraction(metric: str, cells: Iterable[tuple[Result, CellNumber]]) -> dict[float, FractionNumber]:
    """By fraction, from the smallest to all labels, the number over the draws of one row and dataset.

    `cells`: a result of each cell, with the cell's number over its seeds; of several of one draw the first counts.
    """
    draws: dict[tuple[float, int], CellNumber] = {}
    for result, number in cells:
        draws.setdefault((ALL if result.fraction is None else result.fraction, result.draw or 0), number)
    numbers = lists_by((fraction, number) for (fraction, _), number in draws.items())
    return {fraction: over_draws(fraction, metric, numbers[fraction]) for fraction in sorted(numbers)}


def fraction_text(fraction: float) -> str:
    """`10 %`."""
    return f"{100 * fraction:g} %"


@dataclass(frozen=True)
class Robustness:
    """A row's numbers on a dataset: `plain` on pictures as they are (`nan` where not tested), `values` by corruption
    and severity, `intervals` the 95 % intervals of these."""

    metric: str
    plain: float
    values: Mapping[str, Mapping[int, float]]
    intervals: Mapping[str, Mapping[int, tuple[float, float]]] = field(default_factory=dict)

    @cached_property
    def means(self) -> dict[str, float]:
        """By corruption the mean over its severities."""
        return {name: statistics.fmean(levels.values()) for name, levels in self.values.items()}

    @property
    def mean(self) -> float:
        """Over corruptions, each the mean over its severities."""
        return statistics.fmean(self.means.values())

    def interval(self, name: str | None = None) -> tuple[float, float]:
        """Of the mean of a corruption, or of all: at most so wide. All severities are tested on the same units with the
        same network, so their errors go together, and those of a mean are the mean of theirs at most; `nan` where one
        is not known."""
        names = list(self.values) if name is None else [name]
        ends = [[self.intervals.get(one, {}).get(s, (math.nan, math.nan)) for s in self.values[one]] for one in names]
        low, high = (statistics.fmean(statistics.fmean(e[side] for e in levels) for levels in ends) for side in (0, 1))
        return low, high

    @property
    def tested(self) -> int:
        """Corruptions and severities that there is a number of."""
        return sum(map(len, self.values.values()))

    def drop(self, value: float) -> float:
        """By how many percent of the plain value this one is worse; `nan` where that is 0 or not known."""
        if not self.plain or math.isnan(self.plain):
            return math.nan
        return -100 * direction(self.metric).gain(self.plain, value) / abs(self.plain)

    def at(self, severity: int) -> float:
        """The mean at a severity over all corruptions that were tested; `nan` where one of them was not at this one, so
        that a course over severities is of the same corruptions. 0 is the plain value."""
        if severity == 0:
            return self.plain
        return statistics.fmean(levels.get(severity, math.nan) for levels in self.values.values())


def robustness(metric: str, cells: Iterable[tuple[Result, CellNumber]]) -> Robustness | None:
    """From the cells of a row and dataset that were trained on all labels; None without a corrupted one.

    `cells`: a result of each cell, with the cell's number over its seeds; of several alike the first counts.
    """
    plain, values = math.nan, {name: dict[int, float]() for name in CORRUPTIONS}
    intervals = {name: dict[int, tuple[float, float]]() for name in CORRUPTIONS}
    for result, number in cells:
        if result.fraction is not None:
            continue
        if result.corruption is None:
            plain = number.value if math.isnan(plain) else plain
        else:
            shown = corruption_of(result.corruption)
            values[shown.name].setdefault(shown.severity, number.value)
            intervals[shown.name].setdefault(shown.severity, (number.low, number.high))
    known = {name: dict(sorted(levels.items())) for name, levels in values.items() if levels}
    return Robustness(metric, plain, known, intervals) if known else None
