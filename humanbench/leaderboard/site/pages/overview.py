"""Pages about the whole: the first one, the published numbers, the guide, the changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from humanbench.cards import load_card
from humanbench.leaderboard.model.boards import Board, Ranked
from humanbench.leaderboard.model.events import by_month
from humanbench.leaderboard.model.published import SOURCE, load_published, published_rows
from humanbench.leaderboard.site import dot_charts, tables
from humanbench.leaderboard.site.pages.conditions import condition_pages
from humanbench.leaderboard.site.pages.drawn import thumbnail
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import EVIDENCE_TEXT, UNIT_TEXT, heading, regime_about, regime_title
from humanbench.leaderboard.site.tables import TableColumn
from humanbench.metrics.directions import direction
from humanbench.regimes import REGIMES
from humanbench.results.columns import benchmark_columns, main_metric
from humanbench.tasks.base import Task
from humanbench.tasks.registry import tasks

PREVIEW = 10
"""Rows of a board on the first page."""
PREVIEWS = 8
"""Boards with such rows; the others are in the list of boards."""
CHANGES = 300
"""Events on the page of changes."""


def index(content: Content) -> Page:
    """The first page: what the benchmark is, the boards, the paper's numbers, the best of each board."""
    columns = content.columns()
    listed = [(board, board.ranked()) for board in content.usual]
    context = {
        "facts": [
            (len(benchmark_columns()), "datasets", "datasets.html"),
            (len({load_card(name).task for name in benchmark_columns()}), "tasks", "datasets.html"),
            (3, "scenarios", "reading.html#scenarios"),
            (len(REGIMES), "regimes", "reading.html#regimes"),
            (len(load_published()), "published numbers", "published.html"),
            (len(content.entries), "entry" if len(content.entries) == 1 else "entries", "changes.html"),
        ],
        "tasks": [_task(content, task) for task in tasks()],
        "board_list": [_listing(board, ranked) for board, ranked in listed],
        "conditions": condition_pages(content),
        "previews": [_preview(content, board, one) for board, ranked in listed[:PREVIEWS] for one in ranked],
        **_published(columns),
    }
    return Page("index.html", "index.html.j2", "Leaderboard", "index", context)


def _task(content: Content, task: Task) -> tuple[str, str, str, str, str]:
    """Key, name, question, and a picture and how it stands, where there is one."""
    shown = content.samples.get(task.name)
    picture = (thumbnail(shown), shown.drawing.layout) if shown else ("", "")
    return task.name, task.title, task.question, *picture


def published(content: Content) -> Page:
    """The paper's table with notes and charts."""
    columns = content.columns()
    lines = dot_charts.published_lines(published_rows(), columns)
    charts = dot_charts.charts_of("dots", columns, lines, "", True)
    context = {**_published(columns), **charts, "source": SOURCE}
    return Page("published.html", "published.html.j2", "Published numbers", "published", context)


def _published(columns: list[TableColumn]) -> dict[str, Any]:
    rows = tables.published_table(published_rows(), columns)
    return {
        "columns": columns,
        "spans": tables.task_spans(columns),
        "published_rows": rows,
        "published_options": tables.filters_of(rows, ("backbone", "regime", "pretraining")),
        "scenarios": list(dict.fromkeys(column.scenario for column in columns)),
    }


def _listing(board: Board, ranked: list[Ranked]) -> dict[str, Any]:
    datasets = {name for entry in board.entries for name in entry.scores}
    leader = ranked[0].entries[ranked[0].ranking.order[0]]
    return {
        **heading(board),
        "about": regime_about(board.key.regime),
        "count": len(board.entries),
        "cells": len(datasets & set(benchmark_columns())),
        "beyond": len(datasets - set(benchmark_columns())),
        "leader": leader.name,
        "leader_id": leader.id,
    }


def _preview(content: Content, board: Board, ranked: Ranked) -> dict[str, Any]:
    table = tables.ranked_table(ranked, content.columns(board), "", PREVIEW)
    return {
        **heading(board),
        **table,
        "count": len(ranked.entries),
        # The anchor of an entry is on its board's own page.
        "rows": [replace(row, anchor=f"top-{ranked.evidence}-{row.anchor}") for row in table["rows"]],
    }


def reading() -> Page:
    """The guide: scenarios, regimes, evidence, ranks, metrics."""
    regimes = [(regime.name, regime_title(regime.name), regime.about) for regime in REGIMES]
    metrics = []
    for name in benchmark_columns():
        way = direction(main_metric(name))
        better = "more" if way.higher_is_better else "less"
        metrics.append((name, load_card(name).name, main_metric(name), UNIT_TEXT.get(way.unit, way.unit), better))
    context = {"regimes": regimes, "metrics": metrics, "evidence_text": EVIDENCE_TEXT}
    return Page("reading.html", "reading.html.j2", "How to read the boards", "reading", context)


def changes(content: Content) -> Page:
    """What was entered, withdrawn and changed when."""
    latest = list(content.events)[:CHANGES]
    context = {"months": by_month(latest), "more": len(content.events) - len(latest)}
    return Page("changes.html", "changes.html.j2", "Changes", "changes", context)
