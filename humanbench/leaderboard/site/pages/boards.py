"""A page per board, and one more for each scenario that its cells are of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from humanbench.leaderboard.model.boards import Board, Ranked
from humanbench.leaderboard.site import charts, tables
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import EVIDENCE_TEXT, board_title, regime_about, suite_title
from humanbench.leaderboard.site.tables import TableColumn, TableRow, columns_of
from humanbench.results.columns import columns_of_results

RADAR = 5
"""Entries in a board's radar chart."""


def boards(content: Content) -> Iterable[Page]:
    """All pages of all boards."""
    for board in content.boards:
        yield _board(content, board, None)
        yield from (_board(content, board, scenario) for scenario in board.scenarios())


def _board(content: Content, board: Board, scenario: str | None) -> Page:
    slug = board.key.slug
    ranked = content.rankings(board, scenario)
    # The benchmark's columns and what else there are results of, over all scenarios; of one scenario, those it has.
    columns = content.columns(board) if scenario is None else columns_of(_used(ranked))
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
        "columns": columns,
        "spans": tables.task_spans(columns),
        "tables": _tables(ranked, columns),
        "evidence_text": {name: f"Numbers {text}." for name, text in EVIDENCE_TEXT.items()},
        "rankings": ranked,
    }
    return Page(f"boards/{place}.html", "board.html.j2", title, "", context)


def _regimes(content: Content, board: Board) -> list[tuple[str, str, bool]]:
    """The boards that differ in their regime alone, or nearly so."""
    key = board.key
    return [
        (_tab(other), f"{other.key.slug}.html", other.key == key)
        for other in content.boards
        if (other.key.suite, other.key.synthetic, other.key.subset) == (key.suite, key.synthetic, key.subset)
    ]


def _tab(board: Board) -> str:
    """The board's title, with what tells it from others of its regime."""
    special = [label for label in board.key.labels if label.startswith(("variant", "own"))]
    return ", ".join([board_title(board), *special])


def _used(ranked: list[Ranked]) -> list[str]:
    return list(columns_of_results({name for one in ranked for name in one.columns}))


def _tables(ranked: list[Ranked], columns: list[TableColumn]) -> list[dict[str, Any]]:
    """A table per kind of evidence; an entry's anchor is its first row."""
    anchors: set[str] = set()
    made = []
    for one in ranked:
        rows = [_anchored(row, one.evidence, anchors) for row in tables.board_rows(one, columns, "../")]
        anchors |= {row.anchor for row in rows}
        made.append({**_charts(one, columns), "evidence": one.evidence, "rows": rows})
        made[-1]["options"] = tables.filters_of(rows, ("backbone", "pretraining", "date"))
    return made


def _anchored(row: TableRow, evidence: str, taken: set[str]) -> TableRow:
    return replace(row, anchor=f"{evidence}-{row.anchor}") if row.anchor in taken else row


def _charts(ranked: Ranked, columns: list[TableColumn]) -> dict[str, Any]:
    used = [column for column in columns if column.id in ranked.columns]
    first = [ranked.entries[i] for i in ranked.ranking.order[:RADAR]]
    series = tables.entry_series(first, used) if len(used) >= 3 else []
    title = "Mean rank and {}"
    trades = [
        (charts.scatter(f"{key}-{ranked.evidence}", title.format(text), points, text, "mean rank", up=False), text)
        for key, text, points in tables.trade_offs(ranked)
    ]
    axes = tables.radar_axes(used)
    return {
        "radar": charts.radar(f"radar-{ranked.evidence}", "The first entries", axes, series) if series else "",
        "radar_names": [one.name for one in series],
        "trades": trades,
    }
