"""What the pages of conditions share: boards that differ in their condition alone, and their rows together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from humanbench.leaderboard.model.boards import Board
from humanbench.leaderboard.model.entries import BoardEntry, BoardKey
from humanbench.leaderboard.site.pages.page import Content
from humanbench.leaderboard.site.pages.words import board_title
from humanbench.results import Result
from humanbench.results.cells import CellNumber
from humanbench.results.columns import columns_of_results

Measured = tuple[Result, CellNumber]
"""A result of a cell, and the cell's number over its seeds."""

Numbers = TypeVar("Numbers")


def groups(
    content: Content, belongs: Callable[[Result], bool]
) -> Iterable[tuple[BoardKey, list[Board], list[list[BoardEntry]]]]:
    """Boards that differ in their condition alone: their common key, those with one, and the entries of each network.

    `belongs`: whether a result with a condition belongs to the page.
    """
    found: dict[BoardKey, list[Board]] = {}
    for board in content.boards:
        if not board.key.condition or all(belongs(result) for entry in board.entries for result in entry.results):
            found.setdefault(replace(board.key, condition=""), []).append(board)
    for key, boards in found.items():
        if any(board.key.condition for board in boards):
            yield key, [board for board in boards if board.key.condition], _networks(boards)


def _networks(boards: list[Board]) -> list[list[BoardEntry]]:
    members: dict[tuple[Any, ...], list[BoardEntry]] = {}
    for board in boards:
        for entry in board.entries:
            members.setdefault((entry.network, entry.submission), []).append(entry)
    return list(members.values())


def rows_of(
    networks: list[list[BoardEntry]], numbers: Callable[[str, list[Measured]], Numbers | None]
) -> list[tuple[BoardEntry, dict[str, Numbers]]]:
    """A row per network: its first entry, and by dataset what `numbers` makes of the metric and the cells under all
    conditions; without networks and datasets of which it makes nothing."""
    rows = []
    for entries in networks:
        found: dict[str, Numbers] = {}
        for name in columns_of_results({name for entry in entries for name in entry.scores}):
            scores = [entry.scores[name] for entry in entries if name in entry.scores]
            one = numbers(scores[0].metric, [(score.results[0], score.number) for score in scores])
            if one is not None:
                found[name] = one
        if found:
            rows.append((entries[0], found))
    return rows


def about(key: BoardKey, boards: list[Board]) -> dict[str, Any]:
    """What the head of a group says: its title and labels, and the boards of its conditions."""
    return {
        "title": board_title(Board(key, ())),
        "labels": key.labels,
        "boards": [(board.key.condition, f"boards/{board.key.slug}.html") for board in boards],
    }
