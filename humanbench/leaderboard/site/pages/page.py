"""A page before it is written, and what all pages are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from humanbench.by_group import SubgroupReport
from humanbench.cards import load_card
from humanbench.leaderboard.model.boards import Board, Ranked
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.model.events import Event
from humanbench.leaderboard.site.sample_selection import TaskSamples
from humanbench.leaderboard.site.tables import TableColumn, columns_of, overall_rank, rank_text
from humanbench.results.cells import lists_by
from humanbench.results.columns import columns_with

LISTED = 50
"""Rows of a ranking on the page of a dataset or a task; the board has them all."""


@dataclass(frozen=True)
class Page:
    """Its place from the site's top, its template and what that is given. `here`: its part of the navigation."""

    path: str
    template: str
    title: str
    here: str = ""
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """From the page to the site's top."""
        return "../" * self.path.count("/")


@dataclass(frozen=True)
class Content:
    """Everything the site is about. `entries` has those that were withdrawn too; `samples` is by task, `groups` by
    the SHA-256 of predictions."""

    boards: Sequence[Board]
    entries: Sequence[BoardEntry]
    events: Sequence[Event]
    samples: Mapping[str, TaskSamples] = field(default_factory=dict)
    groups: Mapping[str, SubgroupReport] = field(default_factory=dict)

    @property
    def usual(self) -> list[Board]:
        """The boards of what was trained on all labels and tested on the pictures as they are."""
        return [board for board in self.boards if not board.key.condition]

    @property
    def ranked(self) -> list[tuple[Board, Ranked]]:
        """Every table of every board, over all scenarios."""
        return [(board, one) for board in self.boards for one in board.ranked()]

    def dataset_ranks(self) -> dict[str, dict[str, str]]:
        """By entry and dataset, the rank with its interval."""
        by_entry: dict[str, dict[str, str]] = {}
        for _, one in self.ranked:
            for column, ranks in zip(one.columns, one.ranking.columns, strict=True):
                of = int((ranks.rank > 0).sum())
                for entry, rank, low, high in zip(one.entries, ranks.rank, ranks.low, ranks.high, strict=True):
                    if rank:
                        by_entry.setdefault(entry.id, {})[column] = rank_text(rank, low, high, of)
        return by_entry

    def overall_ranks(self) -> dict[str, str]:
        """By entry the rank on its board; of several kinds of evidence the first, which is the better one."""
        ranks: dict[str, str] = {}
        for _, one in self.ranked:
            for row, entry in enumerate(one.entries):
                ranks.setdefault(entry.id, overall_rank(one, row))
        return ranks

    @cached_property
    def networks(self) -> dict[str, list[BoardEntry]]:
        """By the address of their backbone's page, the entries of the same weights on any board."""
        return lists_by((entry.network, entry) for board in self.boards for entry in board.entries)

    def columns(self, board: Board | None = None) -> list[TableColumn]:
        """The columns of the benchmark, and of whatever else a board has results of."""
        entries = board.entries if board is not None else ()
        return columns_of(columns_with({name for entry in entries for name in entry.scores}))

    def datasets_of(self, task: str) -> tuple[str, ...]:
        """The benchmark's datasets of a task, and others on any board."""
        there = {name for board in self.boards for entry in board.entries for name in entry.scores}
        return tuple(name for name in columns_with(there) if load_card(name).task == task)
