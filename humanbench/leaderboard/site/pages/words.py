"""What tasks, regimes and kinds of evidence are called on the pages."""

from __future__ import annotations

from humanbench.engine.selection import benchmark
from humanbench.leaderboard.model.entries import Board
from humanbench.names import shown

REGIME_TEXT = {
    "full": "Full finetuning",
    "partial": "Partial finetuning",
    "head": "Head finetuning",
    "none": "Without finetuning",
}
EVIDENCE_TEXT = {
    "rescored": "recomputed here from the submitted predictions against the ground truth, and equal to the report",
    "claimed": "as reported by whoever ran it; not recomputed here, for want of the data or of a check",
}
TASK_TEXT = {
    "reid": ("Person re-identification", "Which picture shows the same person, seen by another camera?"),
    "pose": ("Pose estimation", "Where are the joints of a person?"),
    "parsing": ("Human parsing", "Which pixel belongs to which part of the body or piece of clothing?"),
    "attribute": ("Pedestrian attributes", "What does the person look like, wear and carry?"),
    "detection": ("Pedestrian detection", "Where are people, even in a crowd?"),
    "counting": ("Crowd counting", "How many people are there?"),
}
UNIT_TEXT = {"%": "percent", "px": "pixels", "people": "people"}


def regime_title(regime: str) -> str:
    """The regime in words; one that this version does not know by its own name."""
    return REGIME_TEXT.get(regime, shown(regime, 30))


def regime_about(regime: str) -> str:
    """What the regime trains."""
    known = benchmark()["regime"].get(regime)
    return f"Finetuned: {known['about']}." if known else "A regime that this version does not know."


def suite_title(name: str) -> str:
    """The suite in words."""
    return {"humanbench-v1": "HumanBench version 1", "mini": "Embedded suite"}.get(name, shown(name, 30))


def board_title(board: Board) -> str:
    """What the board is called."""
    regime = regime_title(board.key.regime)
    return regime if board.key.suite == "humanbench-v1" else f"{regime}, {suite_title(board.key.suite).lower()}"
