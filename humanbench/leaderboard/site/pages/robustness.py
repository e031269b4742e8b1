"""The page of robustness: each entry's number under corruptions, dataset by dataset, and its mean drop by task."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

from humanbench.data.corruptions import CORRUPTIONS, SEVERITIES
from humanbench.leaderboard.model.boards import Board
from humanbench.leaderboard.model.entries import BoardEntry, BoardKey
from humanbench.leaderboard.site.charts import SERIES, Course, courses
from humanbench.leaderboard.site.pages.conditions import about, groups, rows_of
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.tables import TableColumn, columns_of, number
from humanbench.results.columns import columns_of_results
from humanbench.results.robustness import Robustness, robustness

Rows = list[tuple[BoardEntry, dict[str, Robustness]]]
"""Entries, each with its numbers by dataset."""


def corrupted(content: Content) -> Iterable[Page]:
    """The page, where anything was tested on corrupted pictures."""
    shown = [_group(number_, *group) for number_, group in enumerate(_groups(content))]
    if shown:
        yield Page("robustness.html", "robustness.html.j2", "Robustness", "", {"groups": shown})


def has_corrupted(content: Content) -> bool:
    """Whether there is such a page."""
    return any(True for _ in _groups(content))


def _groups(content: Content) -> Iterable[tuple[BoardKey, list[Board], Rows]]:
    for key, boards, networks in groups(content, lambda result: bool(result.corruption) and result.fraction is None):
        yield key, boards, rows_of(networks, robustness)


def _group(number_: int, key: BoardKey, boards: list[Board], rows: Rows) -> dict[str, Any]:
    columns = columns_of(columns_of_results({name for _, numbers in rows for name in numbers}))
    tasks = list(dict.fromkeys(column.task for column in columns))
    return about(key, boards) | {
        "tasks": tasks,
        "drops": [(entry.name, entry.id, [_drop(numbers, columns, task) for task in tasks]) for entry, numbers in rows],
        "datasets": [_dataset(f"corrupted-{number_}-{column.id}", column, rows) for column in columns],
    }


def _drop(numbers: dict[str, Robustness], columns: list[TableColumn], task: str) -> str:
    """The mean relative drop over a task's datasets."""
    own = [numbers[column.id] for column in columns if column.task == task and column.id in numbers]
    drops = [drop for one in own if math.isfinite(drop := one.drop(one.mean))]
    return f"{number(statistics.fmean(drops))} %" if drops else "–"


def _dataset(key: str, column: TableColumn, rows: Rows) -> dict[str, Any]:
    here = [(entry, numbers[column.id]) for entry, numbers in rows if column.id in numbers]
    lines = [
        Course(entry.name, [(float(s), one.at(s), math.nan, math.nan) for s in (0, *SEVERITIES)])
        for entry, one in here[:SERIES]
    ]
    ticks = [(0.0, "none"), *((float(severity), str(severity)) for severity in SEVERITIES)]
    names = [name for name in CORRUPTIONS if any(name in one.values for _, one in here)]
    tested = [{tuple(one.values[name]) for _, one in here if name in one.values} for name in names]
    title = f"{column.name}: {column.metric}"
    return {
        "column": column,
        "names": [line.name for line in lines],
        "chart": courses(key, title, lines, ticks, "severity", f"{column.metric} {column.arrow}"),
        "heads": [(name, _severities(levels)) for name, levels in zip(names, tested, strict=True)],
        "rows": [
            (
                entry.name,
                entry.id,
                number(one.plain),
                number(one.mean),
                _half(one.interval()),
                _percent(one.drop(one.mean)),
                one.tested,
                [
                    (number(one.means[name]) if name in one.means else "–", _levels(one, name, len(levels) > 1))
                    for name, levels in zip(names, tested, strict=True)
                ],
            )
            for entry, one in here
        ],
    }


def _half(interval: tuple[float, float]) -> str:
    half = (interval[1] - interval[0]) / 2
    return f"±{number(half)}" if math.isfinite(half) else ""


def _percent(value: float) -> str:
    return f"{number(value)} %" if math.isfinite(value) else "–"


def _severities(levels: set[tuple[int, ...]]) -> str:
    """The severities of a corruption where all entries were tested at the same."""
    return f"severity {' · '.join(map(str, next(iter(levels))))}" if len(levels) == 1 else ""


def _levels(one: Robustness, name: str, named: bool) -> str:
    """The values at each severity; `named`: and the severity, which the head of the column does not say."""
    values = one.values.get(name, {}).items()
    return " · ".join(f"{severity}: {number(value)}" if named else number(value) for severity, value in values)
