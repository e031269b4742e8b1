"""Dot charts of many datasets: one for each task, every dataset on a scale of its own.

A scale begins at chance and ends at the best value that is known, so that a distance on it is a share of what there is
to gain. (An axis from the worst entry to the best would make any two entries look as different as can be.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.model.published import Published, load_published
from humanbench.leaderboard.site.charts import Dot, DotRow, dots
from humanbench.leaderboard.site.tables import TableColumn, number, regime_short
from humanbench.results.cells import lists_by

SHOWN = 5
"""Entries in a chart."""

CHANCE = {"mA": 50.0}
"""What guessing reaches, of metrics for which it is not about 0."""
_WORSE = 3.0
"""Where less is better, a scale begins at this many times the best value, or at the worst one that is shown."""


@dataclass(frozen=True)
class Line:
    """A series: a name, and by dataset a value with the ends of its interval (`nan` where there is none)."""

    name: str
    values: Mapping[str, tuple[float, float, float]]


def charts_of(
    key: str, columns: Sequence[TableColumn], lines: Sequence[Line], root: str, published: bool
) -> dict[str, Any]:
    """What templates need: task and chart, of the datasets that any of the lines has a value on; what the lines of a
    chart run over, in words; and the series.

    `published`: whether the best published values are on these datasets' own pictures, and so the ends of the scales.
    """
    names = [one.name for one in lines]
    here = [column for column in columns if any(column.id in one.values for one in lines)]
    made = []
    for task, members in lists_by((column.task, column) for column in here).items():
        rows = [_row(column, lines, root, published) for column in members]
        description = f"Dot chart of {', '.join(names)} on {len(rows)} datasets; the numbers are in the table."
        made.append((task, dots(f"{key}-{task}", task, rows, description)))
    best = "the best value that is known, published ones too" if published else "the best value that is shown"
    text = f"Each line runs from chance, left, to {best}, right: a distance is a share of what there is to gain."
    return {"dots": made, "dots_about": text, "dot_names": names}


def _row(column: TableColumn, lines: Sequence[Line], root: str, published: bool) -> DotRow:
    here = [(i, line.name, line.values[column.id]) for i, line in enumerate(lines) if column.id in line.values]
    values = [value for _, _, (value, _, _) in here if math.isfinite(value)]
    higher = column.arrow == "↑"
    start, end = scale_of(column, values, [high for _, _, (_, _, high) in here if math.isfinite(high)], published)
    best = (max if higher else min)(values, default=math.nan)
    marks = [Dot(f"{name}: {number(v)}", v, low, high, i) for i, name, (v, low, high) in here]
    name = f"{column.short}, {column.metric} {column.arrow}"
    text = f"best {number(best)}" if len(here) > 1 else number(best)
    return DotRow(name, text, marks, start, end, f"{root}datasets/{column.id}.html")


def scale_of(
    column: TableColumn, values: Sequence[float], highs: Sequence[float], published: bool
) -> tuple[float, float]:
    """The values at the two ends of a dataset's line, the better one last; where nothing is better than chance, the
    end of the intervals."""
    known = [*values, *([_best_published()[column.id]] if published and column.id in _best_published() else [])]
    if not known:
        return 0.0, 1.0
    if column.arrow == "↑":
        chance = CHANCE.get(column.metric, 0.0)
        return chance, max(known) if max(known) > chance + 0.1 else max(chance + 0.1, *known, *highs)
    best = min(known)
    return max(*known, _WORSE * best, best + 1e-6), best


@lru_cache(maxsize=1)
def _best_published() -> dict[str, float]:
    best: dict[str, float] = {}
    for one in load_published():
        choose = max if one.higher_is_better else min
        best[one.dataset] = choose(one.value, best.get(one.dataset, one.value))
    return best


def entry_lines(entries: Sequence[BoardEntry]) -> list[Line]:
    """A line per entry."""
    return [Line(e.name, {name: (s.value, s.low, s.high) for name, s in e.scores.items()}) for e in entries]


def published_lines(
    rows: Mapping[tuple[str, str, str], Mapping[str, Published]], columns: Sequence[TableColumn]
) -> list[Line]:
    """For each method and backbone with numbers in most columns, its fullest row."""
    best: dict[tuple[str, str], tuple[str, str, str]] = {}
    for key, numbers in rows.items():
        before = best.get(key[:2])
        if len(numbers) >= 0.8 * len(columns) and (before is None or len(numbers) > len(rows[before])):
            best[key[:2]] = key
    return [
        Line(
            f"{key[0]}" if key[2] == "published" else f"{key[0]} {key[1]}, {regime_short(key[2])}",
            {name: (printed.value, math.nan, math.nan) for name, printed in rows[key].items()},
        )
        for key in best.values()
    ]
