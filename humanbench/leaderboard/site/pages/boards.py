"""A page per board, and one more for each scenario that its cells are of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from humanbench.leaderboard.model.boards import Board, Ranked
from humanbench.leaderboard.site import dot_charts, tables
from humanbench.leaderboard.site.costs import trade_offs
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import EVIDENCE_TEXT, board_title, regime_about, suite_title
from humanbench.leaderboard.site.tables import TableColumn, TableRow, columns_of, cost_table, pareto_lists
from humanbench.results.columns import columns_of_results


def boards(content: Content) -> Iterable[Page]:
    """All pages of all boards."""
    for board in content.boards:
        yield _board(content, board, None)
        yield from (_board(content, board, scenario) for scenario in board.scenarios())


def _board(content: Content, board: Board, scenario: str | None) -> Page:
    slug = board.key.slug
    ranked = board.ranked(scenario)
    # The benchmark's columns and what else there are results of, over all scenarios; of one scenario, those it has.
    used = columns_of_results({name for one in ranked for name in one.columns})
    columns = content.columns(board) if scenario is None else columns_of(used)
    title = board_title(board) if scenario is None else f"{board_title(board)}, {scenario}"
    place = slug if scenario is None else f"{slug}-{scenario}"
    context = {
        "suite": suite_title(board.key.suite),
        "name": title,
        "tags": board.key.labels,
        "about": regime_about(board.key.regime),
        "slug": place,
        "regimes": _regimes(content, board),
        "scenario_links": [
            ("all", f"{slug}.html", scenario is None),
            *((name, f"{slug}-{name}.html", name == scenario) for name in board.scenarios()),
        ],
        "tables": _tables(ranked, columns, not board.key.synthetic, slug),
        "evidence_text": {name: f"Numbers {text}." for name, text in EVIDENCE_TEXT.items()},
    }
    return Page(f"boards/{place}.html", "board.html.j2", title, "", context)


def _regimes(content: Content, board: Board) -> list[tuple[str, str, bool]]:
    """The boards that differ in their regime alone, or nearly so."""
    key = board.key
    return [
        (_tab(other), f"{other.key.slug}.html", other.key == key)
        for other in content.boards
        if replace(other.key, regime="", variant="", recipe="") == replace(key, regime="", variant="", recipe="")
    ]


def _tab(board: Board) -> str:
    """The board's title, with what tells it from others of its regime."""
    special = [label for label in board.key.labels if label.startswith(("variant", "own"))]
    return ", ".join([board_title(board), *special])


def _tables(ranked: list[Ranked], columns: list[TableColumn], published: bool, slug: str) -> list[dict[str, Any]]:
    """A table per kind of evidence; an entry's anchor is its first row. `slug`: of the whole board."""
    anchors: set[str] = set()
    made = []
    for one in ranked:
        table = tables.ranked_table(one, columns, "../")
        used_columns = table["columns"]
        rows = [_anchored(row, one.evidence, anchors) for row in table["rows"]]
        anchors |= {row.anchor for row in rows}
        first = dot_charts.entry_lines([one.entries[i] for i in one.ranking.order[: dot_charts.SHOWN]])
        made.append(
            table
            | {
                "table": f"{slug}-{one.evidence}",
                "rows": rows,
                "options": tables.filters_of(rows, ("backbone", "size", "licence", "pretraining", "date")),
                **dot_charts.charts_of(f"dots-{one.evidence}", used_columns, first, "../", published),
                "trades": trade_offs(one, one.evidence),
                "paretos": pareto_lists(one, used_columns),
                "cost_table": cost_table(one),
            }
        )
    return made


def _anchored(row: TableRow, evidence: str, taken: set[str]) -> TableRow:
    return replace(row, anchor=f"{evidence}-{row.anchor}") if row.anchor in taken else row
