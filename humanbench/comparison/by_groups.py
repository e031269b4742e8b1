"""Two runs group by group: what each group gains or loses, and whether the largest gap widens, over the same units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from humanbench.arrays import Floats, Ints
from humanbench.by_group import LEAST, groupings_of
from humanbench.comparison.draws import Ground, ground_truth, scored_predictions
from humanbench.comparison.matching import Pair
from humanbench.comparison.report import GapChange, GroupChange, GroupingChange, board_of
from humanbench.metrics.groups import TAIL, Grouping, furthest_apart, group_value
from humanbench.progress import track
from humanbench.results.cells import CellRuns
from humanbench.scoring import scored_against
from humanbench.stats import RESAMPLES


def group_changes(
    pair: Pair, ground: Ground, seed: int, resamples: int = RESAMPLES, least: int = LEAST
) -> Iterator[GroupingChange]:
    """By grouping of a cell of both runs the change of each group, the mean over each run's seeds.

    Every resample draws the same test units for both runs and all groups. Raises `HumanbenchError` where predictions or
    labels are not here, or tell no groups apart.
    """
    runs = pair.both
    base, metric, units = _groupings(runs[0], ground, "BASE")
    new, _, _ = _groupings(runs[1], ground, "NEW")
    for first in base[0]:
        sides = [
            [grouping for seed in side for grouping in seed if grouping.name == first.name] for side in (base, new)
        ]
        names = {tuple(group.name for group in grouping.groups) for side in sides for grouping in side}
        if len(names) > 1 or not all(sides):
            continue
        shown = [number for number, group in enumerate(first.groups) if group.n >= least]
        whole = _values(sides, shown, metric, [np.arange(units)])[0]
        drawn = _values(sides, shown, metric, _resampled(units, seed, resamples, f"{pair.key.dataset} by {first.name}"))
        yield GroupingChange(
            dataset=pair.key.dataset,
            board=board_of(runs[0].first.result),
            metric=metric,
            name=first.name,
            members=first.members,
            groups=tuple(_changes(first, shown, whole, drawn)),
            gap=_gap([first.groups[number].name for number in shown], whole, drawn),
        )


def _groupings(cell: CellRuns, ground: Ground, name: str) -> tuple[list[list[Grouping]], str, int]:
    """Of each seed its groupings; the metric, and how many units there are."""
    card, tables = ground_truth(cell, ground)
    scored = [scored_against(card, tables, scored_predictions(entry, name)) for entry in cell.entries]
    return [groupings_of(of) for of in scored], scored[0].main, scored[0].scores.n


def _resampled(units: int, seed: int, resamples: int, text: str) -> Iterator[Ints]:
    rng = np.random.default_rng(seed)
    for _ in track(range(resamples), text):
        yield rng.integers(0, units, units)


def _values(sides: Sequence[Sequence[Grouping]], shown: Sequence[int], metric: str, draws: Iterable[Ints]) -> Floats:
    """Draws x sides (BASE, NEW) x groups: the mean over seeds."""
    values = [
        [[np.mean([group_value(g.groups[n], index, metric) for g in side]) for n in shown] for side in sides]
        for index in draws
    ]
    return np.array(values, np.float64).reshape(len(values), 2, len(shown))


def _changes(grouping: Grouping, shown: Sequence[int], whole: Floats, drawn: Floats) -> Iterator[GroupChange]:
    for number, group in enumerate(grouping.groups):
        if number not in shown:
            yield GroupChange(name=group.name, n=group.n)
            continue
        at = shown.index(number)
        low, high = _ends(drawn[:, 1, at] - drawn[:, 0, at])
        base, new = whole[:, at].tolist()
        yield GroupChange(name=group.name, n=group.n, base=base, new=new, difference=new - base, low=low, high=high)


def _gap(names: Sequence[str], whole: Floats, drawn: Floats) -> GapChange | None:
    """Of the two groups that lie furthest apart in the mean of both runs, so that neither run has chosen them."""
    if (furthest := furthest_apart(whole.mean(axis=0))) is None:
        return None
    worst, best = furthest
    base, new = (whole[:, best] - whole[:, worst]).tolist()
    gaps = drawn[:, :, best] - drawn[:, :, worst]
    low, high = _ends(gaps[:, 1] - gaps[:, 0])
    return GapChange(
        best=names[best], worst=names[worst], base=base, new=new, difference=new - base, low=low, high=high
    )


def _ends(drawn: Floats) -> tuple[float, float]:
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < 2:
        return math.nan, math.nan
    low, high = np.quantile(defined, [TAIL, 1 - TAIL])
    return float(low), float(high)
