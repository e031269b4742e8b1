"""Ranks of entries in words, as the pages of entries and backbones show them."""

from __future__ import annotations

from humanbench.leaderboard.site.pages.page import Content


def dataset_ranks(content: Content) -> dict[str, dict[str, str]]:
    """By entry and dataset, the rank with its interval."""
    found: dict[str, dict[str, str]] = {}
    for ranked in (one for board in content.boards for one in content.rankings(board)):
        for column, ranks in zip(ranked.columns, ranked.ranking.columns, strict=True):
            of = int((ranks.rank > 0).sum())
            for entry, rank, low, high in zip(ranked.entries, ranks.rank, ranks.low, ranks.high, strict=True):
                if rank:
                    found.setdefault(entry.id, {})[column] = rank_text(rank, low, high, of)
    return found


def overall_ranks(content: Content) -> dict[str, str]:
    """By entry the rank on its board; of several kinds of evidence the first, which is the better one."""
    found: dict[str, str] = {}
    for ranked in (one for board in content.boards for one in content.rankings(board)):
        ranking = ranked.ranking
        for entry, rank, low, high in zip(ranked.entries, ranking.rank, ranking.low, ranking.high, strict=True):
            found.setdefault(entry.id, rank_text(rank, low, high, len(ranked.entries)))
    return found


def rank_text(rank: int, low: int, high: int, of: int) -> str:
    """A rank with its interval, where that is more than it; no line ends within the interval."""
    span = f" ({low}\u2060–\u2060{high})" if low != high else ""
    return f"{rank} of {of}{span}"
