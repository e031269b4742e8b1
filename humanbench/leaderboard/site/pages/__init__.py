"""What stands on each page of the site, as plain values for its template."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from humanbench.cards import cards
from humanbench.leaderboard.site.pages import (
    backbones,
    boards,
    compare,
    conditions,
    datasets,
    drawn,
    entries,
    overview,
)
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.tasks.registry import tasks

__all__ = ["Content", "Page", "pages"]


def pages(content: Content) -> list[Callable[[], Iterable[Page]]]:
    """Every page of the site, in groups that are independent of each other: what all need was computed here."""
    for board in content.boards:
        for scenario in (None, *board.scenarios()):
            board.ranked(scenario)
    groups: list[Callable[[], Iterable[Page]]] = [
        *(partial(_one, datasets.task, content, task) for task in tasks()),
        *(partial(_one, datasets.dataset, content, card) for card in cards().values()),
        partial(boards.boards, content),
        partial(_one, overview.index, content),
        partial(_one, overview.published, content),
        partial(_one, overview.reading),
        partial(_one, overview.changes, content),
        partial(_one, datasets.overview),
        partial(backbones.backbones, content),
        partial(compare.compare, content),
        partial(drawn.failures, content),
        partial(conditions.FEW_LABELS.pages, content),
        partial(conditions.ROBUSTNESS.pages, content),
    ]
    return [*groups, *entries.entries(content)]


def _one(make: Callable[..., Page], *given: Any) -> list[Page]:
    return [make(*given)]
