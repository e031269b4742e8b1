"""The page of label efficiency: each entry's number over the fraction of the labels, dataset by dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from humanbench.leaderboard.model.boards import Board
from humanbench.leaderboard.model.entries import BoardEntry, BoardKey
from humanbench.leaderboard.site.charts import SERIES, Course, courses
from humanbench.leaderboard.site.pages.conditions import Measured, about, groups, rows_of
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.tables import TableColumn, columns_of, number
from humanbench.results.columns import columns_of_results
from humanbench.results.few_labels import ALL, FractionNumber, by_fraction, few, fraction_text

Rows = list[tuple[BoardEntry, dict[str, dict[float, FractionNumber]]]]
"""Entries, each with its numbers by dataset and fraction."""


def few_labels(content: Content) -> Iterable[Page]:
    """The page, where anything was trained on a fraction of the labels."""
    shown = [_group(number_, *group) for number_, group in enumerate(_groups(content))]
    if shown:
        yield Page("few-labels.html", "few-labels.html.j2", "Few labels", "", {"groups": shown})


def has_few_labels(content: Content) -> bool:
    """Whether there is such a page."""
    return any(True for _ in _groups(content))


def _groups(content: Content) -> Iterable[tuple[BoardKey, list[Board], Rows]]:
    for key, boards, networks in groups(content, lambda result: result.fraction is not None and not result.corruption):
        yield key, boards, rows_of(networks, _fractions)


def _fractions(metric: str, cells: list[Measured]) -> dict[float, FractionNumber] | None:
    found = by_fraction(metric, cells)
    return found if few(found) else None


def _group(number_: int, key: BoardKey, boards: list[Board], rows: Rows) -> dict[str, Any]:
    names = columns_of_results({name for _, numbers in rows for name in numbers})
    columns = columns_of(names)
    return about(key, boards) | {
        "datasets": [_dataset(f"few-{number_}-{column.id}", column, rows) for column in columns],
    }


def _dataset(key: str, column: TableColumn, rows: Rows) -> dict[str, Any]:
    here = [(entry, numbers[column.id]) for entry, numbers in rows if column.id in numbers]
    fractions = sorted({fraction for _, numbers in here for fraction in numbers})
    ticks = [(math.log10(fraction), fraction_text(fraction)) for fraction in fractions]
    lines = [
        Course(entry.name, [(math.log10(f), one.value, one.low, one.high) for f, one in numbers.items()])
        for entry, numbers in here[:SERIES]
    ]
    axis = f"{column.metric} {column.arrow}"
    return {
        "column": column,
        "names": [line.name for line in lines],
        "chart": courses(key, f"{column.name}: {column.metric}", lines, ticks, "labels", axis),
        "heads": ["all" if fraction == ALL else fraction_text(fraction) for fraction in fractions],
        "rows": [
            (entry.name, entry.id, [_cell(numbers, fraction) for fraction in fractions]) for entry, numbers in here
        ],
    }


def _cell(numbers: Mapping[float, FractionNumber], fraction: float) -> tuple[str, str, str]:
    """Value, half interval, and of how many draws."""
    one = numbers.get(fraction)
    if one is None:
        return "–", "", ""
    half = f"±{number((one.high - one.low) / 2)}" if math.isfinite(one.high - one.low) else ""
    draws = "" if fraction == ALL else f"{one.draws} draw{'s' * (one.draws != 1)}"
    return number(one.value), half, draws
