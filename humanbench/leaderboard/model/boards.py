"""Boards: entries that may stand in one table, and their rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from humanbench.cards import SCENARIOS
from humanbench.leaderboard.model.entries import EVIDENCE, BoardEntry, BoardKey, Evidence, Score
from humanbench.leaderboard.model.ranking import KnownColumns, Ranking, rank_entries
from humanbench.metrics.directions import direction
from humanbench.regimes import REGIMES
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
    found: dict[str, list[HeadToHead]] = {}
    for place, i in enumerate(order):
        beside = [j for j in order[max(0, place - around) : place + around + 1] if j != i and shared[i, j]]
        found[ranked.entries[i].id] = [
            HeadToHead(
                ranked.entries[j], int(ranked.ranking.rank[j]), int(better[i, j]), int(better[j, i]), int(shared[i, j])
            )
            for j in beside
        ]
    return found


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
        """A ranking per evidence, of all cells or of those of a scenario; empty ones are left out."""
        tables = []
        for evidence in EVIDENCE:
            chosen = [_only(entry, evidence, scenario) for entry in self.entries]
            chosen = [entry for entry in chosen if entry.scores]
            if chosen:
                tables.append(_rank(chosen, evidence, self))
        return tables


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
