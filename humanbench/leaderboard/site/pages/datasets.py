"""Pages of datasets and tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from humanbench.cards import DatasetCard, Split, cards, evaluated, load_card
from humanbench.leaderboard.model.boards import Board, Ranked
from humanbench.leaderboard.model.entries import Score
from humanbench.leaderboard.model.events import PUBLISHED, day
from humanbench.leaderboard.model.published import published_rows
from humanbench.leaderboard.model.ranking import ColumnRanks
from humanbench.leaderboard.site import charts, tables
from humanbench.leaderboard.site.costs import trade_offs
from humanbench.leaderboard.site.pages.drawn import samples
from humanbench.leaderboard.site.pages.page import LISTED, Content, Page
from humanbench.leaderboard.site.pages.words import board_title, heading
from humanbench.leaderboard.site.tables import TableColumn, columns_of, number, pareto_lists, regime_short
from humanbench.metrics.directions import direction
from humanbench.names import shown
from humanbench.results.columns import main_metric
from humanbench.tasks.base import Task
from humanbench.tasks.registry import tasks

DOTS = 20
"""Rows of a chart."""

_Value = tuple[str, float, float, float, str, str]
"""Name, value, the ends of its interval, the value as text, and where it leads."""


def overview() -> Page:
    """All datasets by task."""
    groups = []
    for task in tasks():
        members = [card for card in cards().values() if card.task == task.name]
        members.sort(key=lambda card: (card.evaluation is None, card.id))
        groups.append((task.name, task.question, [_line(card) for card in members]))
    context = {"evaluated": len(evaluated()), "total": len(cards()), "groups": groups}
    return Page("datasets.html", "datasets.html.j2", "Datasets and tasks", "datasets", context)


def _line(card: DatasetCard) -> dict[str, Any]:
    """What lists of datasets say of one."""
    roles = ["evaluated"] * (card.evaluation is not None) + ["pretraining"] * (card.pretraining is not None)
    counts = [card.splits[name].samples for name in card.evaluation.test] if card.evaluation else []
    return {
        "id": card.id,
        "name": card.name,
        "role": ", ".join(roles),
        "metric": f"{card.evaluation.main} {direction(card.evaluation.main).arrow}" if card.evaluation else "",
        "samples": " + ".join(f"{n:,}" if n is not None else "?" for n in counts),
        "licence": card.licence,
        "access": card.access.kind,
    }


def dataset(content: Content, card: DatasetCard) -> Page:
    """A dataset: its card, how it is scored, who has which value, what happened when."""
    published = [
        (tables.published_name(*key), tables.published_anchor(*key), regime_short(key[2]), row[card.id].text)
        for key, row in published_rows().items()
        if card.id in row
    ]
    printed = [(f"{name}, {regime}", float(v), math.nan, math.nan, v, "") for name, _, regime, v in published]
    arrow = direction(card.evaluation.main).arrow if card.evaluation else ""
    usual = [(board, one) for board in content.usual for one in board.ranked()]
    context = {
        "card": card,
        "arrow": arrow,
        "fields": _card_fields(card),
        "splits": [_split(name, split) for name, split in card.splits.items()],
        "published": published,
        "published_chart": _chart("dots-published", "Published values", printed, card),
        "rankings": [_ranking(board, one, card) for board, one in usual if card.id in one.columns],
        "history": _history(content, card, len(published)),
    }
    return Page(f"datasets/{card.id}.html", "dataset.html.j2", card.name, "datasets", context)


def _card_fields(card: DatasetCard) -> list[tuple[str, str]]:
    paper = f"{card.paper.title} ({card.paper.venue} {card.paper.year})"
    known = [
        ("Paper", paper),
        ("Homepage", card.homepage),
        ("Licence", card.licence),
        ("Consent", card.consent),
        ("Access", f"{card.access.kind}: {card.access.how}"),
        ("Size", card.access.size),
    ]
    if card.pretraining:
        known.append(("Pretraining", f"{card.pretraining.images:,} images in the paper’s collection"))
    return [(name, value) for name, value in known if value]


def _split(name: str, split: Split) -> tuple[str, str, str, str]:
    counts = [f"{value:,} {what}{'?' if what in split.unsure else ''}" for what, value in split.counts().items()]
    return name, ", ".join(counts) or "not stated", str(split.labels), split.note


def _ranking(board: Board, one: Ranked, card: DatasetCard) -> dict[str, Any]:
    ranks = one.ranking.columns[one.columns.index(card.id)]
    order = sorted((i for i in range(len(one.entries)) if ranks.rank[i]), key=lambda i: int(ranks.rank[i]))
    rows, values = [], []
    for i, after in zip(order[:LISTED], [*order[1:], None], strict=False):
        entry, score = one.entries[i], one.entries[i].scores[card.id]
        rows.append(
            {
                "rank": ranks.rank[i],
                "ranks": f"{ranks.low[i]}–{ranks.high[i]}" if score.interval else "",
                "id": entry.id,
                "name": entry.name,
                "value": number(score.value, 2),
                "interval": tables.interval_text(score.low, score.high, 2),
                "scenario": shown(score.scenario, 30),
                "next": "" if after is None else _against(ranks, i, after, score, one.entries[after].scores[card.id]),
            }
        )
        ends = (score.low, score.high) if score.interval else (math.nan, math.nan)
        values.append((entry.name, score.value, *ends, number(score.value), f"../entries/{entry.id}.html"))
    key = f"{board.key.slug}-{one.evidence}"
    return {
        **heading(board, one.evidence),
        "anchor": key,
        "chart": _chart(f"dots-{key}", board_title(board), values[:DOTS], card),
        "rows": rows,
        "more": max(0, len(order) - LISTED),
    }


def _chart(key: str, title: str, values: Sequence[_Value], card: DatasetCard) -> Markup:
    """A dot for each value, all on one scale that runs over them and their intervals, the better end right."""
    if not values:
        return Markup("")
    ends = [v for _, value, low, high, _, _ in values for v in (value, low, high) if math.isfinite(v) and abs(v) < 1e12]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = (high - low) * 0.04 or 1.0
    low, high = low - room, high + room
    higher = direction(main_metric(card.id)).higher_is_better
    start, end = (low, high) if higher else (high, low)
    rows = [
        charts.DotRow(name, text, [charts.Dot(f"{name}: {text}", value, a, b)], start, end, link)
        for name, value, a, b, text, link in values
    ]
    description = (
        f"Dot chart of {len(rows)} values of {main_metric(card.id)} with their intervals; the numbers are in the table."
    )
    return charts.dots(key, title, rows, description, scale=True)


def _against(ranks: ColumnRanks, row: int, next_row: int, score: Score, after: Score) -> str:
    """What is to say of two neighbours, the better one first."""
    if not (score.interval and after.interval):
        return "no interval"
    return "told apart" if ranks.apart(row, next_row) else "cannot be told apart"


def _history(content: Content, card: DatasetCard, published: int) -> list[tuple[str, str, str, str, str]]:
    newest = [(day(e.date), e.name, f"entries/{e.id}.html", e) for e in content.entries if card.id in e.scores]
    newest.sort(key=lambda row: row[:3], reverse=True)
    rows = []
    for date, name, link, entry in newest[:LISTED]:
        score = entry.scores[card.id]
        kind = ", ".join([score.evidence, *entry.board.labels, *["withdrawn"] * bool(entry.withdrawn)])
        rows.append((date, name, link, number(score.value, 2), kind))
    if published:
        text = f"{published} values"
        rows.append((PUBLISHED, "the paper’s table 3", "published.html", text, "published"))
    return rows


def task(content: Content, task: Task) -> Page:
    """A task: its datasets and the boards reduced to them."""
    names = content.datasets_of(task.name)
    columns = columns_of(names)
    narrowed = [board.only(names) for board in content.usual]
    listed = [_task_table(b, one, columns) for b in narrowed for one in b.ranked()]
    keep = {key: row for key, row in published_rows().items() if any(n in row for n in names)}
    published = columns_of([name for name in names if any(name in row for row in keep.values())])
    context = {
        "task": task.name,
        "name": task.title,
        "about": task.question,
        "datasets": [_line(load_card(n)) for n in names],
        "columns": published,
        "spans": tables.task_spans(published),
        "published_rows": tables.published_table(keep, published),
        "tables": listed,
        "shown": samples(content.samples[task.name]) if task.name in content.samples else None,
    }
    return Page(f"tasks/{task.name}.html", "task.html.j2", task.title, "datasets", context)


def _task_table(board: Board, ranked: Ranked, columns: list[TableColumn]) -> dict[str, Any]:
    prefix = f"{board.key.slug}-{ranked.evidence}-"
    table = tables.ranked_table(ranked, columns, "../", LISTED)
    return {
        **heading(board, ranked.evidence),
        **table,
        "paretos": pareto_lists(ranked, table["columns"]),
        "trades": trade_offs(ranked, f"{board.key.slug}-{ranked.evidence}", 2),
        "rows": [replace(row, anchor=prefix + row.anchor) for row in table["rows"]],
        "more": max(0, len(ranked.entries) - LISTED),
    }
