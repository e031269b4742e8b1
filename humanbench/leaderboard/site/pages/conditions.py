"""The pages that set conditions side by side, dataset by dataset: each entry's number over the fraction of the labels,
and under corruptions with its mean drop by task."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from humanbench.data.corruptions import CORRUPTIONS, SEVERITIES
from humanbench.leaderboard.model.boards import Board
from humanbench.leaderboard.model.entries import BoardEntry, BoardKey
from humanbench.leaderboard.site.charts import SERIES, Course, courses
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import heading
from humanbench.leaderboard.site.tables import TableColumn, columns_of, number
from humanbench.results import Result
from humanbench.results.cells import CellNumber, lists_by
from humanbench.results.columns import columns_of_results
from humanbench.results.conditions import ALL, FractionNumber, Robustness, by_fraction, fraction_text, robustness

Measured = tuple[Result, CellNumber]
"""A result of a cell, and the cell's number over its seeds."""

Numbers = TypeVar("Numbers")

Rows = list[tuple[BoardEntry, dict[str, Numbers]]]
"""A row per network: its first entry, and its numbers by dataset."""


@dataclass(frozen=True)
class ConditionPage(Generic[Numbers]):
    """A page about the boards of some conditions.

    `belongs`: whether a result with a condition belongs to it. `numbers`: what is made of the metric and the cells of a
    network on a dataset under all conditions; None for nothing. `group`: what the template needs of boards that differ
    in their condition alone, beside their head: from their number on the page, their columns and their rows.
    """

    name: str
    title: str
    about: str
    belongs: Callable[[Result], bool]
    numbers: Callable[[str, list[Measured]], Numbers | None]
    group: Callable[[int, list[TableColumn], Rows[Numbers]], dict[str, Any]]

    def pages(self, content: Content) -> Iterable[Page]:
        """The page, where any board belongs to it."""
        shown = []
        for position, (key, boards, rows) in enumerate(self.groups(content)):
            columns = columns_of(columns_of_results({name for _, numbers in rows for name in numbers}))
            links = [(board.key.condition, f"boards/{board.key.slug}.html") for board in boards]
            head = heading(Board(key, ())) | {"boards": links}
            shown.append(head | self.group(position, columns, rows))
        if shown:
            yield Page(f"{self.name}.html", f"{self.name}.html.j2", self.title, "", {"groups": shown})

    def groups(self, content: Content) -> Iterable[tuple[BoardKey, list[Board], Rows[Numbers]]]:
        """Boards that differ in their condition alone: their common key, those with one, and the rows of all."""
        known = [board for board in content.boards if not board.key.condition or self._shows(board)]
        for key, boards in lists_by((replace(board.key, condition=""), board) for board in known).items():
            if with_condition := [board for board in boards if board.key.condition]:
                networks = lists_by(((e.network, e.submission), e) for board in boards for e in board.entries)
                rows = [(entries[0], self._by_dataset(entries)) for entries in networks.values()]
                yield key, with_condition, [(entry, numbers) for entry, numbers in rows if numbers]

    def _shows(self, board: Board) -> bool:
        return all(self.belongs(result) for entry in board.entries for result in entry.results)

    def _by_dataset(self, entries: list[BoardEntry]) -> dict[str, Numbers]:
        """Of the entries of a network, without datasets of which nothing is made."""
        by_dataset: dict[str, Numbers] = {}
        for name in columns_of_results({name for entry in entries for name in entry.scores}):
            scores = [entry.scores[name] for entry in entries if name in entry.scores]
            one = self.numbers(scores[0].metric, [(score.results[0], score.number) for score in scores])
            if one is not None:
                by_dataset[name] = one
        return by_dataset


def condition_pages(content: Content) -> list[tuple[str, str, str]]:
    """Path, title, and what it is about, of those that a site has."""
    there = [page for page in (FEW_LABELS, ROBUSTNESS) if any(True for _ in page.groups(content))]
    return [(f"{page.name}.html", page.title, page.about) for page in there]


def _fractions(metric: str, cells: list[Measured]) -> dict[float, FractionNumber] | None:
    fractions = by_fraction(metric, cells)
    return fractions if fractions.keys() - {ALL} else None


def _few_group(position: int, columns: list[TableColumn], rows: Rows[dict[float, FractionNumber]]) -> dict[str, Any]:
    return {"datasets": [_few_dataset(f"few-{position}-{column.id}", column, rows) for column in columns]}


def _few_dataset(key: str, column: TableColumn, rows: Rows[dict[float, FractionNumber]]) -> dict[str, Any]:
    here = [(entry, numbers[column.id]) for entry, numbers in rows if column.id in numbers]
    fractions = sorted({fraction for _, numbers in here for fraction in numbers})
    ticks = [(math.log10(fraction), fraction_text(fraction)) for fraction in fractions]
    lines = [
        Course(entry.name, [(math.log10(f), one.value, one.low, one.high) for f, one in numbers.items()])
        for entry, numbers in here[:SERIES]
    ]
    return _chart(key, column, lines, ticks, "labels") | {
        "heads": ["all" if fraction == ALL else fraction_text(fraction) for fraction in fractions],
        "rows": [
            (entry.name, entry.id, [_fraction_cell(numbers, fraction) for fraction in fractions])
            for entry, numbers in here
        ],
    }


def _fraction_cell(numbers: Mapping[float, FractionNumber], fraction: float) -> tuple[str, str, str]:
    """Value, half interval, and of how many draws."""
    one = numbers.get(fraction)
    if one is None:
        return "–", "", ""
    draws = "" if fraction == ALL else f"{one.draws} draw{'s' * (one.draws != 1)}"
    return number(one.value), _half(one.low, one.high), draws


def _chart(
    key: str, column: TableColumn, lines: list[Course], ticks: Sequence[tuple[float, str]], axis: str
) -> dict[str, Any]:
    """What both pages show of a dataset: its column, and a chart over the conditions."""
    title, metric = f"{column.name}: {column.metric}", f"{column.metric} {column.arrow}"
    chart = courses(key, title, lines, ticks, axis, metric)
    return {"column": column, "names": [line.name for line in lines], "chart": chart}


def _half(low: float, high: float) -> str:
    return f"±{number((high - low) / 2)}" if math.isfinite(high - low) else ""


def _corrupted_group(position: int, columns: list[TableColumn], rows: Rows[Robustness]) -> dict[str, Any]:
    tasks = list(dict.fromkeys(column.task for column in columns))
    return {
        "tasks": tasks,
        "drops": [(entry.name, entry.id, [_drop(numbers, columns, task) for task in tasks]) for entry, numbers in rows],
        "datasets": [_corrupted_dataset(f"corrupted-{position}-{column.id}", column, rows) for column in columns],
    }


def _drop(numbers: dict[str, Robustness], columns: list[TableColumn], task: str) -> str:
    """The mean relative drop over a task's datasets."""
    of_task = [numbers[column.id] for column in columns if column.task == task and column.id in numbers]
    drops = [drop for one in of_task if math.isfinite(drop := one.drop(one.mean))]
    return f"{number(statistics.fmean(drops))} %" if drops else "–"


def _corrupted_dataset(key: str, column: TableColumn, rows: Rows[Robustness]) -> dict[str, Any]:
    here = [(entry, numbers[column.id]) for entry, numbers in rows if column.id in numbers]
    lines = [
        Course(entry.name, [(float(s), one.at(s), math.nan, math.nan) for s in (0, *SEVERITIES)])
        for entry, one in here[:SERIES]
    ]
    ticks = [(0.0, "none"), *((float(severity), str(severity)) for severity in SEVERITIES)]
    names = [name for name in CORRUPTIONS if any(name in one.values for _, one in here)]
    tested = {name: {tuple(one.values[name]) for _, one in here if name in one.values} for name in names}
    made = []
    for entry, one in here:
        cells = [
            (number(one.means[name]) if name in one.means else "–", _levels(one, name, len(levels) > 1))
            for name, levels in tested.items()
        ]
        drop = one.drop(one.mean)
        percent = f"{number(drop)} %" if math.isfinite(drop) else "–"
        half = _half(*one.interval())
        made.append((entry.name, entry.id, number(one.plain), number(one.mean), half, percent, one.tested, cells))
    heads = [(name, _severities(levels)) for name, levels in tested.items()]
    return _chart(key, column, lines, ticks, "severity") | {"heads": heads, "rows": made}


def _severities(levels: set[tuple[int, ...]]) -> str:
    """The severities of a corruption where all entries were tested at the same."""
    return f"severity {' · '.join(map(str, next(iter(levels))))}" if len(levels) == 1 else ""


def _levels(one: Robustness, name: str, named: bool) -> str:
    """The values at each severity; `named`: and the severity, which the head of the column does not say."""
    values = one.values.get(name, {}).items()
    return " · ".join(f"{severity}: {number(value)}" if named else number(value) for severity, value in values)


FEW_LABELS = ConditionPage(
    "few-labels",
    "Few labels",
    "Trained on 1 %, 10 % and 25 % of the labels: who needs fewer of them.",
    lambda result: result.fraction is not None and not result.corruption,
    _fractions,
    _few_group,
)
ROBUSTNESS = ConditionPage(
    "robustness",
    "Robustness",
    "Tested on blurred, noisy, dark and hidden pictures: who loses least.",
    lambda result: bool(result.corruption) and result.fraction is None,
    robustness,
    _corrupted_group,
)
