"""What the pages of conditions share: boards that differ in their condition alone, and their rows together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from humanbench.leaderboard.model.boards import Board
from humanbench.leaderboard.model.entries import BoardEntry, BoardKey, Score
from humanbench.leaderboard.site.pages.page import Content
from humanbench.results import Result


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


def scores_on(entries: list[BoardEntry], dataset: str) -> list[Score]:
    """The scores of these entries on a dataset."""
    return [entry.scores[dataset] for entry in entries if dataset in entry.scores]
