"""Tables as the templates show them: text is made here, once, and escaped there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

from markupsafe import Markup, escape

from humanbench.cards import collection, load_card, scenario
from humanbench.leaderboard.model.boards import Ranked
from humanbench.leaderboard.model.entries import BoardEntry, Score, of_card, pretraining_text
from humanbench.leaderboard.model.published import Published
from humanbench.leaderboard.model.ranking import ColumnRanks
from humanbench.leaderboard.site.charts import front, quantity
from humanbench.leaderboard.site.costs import CostColumn, all_cost_columns, cost_columns, pareto_costs, size_of
from humanbench.metrics.directions import direction
from humanbench.names import shown, slug
from humanbench.regimes import REGIMES
from humanbench.results.columns import main_metric, short_name
from humanbench.tasks.registry import task_names


def regime_short(regime: str) -> str:
    """The regime of a published number in a word or two; `published` stands for the rows of others."""
    return "others" if regime == "published" else REGIMES[regime].short


@dataclass(frozen=True)
class TableColumn:
    """A dataset's column: `scenario` is that of a backbone pretrained on the paper's collection."""

    id: str
    short: str
    name: str
    task: str
    metric: str
    arrow: str
    better: str
    scenario: str
    first: bool


@dataclass(frozen=True)
class TableCell:
    """A number of a table, with half of its interval; `mark` is `best`, `second`, `tied` (with the best) or empty."""

    text: str
    spread: str = ""
    mark: str = ""
    note: str = ""


@dataclass(frozen=True)
class TableRow:
    """A row: who, where more is said, overall rank, the cells, and whether a rule separates it from the next."""

    anchor: str
    name: str
    about: str
    backbone: str
    regime: str
    pretraining: str
    date: str
    cells: tuple[TableCell, ...]
    link: str = ""
    rank: str = ""
    ranks: str = ""
    tied: bool = False
    mean_rank: str = ""
    rule: bool = False
    costs: tuple[str, ...] = ()
    size: str = ""
    licence: str = ""


HUES = 6
"""Colours of tasks that the style sheet has."""


def hue(task: str) -> str:
    """The class that gives a task its colour: one each, as far as there are colours."""
    return f"hue{task_names().index(task) % HUES}"


def columns_of(names: Sequence[str]) -> list[TableColumn]:
    """Columns in the order given, with their task, metric and direction."""
    return list(_columns(tuple(names)))


@lru_cache(maxsize=256)
def _columns(names: tuple[str, ...]) -> tuple[TableColumn, ...]:
    seen = [card.id for card in collection("full")]
    columns = []
    for task, members in groupby(map(load_card, names), key=lambda card: card.task):
        for number, card in enumerate(members):
            metric = main_metric(card.id)
            way = direction(metric)
            better = "higher is better" if way.higher_is_better else "lower is better"
            texts = (card.id, short_name(card), card.name, task, metric, way.arrow, better)
            columns.append(TableColumn(*texts, scenario(card, seen), number == 0))
    return tuple(columns)


def task_spans(columns: Sequence[TableColumn]) -> list[tuple[str, int]]:
    """Tasks over neighbouring columns, with how many each spans."""
    return [(task, len(list(members))) for task, members in groupby(columns, key=lambda column: column.task)]


def number(value: float, digits: int = 1) -> str:
    """A value for people; absurd sizes in few characters.

    >>> number(87.06), number(float("nan")), number(1e308)
    ('87.1', '–', '1e+308')
    """
    if not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def interval_text(low: float, high: float, digits: int = 1) -> str:
    """`86.9–88.1`, empty where there is none."""
    return f"{number(low, digits)}–{number(high, digits)}" if math.isfinite(low) and math.isfinite(high) else ""


def filled(template: str, rows: Sequence[Sequence[str]]) -> Markup:
    """Rows of a table from a template of one, in which every `%s` stands for a text.

    >>> filled('<tr><td>%s</td><td class="n">%s</td></tr>', [["<b>", "1"]])
    Markup('<tr><td>&lt;b&gt;</td><td class="n">1</td></tr>')
    """
    texts = [text for row in rows for text in row]
    parts = str(escape("\0".join(texts))).split("\0")  # escaped in one go: a site has a million cells
    if len(parts) != len(texts):
        parts = [str(escape(text)) for text in texts]
    ends = accumulate(map(len, rows))
    return Markup("".join([template % tuple(parts[end - len(row) : end]) for row, end in zip(rows, ends, strict=True)]))


def ranked_table(
    ranked: Ranked, columns: Sequence[TableColumn], root: str, best_of: int | None = None
) -> dict[str, Any]:
    """What templates need of a ranking: the columns in which any entry has a value, the others, costs, and rows in the
    order of the ranking. `root` leads from the page to the site's top, `best_of` keeps the first."""
    there = {name for name in ranked.columns if any(name in entry.scores for entry in ranked.entries)}
    used_columns = columns_of([column.id for column in columns if column.id in there])
    costs = cost_columns(ranked.entries)
    return {
        "evidence": ranked.evidence,
        "columns": used_columns,
        "spans": task_spans(used_columns),
        "empty": [column for column in columns if column.id not in there],
        "costs": costs,
        "rows": rows_of([int(i) for i in ranked.ranking.order[:best_of]], ranked, used_columns, root, costs),
    }


def rows_of(
    chosen: Sequence[int], ranked: Ranked, columns: Sequence[TableColumn], root: str, costs: Sequence[CostColumn] = ()
) -> list[TableRow]:
    """Rows of these entries of the ranking, in this order."""
    ranking, places = ranked.ranking, {name: i for i, name in enumerate(ranked.columns)}
    rows = []
    for i in chosen:
        entry = ranked.entries[i]
        cells = tuple(_cell(ranked, int(i), places.get(column.id), column) for column in columns)
        rows.append(
            TableRow(
                anchor=entry.id,
                name=entry.name,
                about=_about(entry, bool(costs)),
                link=f"{root}entries/{entry.id}.html",
                backbone=shown(entry.backbone, 40),
                regime=shown(entry.board.regime, 20),
                pretraining=entry.pretraining,
                date=entry.date,
                rank=str(ranking.rank[i]),
                ranks=f"{ranking.low[i]}–{ranking.high[i]}" if ranking.low[i] != ranking.high[i] else "",
                tied=bool(ranking.tied[i]),
                mean_rank=f"{ranking.mean_rank[i]:.1f}",
                cells=cells,
                costs=tuple(cost.text(entry) for cost in costs),
                size=size_of(entry),
                licence=shown(entry.card.licence, 40) if entry.card is not None else "",
            )
        )
    return rows


def _about(entry: BoardEntry, with_costs: bool) -> str:
    known = math.isfinite(entry.parameters) and not with_costs
    size = [f"{quantity(entry.parameters)} parameters"] if known else []
    data = "undisclosed data" if entry.pretrained_on is None else entry.pretraining
    return " · ".join([data, *size])


def overall_rank(ranked: Ranked, row: int) -> str:
    """The overall rank of an entry with its interval."""
    ranking = ranked.ranking
    return rank_text(ranking.rank[row], ranking.low[row], ranking.high[row], len(ranked.entries))


def rank_text(rank: int, low: int, high: int, of: int) -> str:
    """A rank with its interval, where that is more than it; no line ends within the interval."""
    span = f" ({low}\u2060–\u2060{high})" if low != high else ""
    return f"{rank} of {of}{span}"


_EMPTY = TableCell("–")


def _cell(ranked: Ranked, row: int, place: int | None, column: TableColumn) -> TableCell:
    score = ranked.score(row, column.id)
    if score is None or place is None:
        return _EMPTY
    ranks = ranked.ranking.columns[place]
    return TableCell(number(score.value), spread(score), _mark(ranks, row))


def spread(score: Score, digits: int = 1) -> str:
    """Half of the interval; empty where there is none."""
    return f"±{number(score.number.half, digits)}" if score.interval else ""


def _mark(ranks: ColumnRanks, row: int) -> str:
    """No mark where all values are equal; what cannot be told apart from the best is tied, be it second or not."""
    if not ranks.contested:
        return ""
    if ranks.rank[row] == 1:
        return "best"
    return "tied" if ranks.low[row] == 1 else "second" if ranks.rank[row] == 2 else ""


def published_table(
    rows: dict[tuple[str, str, str], dict[str, Published]], columns: Sequence[TableColumn]
) -> list[TableRow]:
    """The paper's rows in the paper's order, every number as it is printed there."""
    made = []
    groups = [(regime == "published", backbone) for _, backbone, regime in rows]  # what stands together
    for ((method, backbone, regime), numbers), family, after in zip(
        rows.items(), groups, [*groups, None][1:], strict=True
    ):
        made.append(
            TableRow(
                anchor=published_anchor(method, backbone, regime),
                name=published_name(method, backbone, regime),
                about="best published results of others" if regime == "published" else regime_short(regime),
                backbone=backbone,
                regime=regime,
                pretraining=pretraining_text(of_card(_CARDS[method])) if method in _CARDS else "several",
                date="2023-06",
                cells=tuple(_published_cell(rows, numbers, column) for column in columns),
                rule=after not in (None, family),
            )
        )
    return made


def _published_cell(
    rows: dict[tuple[str, str, str], dict[str, Published]], numbers: dict[str, Published], column: TableColumn
) -> TableCell:
    """Equal values share a place: the paper's colours call a tie a win."""
    printed = numbers.get(column.id)
    if printed is None:
        return _EMPTY
    others = {row[column.id].value for row in rows.values() if column.id in row}
    place = sorted(others, reverse=printed.higher_is_better).index(printed.value)
    mark = ("best", "second")[place] if place < 2 else ""
    return TableCell(printed.text, mark=mark, note=printed.metric if printed.metric != column.metric else "")


_CARDS = {"MAE": "mae_vitb", "CLIP": "clip_vitb", "PATH": "path_vitb"}
"""Cards that say what the paper's methods were pretrained on (its ViT-L and ViT-B saw the same)."""


def published_name(method: str, backbone: str, regime: str) -> str:
    """The row in words."""
    return method if regime == "published" else f"{method} · {backbone}"


def published_anchor(method: str, backbone: str, regime: str) -> str:
    """Permanent address of a row of the paper's table; `SoTA+` and `SoTA` differ."""
    return "-".join(slug(part.replace("+", " plus")) for part in (method, backbone, regime))


FILTERS = {
    "backbone": "Backbone",
    "size": "Size",
    "licence": "Licence",
    "regime": "Regime",
    "pretraining": "Pretraining data",
    "date": "Entered since",
}


def filters_of(rows: Sequence[TableRow], names: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """Name, label and values of the filters of a table: at most 200 values each, dates from the newest."""
    filters = []
    for name in names:
        values = list(dict.fromkeys(getattr(row, name) for row in rows if getattr(row, name)))
        filters.append((name, FILTERS[name], sorted(values, reverse=True)[:200] if name == "date" else values[:200]))
    return filters


MOST = 100
"""Rows of a list."""


@dataclass(frozen=True)
class ParetoList:
    """The entries, from the cheapest on, that no other beats: has a mean rank as good at no more cost, and one of both
    better. `known`: of how many the cost is known; `unknown`: of how many not, which are left out."""

    cost: CostColumn
    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    known: int
    unknown: int
    more: int


def pareto_lists(ranked: Ranked, columns: Sequence[TableColumn]) -> list[ParetoList]:
    """By parameters and by latency, of the entries of a ranking of which these are known, where these are several."""
    lists = []
    for cost in pareto_costs(ranked.entries):
        costs = [cost.of(entry) for entry in ranked.entries]
        known = [i for i, value in enumerate(costs) if math.isfinite(value)]
        places = [(-costs[i], -float(ranked.ranking.mean_rank[i])) for i in known]
        best = [known[k] for k in reversed(front(places))]
        rows, more = rows_of(best[:MOST], ranked, columns, "../", [cost]), max(0, len(best) - MOST)
        lists.append(ParetoList(cost, tuple(columns), tuple(rows), len(known), len(costs) - len(known), more))
    return lists


@dataclass(frozen=True)
class CostTable:
    """All that is known of what the entries of a table cost, in the order of their ranks; `more` are not shown."""

    columns: tuple[CostColumn, ...]
    rows: tuple[TableRow, ...]
    more: int


def cost_table(ranked: Ranked) -> CostTable:
    """Of the first entries of a ranking."""
    columns, order = all_cost_columns(ranked.entries), [int(i) for i in ranked.ranking.order]
    rows = rows_of(order[:MOST], ranked, [], "../", columns)
    return CostTable(tuple(columns), tuple(rows), max(0, len(order) - MOST))
