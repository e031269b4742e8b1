"""Pareto lists: which entries of a table no other beats at what they cost, in words beside the scatter charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from humanbench.leaderboard.model.boards import Ranked
from humanbench.leaderboard.site.charts import front
from humanbench.leaderboard.site.costs import CostColumn, all_cost_columns, pareto_costs
from humanbench.leaderboard.site.tables import TableColumn, TableRow, rows_of

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


def pareto_lists(ranked: Ranked, columns: Sequence[TableColumn], root: str) -> list[ParetoList]:
    """By parameters and by latency, of the entries of a ranking of which these are known, where these are several."""
    return [_list(ranked, columns, root, cost) for cost in pareto_costs(ranked.entries)]


def _list(ranked: Ranked, columns: Sequence[TableColumn], root: str, cost: CostColumn) -> ParetoList:
    costs = [cost.of(entry) for entry in ranked.entries]
    known = [i for i, value in enumerate(costs) if math.isfinite(value)]
    places = [(-costs[i], -float(ranked.ranking.mean_rank[i])) for i in known]
    best = [known[k] for k in reversed(front(places))]
    rows = rows_of(best[:MOST], ranked, columns, root, [cost])
    return ParetoList(cost, tuple(columns), tuple(rows), len(known), len(costs) - len(known), max(0, len(best) - MOST))


@dataclass(frozen=True)
class CostTable:
    """All that is known of what the entries of a table cost, in the order of their ranks; `more` are not shown."""

    columns: tuple[CostColumn, ...]
    rows: tuple[TableRow, ...]
    more: int


def cost_table(ranked: Ranked, root: str) -> CostTable:
    """Of the first entries of a ranking."""
    columns, order = all_cost_columns(ranked.entries), [int(i) for i in ranked.ranking.order]
    return CostTable(tuple(columns), tuple(rows_of(order[:MOST], ranked, [], root, columns)), max(0, len(order) - MOST))
