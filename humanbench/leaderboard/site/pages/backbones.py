"""A page per backbone, its regimes side by side, and a page of all backbones to choose from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from humanbench.leaderboard.model.entries import BoardEntry, BoardKey
from humanbench.leaderboard.site import dot_charts, tables
from humanbench.leaderboard.site.charts import quantity, quantity_or_nothing
from humanbench.leaderboard.site.costs import cost_columns, size_of, speed_text
from humanbench.leaderboard.site.pages.conditions import condition_pages
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import backbone_fields, regime_title, suite_title
from humanbench.leaderboard.site.tables import TableColumn, columns_of, number
from humanbench.names import shown
from humanbench.regimes import REGIMES
from humanbench.results.cells import lists_by
from humanbench.results.columns import columns_of_results

Ranks = dict[str, dict[str, str]]


def backbones(content: Content) -> Iterable[Page]:
    """The page that lists those with a number, and one for each that has several entries to set side by side."""
    ranks, overall = content.dataset_ranks(), content.overall_ranks()
    yield _overview(content.networks, overall)
    links = condition_pages(content)
    for name, entries in content.networks.items():
        if len(entries) > 1:
            yield _backbone(name, entries, ranks, overall, links)


def _overview(networks: dict[str, list[BoardEntry]], overall: dict[str, str]) -> Page:
    every = [entry for entries in networks.values() for entry in entries]
    costs = cost_columns(every)
    rows: list[dict[str, Any]] = []
    for name, entries in networks.items():
        first = entries[0]
        rows.append(
            {
                "id": name,
                "link": f"backbones/{name}.html" if len(entries) > 1 else f"entries/{first.id}.html",
                "name": first.name,
                "backbone": shown(first.backbone, 40),
                "size": size_of(first),
                "licence": shown(first.card.licence, 40) if first.card is not None else "",
                "pretraining": first.pretraining,
                "date": max(entry.date for entry in entries),
                "costs": [cost.text(first) for cost in costs],
                "places": [(_place(e.board), overall.get(e.id, ""), e.board.slug, e.id) for e in _listed(entries)],
            }
        )
    rows.sort(key=lambda row: row["name"].casefold())
    filters = [
        (name, tables.FILTERS[name], sorted({row[name] for row in rows if row[name]}))
        for name in ("size", "licence", "pretraining")
    ]
    context = {"rows": rows, "costs": costs, "options": filters}
    return Page("backbones.html", "backbones.html.j2", "Backbones", "backbones", context)


def _listed(entries: list[BoardEntry]) -> list[BoardEntry]:
    """Those whose ranks stand in the list: under no condition, of which there may be dozens with pages of their own;
    all of them where there are no others."""
    return [entry for entry in entries if not entry.board.condition] or entries


def _place(key: BoardKey) -> str:
    """The board in a word or two: its regime, and what else is special."""
    suite = [] if key.suite == "humanbench-v1" else [suite_title(key.suite).lower()]
    return ", ".join([regime_title(key.regime), *suite, *key.labels])


def _backbone(
    name: str, entries: list[BoardEntry], ranks: Ranks, overall: dict[str, str], links: Sequence[tuple[str, str, str]]
) -> Page:
    groups = lists_by((replace(entry.board, regime=""), entry) for entry in entries if not entry.board.condition)
    first = entries[0]
    context = {
        "name": first.name,
        "about": _about(first),
        "fields": _fields(first),
        "groups": [_group(i, members, ranks, overall) for i, members in enumerate(groups.values())],
        "conditions": _by_board(entries),
        "links": links,
    }
    return Page(f"backbones/{name}.html", "backbone.html.j2", first.name, "backbones", context)


def _about(entry: BoardEntry) -> str:
    """Size, cost, licence and pretraining in a line."""
    known = [
        f"{quantity(entry.parameters)} parameters" if math.isfinite(entry.parameters) else "",
        f"{quantity(entry.gflops)} GFLOPs" if math.isfinite(entry.gflops) else "",
        shown(entry.card.licence, 60) if entry.card is not None else "",
        "pretrained on undisclosed data" if entry.pretrained_on is None else f"pretrained on {entry.pretraining}",
    ]
    return " · ".join(text for text in known if text)


def _by_board(entries: Iterable[BoardEntry]) -> list[tuple[str, list[tuple[str, str]]]]:
    """By what is the same in all else, the entries with a part of the labels or with corrupted pictures: condition and
    id. There may be dozens, and two pages set their numbers side by side."""
    boards = [(entry.board, entry.id) for entry in entries if entry.board.condition]
    return list(lists_by((_place(replace(key, condition="")), (key.condition, name)) for key, name in boards).items())


def _group(number_: int, entries: list[BoardEntry], ranks: Ranks, overall: dict[str, str]) -> dict[str, Any]:
    entries = sorted(entries, key=lambda entry: REGIMES.place(entry.board.regime))
    columns = columns_of(columns_of_results({name for entry in entries for name in entry.scores}))
    names = [_column(entry, entries) for entry in entries]
    lines = [
        dot_charts.Line(text, line.values)
        for text, line in zip(names, dot_charts.entry_lines(entries[: dot_charts.SHOWN]), strict=False)
    ]
    return {
        "title": suite_title(entries[0].board.suite),
        "labels": entries[0].board.labels,
        "heads": [
            (text, entry.id, overall.get(entry.id, ""), _trained(entry))
            for text, entry in zip(names, entries, strict=True)
        ],
        "tasks": _rows(columns, entries, ranks),
        **dot_charts.charts_of(f"dots-{number_}", columns, lines, "../", not entries[0].board.synthetic),
    }


def _column(entry: BoardEntry, entries: Sequence[BoardEntry]) -> str:
    """The regime, and who submitted it where several did."""
    text = regime_title(entry.board.regime)
    several = sum(other.board.regime == entry.board.regime for other in entries) > 1
    return f"{text} by {shown(entry.submitter, 30) or entry.date or entry.id[-10:]}" if several else text


def _trained(entry: BoardEntry) -> str:
    return f"{quantity(entry.trained)} trained" if math.isfinite(entry.trained) else ""


def _rows(
    columns: Sequence[TableColumn], entries: Sequence[BoardEntry], ranks: Ranks
) -> list[tuple[str, list[tuple[TableColumn, list[tuple[str, str, str, bool]]]]]]:
    """By task, for each dataset its cells: value, half interval, rank, and whether no regime of it is better."""
    groups: dict[str, list[tuple[TableColumn, list[tuple[str, str, str, bool]]]]] = {}
    for column in columns:
        scores = [entry.scores.get(column.id) for entry in entries]
        values = [score.value for score in scores if score is not None]
        best = (max if column.arrow == "↑" else min)(values)
        cells = []
        for entry, score in zip(entries, scores, strict=True):
            if score is None:
                cells.append(("–", "", "", False))
                continue
            leads = score.value == best and len(set(values)) > 1
            cells.append((number(score.value), tables.spread(score), ranks.get(entry.id, {}).get(column.id, ""), leads))
        groups.setdefault(column.task, []).append((column, cells))
    return list(groups.items())


def _fields(entry: BoardEntry) -> list[tuple[str, Any]]:
    known: list[tuple[str, Any]] = [
        *backbone_fields(entry),
        ("Pretrained on", entry.pretraining),
        ("Parameters", quantity_or_nothing(entry.parameters)),
        ("GFLOPs per picture", quantity_or_nothing(entry.gflops)),
        ("Images per second", speed_text(entry)),
        ("Weights (SHA-256)", shown(entry.weights_sha256)),
    ]
    return [(name, value) for name, value in known if value]
