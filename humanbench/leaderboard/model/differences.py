"""Two entries of a board, dataset by dataset: the difference, its interval, and whether it is one.

The interval is that of `compare` without pairing, in closed form (`humanbench.results.apart`), and the verdict that of
the ranks: a board and its comparisons never say different things of one pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from humanbench.comparison.matching import ground_of
from humanbench.leaderboard.model.boards import Ranked
from humanbench.leaderboard.model.entries import Score
from humanbench.results.apart import ColumnNumbers

Side = Literal["better", "worse", "open", "not comparable", "absent"]


@dataclass(frozen=True)
class EntryDifference:
    """The second entry minus the first on a dataset, in the metric's unit, with its 95 % interval.

    `side`: whether the second is better or worse beyond doubt, the two cannot be told apart, another recipe, data,
    metric or version makes them not comparable, or one has no value; without a difference the numbers are `nan`.
    """

    dataset: str
    first: Score | None
    second: Score | None
    side: Side
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


class EntryPairs:
    """Differences between any two entries of a ranked table."""

    def __init__(self, ranked: Ranked) -> None:
        self.ranked = ranked
        self.usual = [_usual(ranked, name) for name in ranked.columns]
        """By column the numbers at the level of a single 95 % interval; those of the ranks are corrected."""

    def between(self, first: int, second: int) -> list[EntryDifference]:
        """The differences of two entries, by their places in `ranked.entries`, where either has a value."""
        found = (self._difference(column, first, second) for column in range(len(self.ranked.columns)))
        return [one for one in found if one.first is not None or one.second is not None]

    def _difference(self, column: int, first: int, second: int) -> EntryDifference:
        name = self.ranked.columns[column]
        scores = self.ranked.score(first, name), self.ranked.score(second, name)
        ranks = self.ranked.ranking.columns[column]
        if scores[0] is None or scores[1] is None or not (ranks.rank[first] and ranks.rank[second]):
            return EntryDifference(name, *scores, "absent")
        if ground(scores[0]) != ground(scores[1]):
            return EntryDifference(name, *scores, "not comparable")
        a, b = ranks.places[[first]], ranks.places[[second]]
        usual = self.usual[column]
        value = float(usual.values[b[0]]) - float(usual.values[a[0]])
        low, high = value - float(usual.least(a, b)[0]), value + float(usual.least(b, a)[0])
        side: Side = "open"
        if ranks.apart(second, first):
            side = "better"
        elif ranks.apart(first, second):
            side = "worse"
        return EntryDifference(name, *scores, side, value, low, high)


def ground(score: Score) -> str:
    """What a score must have in common with another for their difference to mean something."""
    return ground_of(score.results[0])


def _usual(ranked: Ranked, column: str) -> ColumnNumbers:
    scores: Sequence[Score | None] = [entry.scores.get(column) for entry in ranked.entries]
    return ColumnNumbers([s.number for s in scores if s is not None and np.isfinite(s.value)], 1)


def counts(differences: Sequence[EntryDifference]) -> tuple[int, int, int]:
    """On how many datasets the second entry is better, worse, and not told apart from the first."""
    sides = [one.side for one in differences]
    return sides.count("better"), sides.count("worse"), sides.count("open")
