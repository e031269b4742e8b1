"""What pages say alike: what suites, regimes and kinds of evidence are called, and what is known of a backbone.

What a stranger's card says leads only where it says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from humanbench.leaderboard.model.boards import Board
from humanbench.leaderboard.model.entries import BoardEntry
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


def backbone_fields(entry: BoardEntry) -> list[tuple[str, str | Markup]]:
    """Names, and paper, licence and places of the weights as the backbone's card says."""
    names: list[tuple[str, str | Markup]] = [
        ("Backbone", shown(entry.backbone)),
        ("Checkpoint", shown(entry.checkpoint or "", 200)),
    ]
    card = entry.card
    if card is None:
        return names
    paper = f"{shown(card.paper.title, 120)} ({shown(card.paper.venue, 40)}, {card.paper.year})"
    weights = Markup("; ").join(
        linked(
            shown(place.where(), 120),
            place.url or place.page or (f"https://huggingface.co/{place.hub}" if place.hub else ""),
        )
        for place in card.weights[:4]
    )
    return [
        *names,
        ("Paper", linked(paper, card.paper.url)),
        ("Licence", shown(card.licence, 120)),
        ("Weights", weights),
    ]


def linked(text: str, url: str) -> Markup:
    """The text as a link to a place on the web; as text where it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return escape(text)
    if parts.scheme not in ("https", "http") or not parts.netloc or len(url) > 400 or not url.isprintable():
        return escape(text)
    return Markup('<a href="{}" rel="nofollow noopener">{}</a>').format(url, text)
