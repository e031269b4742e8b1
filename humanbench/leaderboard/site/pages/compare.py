"""Two entries of a board side by side: a page that compares any two with a script, and pages of the first pairs.

The script reads a small file per entry, so a site of many entries holds no page per pair. What it shows is what the
pages show: the same numbers by the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from humanbench.leaderboard.model.boards import Board, EntryDifference, Ranked, counts, ground
from humanbench.leaderboard.site.costs import CostColumn, cost_columns
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import board_title, heading
from humanbench.leaderboard.site.rawdata import json_of
from humanbench.leaderboard.site.tables import TableColumn, columns_of, hue, interval_text, number, overall_rank, spread
from humanbench.results.cells import lists_by
from humanbench.results.noise import FREEDOM

PAIRED = 6
"""Entries of a table, from the first on, any two of which have a page."""
TABLES = 12
"""Tables of boards that have such pages."""
FOLDER = "data/compare"
"""Where the files lie that the script reads."""

SIDES = {
    "better": "better",
    "worse": "worse",
    "open": "not told apart",
    "corrected": "not told apart after correction",
    "not comparable": "not comparable: other recipe, data, metric or version",
    "absent": "",
}
"""What is said of the second entry against the first; `corrected` where only the interval of this dataset alone
is clear of zero."""


def pair_pages(content: Content) -> dict[tuple[str, str], str]:
    """The pages that are there, by the ids of their entries in either order."""
    return {key: path for _, one in _tables(content) for key, path in _paths(one).items()}


def _tables(content: Content) -> list[tuple[Board, Ranked]]:
    """The tables whose first pairs have pages; of two entries there is one difference, so an entry stands in one."""
    return [(board, one) for board, one in content.ranked if len(one.entries) > 1][:TABLES]


def _first(one: Ranked) -> list[int]:
    return [int(i) for i in one.ranking.order[:PAIRED]]


def _paths(one: Ranked) -> dict[tuple[str, str], str]:
    """Where pages of two entries lie, by their ids in either order; in its name the one that is ahead is first."""
    paths = {}
    for a, b in combinations([one.entries[i].id for i in _first(one)], 2):
        paths[a, b] = paths[b, a] = f"compare/{a}--{b}.html"
    return paths


def table_name(board: Board, one: Ranked) -> str:
    """What a table is called in addresses and files."""
    return f"{board.key.slug}-{one.evidence}"


def compare(content: Content) -> Iterable[Page]:
    """The page for any two entries, and those of the first pairs."""
    elsewhere: dict[tuple[str, str], list[tuple[str, str]]] = {}
    listed, made = [], []
    written: set[str] = set()
    for board, one in _tables(content):
        costs = cost_columns(one.entries)
        first, paths = _first(one), _paths(one)
        by_pair = {(a, b): one.pairs.between(a, b) for a, b in combinations(first, 2)}
        for (a, b), differences in by_pair.items():
            networks = one.entries[a].network, one.entries[b].network
            path = paths[one.entries[a].id, one.entries[b].id]
            if path in written:  # an entry with both kinds of evidence
                continue
            written.add(path)
            for key in (networks, networks[::-1]):
                elsewhere.setdefault(key, []).append((path, table_title(board, one)))
            made.append((path, _pair(board, one, a, b, differences, costs), networks))
        listed.append(_matrix(board, one, first, by_pair))
    yield Page("compare.html", "compare.html.j2", "Compare two", "compare", {"tables": listed})
    for path, context, networks in made:
        also = [(f"../{link}", text) for link, text in elsewhere[networks] if link != path]
        title = f"{context['names'][0]} and {context['names'][1]}"
        yield Page(path, "pair.html.j2", title, "compare", {**context, "also": also})


def table_title(board: Board, one: Ranked) -> str:
    """What a table is called on pages."""
    return ", ".join([board_title(board), *board.key.labels, one.evidence])


def _matrix(
    board: Board, one: Ranked, first: Sequence[int], by_pair: dict[tuple[int, int], list[EntryDifference]]
) -> dict[str, Any]:
    """Who is better on how many datasets: a row and a column for each of the first entries."""
    paths = _paths(one)
    rows = []
    for a in first:
        cells: list[tuple[str, str, str]] = []
        for b in first:
            if a == b:
                cells.append(("", "", ""))
                continue
            same_order = (a, b) in by_pair
            better, worse, still = counts(by_pair[(a, b) if same_order else (b, a)])
            if same_order:  # the difference is the second minus the first
                better, worse = worse, better
            text = f"better on {better}, worse on {worse}, not told apart on {still}"
            cells.append((f"{better} : {worse}", text, paths[one.entries[a].id, one.entries[b].id]))
        rows.append((one.entries[a].name, f"entries/{one.entries[a].id}.html", int(one.ranking.rank[a]), cells))
    return {
        **heading(board, one.evidence),
        "name": table_name(board, one),
        "rows": rows,
        "more": len(one.entries) - len(first),
    }


def _pair(
    board: Board, one: Ranked, a: int, b: int, differences: Sequence[EntryDifference], costs: Sequence[CostColumn]
) -> dict[str, Any]:
    entries = one.entries[a], one.entries[b]
    better, worse, still = counts(differences)
    columns = columns_of([difference.dataset for difference in differences])
    groups = lists_by((c.task, _row(c, difference)) for c, difference in zip(columns, differences, strict=True))
    return {
        "names": [entry.name for entry in entries],
        "links": [f"../entries/{entry.id}.html" for entry in entries],
        "board": (f"../boards/{board.key.slug}.html", board_title(board)),
        "labels_of": (*board.key.labels, one.evidence),
        "counts": (better, worse, still),
        "about_rows": [
            ("Overall rank", *(overall_rank(one, i) for i in (a, b))),
            *((_cost_head(cost), *(cost.text(entry) for entry in entries)) for cost in costs),
        ],
        "groups": list(groups.items()),
    }


def _cost_head(cost: CostColumn) -> str:
    return f"{cost.head} ({cost.unit})" if cost.unit else cost.head


def _row(column: TableColumn, one: EntryDifference) -> dict[str, Any]:
    known = math.isfinite(one.value)
    clear = one.side == "open" and (one.low > 0 or one.high < 0)
    sign = "+" if one.value > 0 else ""
    return {
        "column": column,
        "values": [(number(s.value, 2), spread(s, 2)) if s else ("–", "") for s in (one.first, one.second)],
        "difference": f"{sign}{number(one.value, 2)}" if known else "–",
        "interval": interval_text(one.low, one.high, 2).replace("–", " to ") if known else "",
        "side": one.side,
        "text": SIDES["corrected" if clear else one.side],
    }


def compare_files(content: Content) -> Iterator[tuple[str, str]]:
    """The files that the script reads, with their paths from the site's top: a list of all, and one for each entry.

    They are scripts, as a page that was opened from the disk may read nothing else.
    """
    of_entry: dict[str, dict[str, Any]] = {}
    listed = []
    datasets: set[str] = set()
    for board, one in content.ranked:
        name, costs = table_name(board, one), cost_columns(one.entries)
        scores = [_numbers(one, column) for column in range(len(one.columns))]
        datasets |= set(one.columns)
        for i, entry in enumerate(one.entries):
            cells = {dataset: of[i] for dataset, of in zip(one.columns, scores, strict=True) if i in of}
            rank_and_costs = [overall_rank(one, i), *(cost.text(entry) for cost in costs)]
            of_entry.setdefault(entry.id, {})[name] = {"about": rank_and_costs, "cells": cells}
        listed.append(_listed(board, one, name, costs))
    known = {}
    for c in columns_of(sorted(datasets)):
        known[c.id] = {"short": c.short, "name": c.name, "task": c.task, "hue": hue(c.task)}
        known[c.id] |= {"metric": c.metric, "arrow": c.arrow}
    document = {"tables": listed, "datasets": known, "sides": SIDES, "freedom": FREEDOM}
    yield f"{FOLDER}/index.js", f"humanbench.index({_script(document)});\n"
    for name, tables in of_entry.items():
        yield f"{FOLDER}/{name}.js", f"humanbench.entry({_script(name)},{_script(tables)});\n"


def _script(value: Any) -> str:
    """JSON that is a JavaScript expression, wherever it stands."""
    return json_of(value).rstrip("\n").replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _numbers(one: Ranked, column: int) -> dict[int, list[Any]]:
    """By entry what its cell's difference with any other is reckoned from: the ground, half of the interval, the terms
    of `humanbench.results.apart` at 95 %, and the factor of its units at the level of the ranks."""
    ranks, usual = one.ranking.columns[column], one.pairs.usual[column]
    terms, corrected = usual.terms(), ranks.numbers.terms()
    by_row = {}
    for i, entry in enumerate(one.entries):
        if ranks.rank[i]:
            score, at = entry.scores[one.columns[column]], int(ranks.places[i])
            numbers = [score.number.half, *terms[at], corrected[at][3]]
            by_row[i] = [ground(score), *(value if math.isfinite(value) else None for value in numbers)]
    return by_row


def _listed(board: Board, one: Ranked, name: str, costs: Sequence[CostColumn]) -> dict[str, Any]:
    quantiles = [
        max((of.quantiles() for of in columns), key=len)
        for columns in (one.pairs.usual, [column.numbers for column in one.ranking.columns])
    ]
    return {
        "name": name,
        "title": board_title(board),
        "labels": [*board.key.labels, one.evidence],
        "link": f"boards/{board.key.slug}.html",
        "columns": list(one.columns),
        "quantiles": quantiles,
        "about": ["Overall rank", *map(_cost_head, costs)],
        "entries": [[one.entries[i].id, one.entries[i].name, one.entries[i].network] for i in one.ranking.order],
    }
