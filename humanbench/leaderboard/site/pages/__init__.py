"""What stands on each page of the site, as plain values for its template."""

from __future__ import annotations

from collections.abc import Iterable

from humanbench.cards import cards
from humanbench.leaderboard.site.pages import (
    backbones,
    boards,
    compare,
    datasets,
    entries,
    failures,
    few_labels,
    overview,
    robustness,
)
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.tasks.registry import tasks

__all__ = ["Content", "Page", "pages"]


def pages(content: Content) -> Iterable[Page]:
    """Every page of the site."""
    yield overview.index(content)
    yield overview.published(content)
    yield overview.reading()
    yield overview.changes(content)
    yield datasets.overview()
    yield from (datasets.dataset(content, card) for card in cards().values())
    yield from (datasets.task(content, task) for task in tasks())
    yield from boards.boards(content)
    yield from backbones.backbones(content)
    yield from compare.compare(content)
    yield from failures.failures(content)
    yield from few_labels.few_labels(content)
    yield from robustness.corrupted(content)
    yield from entries.entries(content)
