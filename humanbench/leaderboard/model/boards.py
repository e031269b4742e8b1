"""Boards: entries that may stand in one table, their rankings, and the difference of any two, dataset by dataset.

The interval of a difference is that of `compare` without pairing, in closed form (`humanbench.results.apart`), and its
verdict that of the ranks: a board and its comparisons never say different things of one pair.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from humanbench.cards import SCENARIOS
from humanbench.comparison.matching import ground_of
from humanbench.leaderboard.model.entries import EVIDENCE, BoardEntry, BoardKey, Evidence, Score
from humanbench.leaderboard.model.ranking import KnownColumns, Ranking, rank_entries
from humanbench.metrics.directions import direction
from humanbench.regimes import REGIMES
from humanbench.results.apart import ColumnNumbers
from humanbench.results.cells import lists_by
from humanbench.results.columns import columns_of_results, main_metric


@dataclass(frozen=True)
class Ranked:
    """Entries of a board, reduced to their scores of one evidence, ranked over some columns."""

    evidence: Evidence
    columns: tuple[str, ...]
    entries: tuple[BoardEntry, ...]
    ranking: Ranking

    def score(self, row: int, column: str) -> Score | None:
        """What the table shows."""
        return self.entries[row].scores.get(column)

    @cached_property
    def pairs(self) -> EntryPairs:
        """The differences between any two entries."""
        return EntryPairs(self)


@dataclass(frozen=True)
class HeadToHead:
    """An entry beside another of its table: on how many datasets it is better or worse beyond doubt, and how many both
    have a value on."""

    other: BoardEntry
    rank: int
    better: int
    worse: int
    shared: int

    @property
    def open(self) -> int:
        """On how many they cannot be told apart."""
        return self.shared - self.better - self.worse


def heads_to_heads(ranked: Ranked, around: int = 5) -> dict[str, list[HeadToHead]]:
    """By entry those that stand next to it, `around` on either side, in the order of the board."""
    size = len(ranked.entries)
    better, shared = np.zeros((size, size), int), np.zeros((size, size), int)
    for column in ranked.ranking.columns:
        there = column.rank > 0
        shared += there[:, None] & there[None, :]
        better += column.surely_better()
    order = [int(i) for i in ranked.ranking.order]
    neighbours: dict[str, list[HeadToHead]] = {}
    for place, i in enumerate(order):
        beside = [j for j in order[max(0, place - around) : place + around + 1] if j != i and shared[i, j]]
        neighbours[ranked.entries[i].id] = [
            HeadToHead(
                ranked.entries[j], int(ranked.ranking.rank[j]), int(better[i, j]), int(better[j, i]), int(shared[i, j])
            )
            for j in beside
        ]
    return neighbours


@dataclass(frozen=True)
class Board:
    """All entries of one key. `part_of`: the board that these are reduced entries of, where they are."""

    key: BoardKey
    entries: tuple[BoardEntry, ...]
    part_of: Board | None = None

    @cached_property
    def known_columns(self) -> KnownColumns:
        """Columns that were ranked already: those of a whole board and of its parts are the same."""
        return {} if self.part_of is None else self.part_of.known_columns

    @cached_property
    def _rankings(self) -> dict[str | None, list[Ranked]]:
        """By scenario those that were made."""
        return {}

    def scenarios(self) -> list[str]:
        """Those that occur, in the usual order."""
        there = {score.scenario for entry in self.entries for score in entry.scores.values()}
        return [name for name in SCENARIOS if name in there]

    @cached_property
    def compared(self) -> int:
        """On how many datasets entries meet: what decides how careful a single comparison has to be.

        It is that of the whole board on every part of it, so that no page tells apart what another does not.
        """
        if self.part_of is not None:
            return self.part_of.compared
        counts = Counter(name for entry in self.entries for name in entry.scores)
        return max(1, sum(count > 1 for count in counts.values()))

    def only(self, datasets: Sequence[str]) -> Board:
        """The board reduced to some datasets."""
        reduced = [replace(e, scores={n: s for n, s in e.scores.items() if n in datasets}) for e in self.entries]
        return Board(self.key, tuple(reduced), self.part_of or self)

    def ranked(self, scenario: str | None = None) -> list[Ranked]:
        """A ranking per evidence, of all cells or of those of a scenario; empty ones are left out. Made once."""
        if scenario is not None and self.scenarios() == [scenario]:
            return self.ranked()
        if scenario not in self._rankings:
            tables = []
            for evidence in EVIDENCE:
                narrowed = [_only(entry, evidence, scenario) for entry in self.entries]
                if chosen := [entry for entry in narrowed if entry.scores]:
                    tables.append(_rank(chosen, evidence, self))
            self._rankings[scenario] = tables
        return self._rankings[scenario]


def _rank(entries: Sequence[BoardEntry], evidence: Evidence, board: Board) -> Ranked:
    """Rank entries of a board over the columns in which any of them has a score."""
    names = columns_of_results({name for entry in entries for name in entry.scores})
    scores = [[entry.scores.get(name) for name in names] for entry in entries]
    numbers = [[None if score is None else score.number for score in row] for row in scores]
    higher = np.array([direction(main_metric(name)).higher_is_better for name in names], bool)
    ranking = rank_entries(numbers, higher, board.compared, known=board.known_columns)
    return Ranked(evidence, names, tuple(entries), ranking)


def _only(entry: BoardEntry, evidence: Evidence, scenario: str | None) -> BoardEntry:
    scores = {
        name: score
        for name, score in entry.scores.items()
        if score.evidence == evidence and scenario in (None, score.scenario)
    }
    return entry if len(scores) == len(entry.scores) else replace(entry, scores=scores)


def boards(entries: Iterable[BoardEntry]) -> list[Board]:
    """Entries that were not withdrawn, by board: real before synthetic, complete before subsets, the usual before
    conditions, full before none."""
    members = lists_by((entry.board, entry) for entry in entries if not entry.withdrawn and entry.scores)

    def place(key: BoardKey) -> tuple[object, ...]:
        special = (key.synthetic, key.copy, key.subset, key.condition, key.recipe != "shipped", key.variant)
        return (*special, key.suite, REGIMES.place(key.regime), key.regime)

    return [Board(key, tuple(members[key])) for key in sorted(members, key=place)]


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
        scores = [[ranked.score(row, name) for row in range(len(ranked.entries))] for name in ranked.columns]
        numbers = [[s.number for s in column if s is not None and np.isfinite(s.value)] for column in scores]
        self.usual = [ColumnNumbers(of_column, 1) for of_column in numbers]
        """By column the numbers at the level of a single 95 % interval; those of the ranks are corrected."""

    def between(self, first: int, second: int) -> list[EntryDifference]:
        """The differences of two entries, by their places in `ranked.entries`, where either has a value."""
        differences = (self._difference(column, first, second) for column in range(len(self.ranked.columns)))
        return [one for one in differences if one.first is not None or one.second is not None]

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


def counts(differences: Sequence[EntryDifference]) -> tuple[int, int, int]:
    """On how many datasets the second entry is better, worse, and not told apart from the first."""
    sides = [one.side for one in differences]
    return sides.count("better"), sides.count("worse"), sides.count("open")
