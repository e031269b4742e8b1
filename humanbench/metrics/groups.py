"""Metrics by group of test units, and how far groups lie apart, over the same resamples as the metric of all.

A group is a set of units of the whole, or the same units scored against fewer labels; both are `Scores`, so a group's
value comes from the same code as the main one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from humanbench.arrays import Bools, Floats, Ints
from humanbench.metrics.scores import Scores
from humanbench.schema import Number, Record

TAIL = 0.025
"""Share of the draws beyond either end of an interval."""


@dataclass(frozen=True)
class Group:
    """One group: scores, and of each unit of the whole which unit of these scores it is, -1 for none.

    `n`: how many members it has (what they are its `Grouping` says). `metric`: whose value is the group's, where that
    is another than the main one (COCO's `APm`).
    """

    name: str
    scores: Scores
    unit: Ints
    n: int
    metric: str = ""

    @classmethod
    def part(cls, name: str, scores: Scores, chosen: Bools) -> Group:
        """The units of the whole that are `chosen`."""
        return cls(name, scores, np.where(chosen, np.arange(scores.n), -1), int(chosen.sum()))

    @classmethod
    def whole(cls, name: str, scores: Scores, n: int, metric: str = "") -> Group:
        """All units, with `n` members among their labels."""
        return cls(name, scores, np.arange(scores.n), n, metric)


@dataclass(frozen=True)
class Grouping:
    """Groups that labels tell apart: by what, what the members are (in the plural), and how it was told."""

    name: str
    members: str
    about: str
    groups: tuple[Group, ...]


class GroupValue(Record):
    """The metric of a group, its 95 % interval and its `n` members; all numbers `nan` where these are too few."""

    name: str
    n: Annotated[int, Field(ge=0)]
    value: Number
    low: Number
    high: Number


class Gap(Record):
    """The two groups between which the metric differs most, the difference and its simultaneous 95 % interval."""

    best: str
    worst: str
    value: Number
    low: Number
    high: Number


def group_numbers(
    grouping: Grouping,
    metric: str,
    units: int,
    rng: np.random.Generator,
    resamples: int,
    least: int,
    progress: Callable[[range], Iterable[int]] = iter,
) -> tuple[list[GroupValue], Gap | None]:
    """The number of each group and the largest gap; every resample draws the same of all `units` for all groups.

    A group with fewer than `least` members has no value, and no part in the gap. The gap is that between the two groups
    whose values lie furthest apart. As these were chosen for it, its interval is a simultaneous one over all pairs: the
    pair's deviation times the 95 % quantile of the largest deviation of any pair, each in units of its own standard
    deviation over the resamples (the studentised range by bootstrap; Westfall and Young, Resampling-Based Multiple
    Testing, 1993). None where fewer than two groups have a value.
    """
    shown = [group for group in grouping.groups if group.n >= least]
    values = np.array([group_value(group, np.arange(units), metric) for group in shown])
    drawn = np.full((resamples, len(shown)), math.nan)
    for row in progress(range(resamples)):
        index = rng.integers(0, units, units)
        drawn[row] = [group_value(group, index, metric) for group in shown]
    intervals = {
        group.name: (float(value), *_ends(drawn[:, place]))
        for place, (group, value) in enumerate(zip(shown, values, strict=True))
    }
    numbers = []
    for group in grouping.groups:
        value, low, high = intervals.get(group.name, (math.nan,) * 3)
        numbers.append(GroupValue(name=group.name, n=group.n, value=value, low=low, high=high))
    return numbers, _gap([group.name for group in shown], values, drawn)


def group_value(group: Group, index: Ints, metric: str) -> float:
    """The metric of a group over drawn units of the whole; `nan` where none of them is in it."""
    chosen = group.unit[index]
    chosen = chosen[chosen >= 0]
    return group.scores.resample(chosen).only(group.metric or metric) if len(chosen) else math.nan


def _ends(drawn: Floats) -> tuple[float, float]:
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [TAIL, 1 - TAIL])
    return float(low), float(high)


def furthest_apart(values: Floats) -> tuple[int, int] | None:
    """The places of the least and the largest value, two places even if all are equal; None without two values."""
    there = np.flatnonzero(np.isfinite(values))
    if len(there) < 2:
        return None
    backwards = there[::-1]
    return int(there[np.argmin(values[there])]), int(backwards[np.argmax(values[backwards])])


def _gap(names: Sequence[str], values: Floats, drawn: Floats) -> Gap | None:
    if (furthest := furthest_apart(values)) is None:
        return None
    worst, best = furthest
    there = np.flatnonzero(np.isfinite(values))
    pairs = np.array(list(combinations(there, 2)))
    apart = values[pairs[:, 1]] - values[pairs[:, 0]]
    moved = drawn[:, pairs[:, 1]] - drawn[:, pairs[:, 0]]
    moved = moved[~np.isnan(moved).any(axis=1)]
    value = float(values[best] - values[worst])
    between: dict[str, Any] = {"best": names[best], "worst": names[worst], "value": value}
    if len(moved) < 2:
        return Gap(**between, low=math.nan, high=math.nan)
    spread = moved.std(axis=0, ddof=1)
    steps = np.divide(np.abs(moved - apart), spread, out=np.zeros_like(moved), where=spread > 0).max(axis=1)
    (place,) = np.flatnonzero((np.sort(pairs, axis=1) == sorted((worst, best))).all(axis=1))
    half = float(np.quantile(steps, 1 - 2 * TAIL) * spread[place])
    return Gap(**between, low=value - half, high=value + half)


def by_attribute(by: Mapping[str, Mapping[str, str]], labels: Mapping[str, Ints], scores: Scores) -> Iterable[Grouping]:
    """Groups of units by attributes: `by[grouping][group]` is an attribute that they have, or after `not ` have not.

    `labels`: of each attribute 1, 0 or -1 unknown per unit, of whom the last are in no group.
    """
    for name, groups in by.items():
        made = []
        for group, attribute in groups.items():
            wanted = 0 if attribute.startswith("not ") else 1
            made.append(Group.part(group, scores, labels[attribute.removeprefix("not ")] == wanted))
        yield Grouping(name, "pictures", "as annotators saw it", tuple(made))
