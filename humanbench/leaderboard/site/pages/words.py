"""What suites, regimes and kinds of evidence are called on the pages."""

from __future__ import annotations

from typing import Any

from humanbench.leaderboard.model.boards import Board
from humanbench.names import shown
from humanbench.regimes import REGIMES

EVIDENCE_TEXT = {
    "rescored": "recomputed here from the submitted predictions against the ground truth, and equal to the report",
    "claimed": "as reported by whoever ran it; not recomputed here, for want of the data or of a check",
}
UNIT_TEXT = {"%": "percent", "px": "pixels"}
"""Units by another word; the others are words."""


def regime_title(regime: str) -> str:
    """The regime in words; one that this version does not know by its own name."""
    return REGIMES[regime].title.capitalize() if regime in REGIMES else shown(regime, 30)


def regime_about(regime: str) -> str:
    """What the regime trains."""
    if regime not in REGIMES:
        return "A regime that this version does not know."
    return f"Finetuned: {REGIMES[regime].about}."


def suite_title(name: str) -> str:
    """The suite in words."""
    return {"humanbench-v1": "HumanBench version 1", "mini": "Embedded suite"}.get(name, shown(name, 30))


def heading(board: Board, *evidence: str) -> dict[str, Any]:
    """What stands above whatever is of a board: its address, its title, and its labels with the kind of evidence."""
    return {"slug": board.key.slug, "title": board_title(board), "labels": (*board.key.labels, *evidence)}


def board_title(board: Board) -> str:
    """What the board is called."""
    regime = regime_title(board.key.regime)
    return regime if board.key.suite == "humanbench-v1" else f"{regime}, {suite_title(board.key.suite).lower()}"
