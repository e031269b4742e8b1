"""A page per entry, with everything needed to run it again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from humanbench.by_group import SubgroupReport, table
from humanbench.cards import load_card
from humanbench.leaderboard.model.boards import Board, HeadToHead, Ranked, heads_to_heads
from humanbench.leaderboard.model.entries import BoardEntry, Score
from humanbench.leaderboard.site import charts, dot_charts, tables
from humanbench.leaderboard.site.charts import quantity_or_nothing
from humanbench.leaderboard.site.costs import energy_text, memory_text, speed_text, storage_text
from humanbench.leaderboard.site.pages.compare import pair_pages
from humanbench.leaderboard.site.pages.drawn import failing
from humanbench.leaderboard.site.pages.page import Content, Page
from humanbench.leaderboard.site.pages.words import (
    backbone_fields,
    board_title,
    regime_about,
    regime_title,
    suite_title,
)
from humanbench.leaderboard.site.tables import TableColumn, columns_of, number
from humanbench.metrics.directions import CALIBRATION, PARTS, direction, part_of
from humanbench.metrics.scores import ALL
from humanbench.names import shown
from humanbench.results import Provenance, Result
from humanbench.results.cells import lists_by
from humanbench.results.columns import columns_of_results, main_metric, part_name
from humanbench.scoring import error_by_chance

_MOST_COMPARED = 100
"""Entries of a board whose pairs are counted: they are as many as its square."""


_TOGETHER = 50
"""Pages of a group."""


def entries(content: Content) -> list[Callable[[], Iterable[Page]]]:
    """All entries, withdrawn ones too, in groups."""
    place = {board.key: board for board in content.boards}
    ends = {key: _best_and_last(board.ranked()) for key, board in place.items()}
    ranks = content.dataset_ranks()
    beside_it, pages, fails = _neighbours(content), pair_pages(content), failing(content)

    def page_of(entry: BoardEntry) -> Page:
        board = place.get(entry.board) if entry.scores else None
        page = _entry(entry, board, ends.get(entry.board, []), ranks.get(entry.id, {}), content)
        page.context.update(failing=entry.id in fails, neighbours=beside_it.get(entry.id, []), pages=pages)
        return page

    groups = range(0, len(content.entries), _TOGETHER)
    return [partial(map, page_of, content.entries[start : start + _TOGETHER]) for start in groups]


def _neighbours(content: Content) -> dict[str, list[HeadToHead]]:
    """By entry the others beside it on its board; of several kinds of evidence the first. None of large boards."""
    neighbours: dict[str, list[HeadToHead]] = {}
    for _, ranked in content.ranked:
        if len(ranked.entries) <= _MOST_COMPARED:
            neighbours = heads_to_heads(ranked) | neighbours
    return neighbours


def _best_and_last(ranked: list[Ranked]) -> list[dot_charts.Line]:
    """The best and the worst value of a board on every dataset, for the charts of any of its entries, which show the
    datasets that the entry has a value on."""
    best, last = dict[str, tuple[float, float, float]](), dict[str, tuple[float, float, float]]()
    for name in columns_of_results({name for one in ranked for name in one.columns}):
        values = [e.scores[name].value for one in ranked for e in one.entries if name in e.scores]
        values.sort(reverse=direction(main_metric(name)).higher_is_better)
        best[name], last[name] = (values[0], math.nan, math.nan), (values[-1], math.nan, math.nan)
    return [dot_charts.Line("best of the board", best), dot_charts.Line("last of the board", last)]


def _entry(
    entry: BoardEntry, board: Board | None, ends: list[dot_charts.Line], ranks: dict[str, str], content: Content
) -> Page:
    results = entry.results
    provenance = next((r.provenance for r in results if r.provenance), None)
    beside = len(content.networks.get(entry.network, ())) > 1
    columns = columns_of(columns_of_results(set(entry.scores)))
    context = {
        "entry": entry,
        "regime_text": regime_title(entry.board.regime),
        "backbone_link": f"../backbones/{entry.network}.html" if beside and board and not entry.withdrawn else "",
        "board_link": f"../boards/{board.key.slug}.html#{entry.id}" if board and not entry.withdrawn else "",
        "board_title": board_title(board) if board else "",
        "fields": _entry_fields(entry),
        "groups": _groups(entry, columns, ranks),
        "failures": [(shown(r.dataset, 40), shown(r.reason or "no value to show", 300)) for r in entry.others],
        "parts": list(_parts(entry, columns)),
        "subgroups": list(_subgroups(entry, columns, content.groups)),
        "calibrations": list(_calibrations(entry, columns)),
        "curves": list(_curves(entry, columns)),
        **dot_charts.charts_of("dots", columns, _against_board(entry, ends), "../", not entry.board.synthetic),
        "commands": rerun_commands(entry),
        "recorded": list(dict.fromkeys(shown(r.provenance.command, 1000) for r in results if r.provenance)),
        "cells": tables.filled(_CELL, [_cell(r) for r in results]),
        "environment": _environment(provenance) if provenance else [],
    }
    return Page(f"entries/{entry.id}.html", "entry.html.j2", entry.name, "", context)


def _against_board(entry: BoardEntry, ends: list[dot_charts.Line]) -> list[dot_charts.Line]:
    """The entry, the best and the worst of its board, where there is any other."""
    values = [{line.values[name][0] for line in ends if name in line.values} for name in entry.scores]
    return [*dot_charts.entry_lines([entry]), *ends] if any(len(both) > 1 for both in values) else []


def _entry_fields(entry: BoardEntry) -> list[tuple[str, str | Markup]]:
    known: list[tuple[str, str | Markup]] = [
        *backbone_fields(entry),
        ("Weights (SHA-256)", shown(entry.weights_sha256)),
        ("Pretrained on", entry.pretraining),
        ("Regime", f"{shown(entry.board.regime, 20)}: {regime_about(entry.board.regime)}"),
        ("Suite", suite_title(entry.board.suite)),
        ("Parameters", quantity_or_nothing(entry.parameters)),
        ("Trained parameters", quantity_or_nothing(entry.trained)),
        (
            "GFLOPs per picture",
            f"{quantity_or_nothing(entry.gflops)} in the backbone" if math.isfinite(entry.gflops) else "",
        ),
        ("Images per second", speed_text(entry)),
        ("Peak memory", memory_text(entry)),
        ("Energy per picture", energy_text(entry)),
        ("Storage", storage_text(entry)),
        ("Submitted by", shown(entry.submitter, 100)),
        ("Submission", entry.submission),
        ("Date", entry.date),
    ]
    return [(name, value) for name, value in known if value]


def _parts(entry: BoardEntry, columns: list[TableColumn]) -> Iterator[dict[str, Any]]:
    """By dataset the numbers of the parts of its labels: classes, attributes, joints. Names are those of its card."""
    for column in columns:
        score, rows = entry.scores[column.id], dict[str, dict[str, tuple[str, str]]]()
        families: dict[str, str] = {}
        for metric in score.results[0].metrics:
            if (family_and_part := part_of(metric)) is not None:
                family = family_and_part[0]
                families[family] = f"{family} {direction(metric).arrow}"
                rows.setdefault(part_name(column.id, metric), {})[family] = _part_number(score.results, metric)
        if rows:
            what = PARTS[next(iter(families))]
            numbers = [(name, [of.get(family, ("–", "")) for family in families]) for name, of in rows.items()]
            head = {"dataset": column.id, "name": column.name, "what": what, "families": list(families.values())}
            yield {**head, "rows": numbers}


def _part_number(results: Sequence[Result], metric: str) -> tuple[str, str]:
    """Mean over the seeds, and of the interval of test units."""
    listed = [r.metrics[metric] for r in results if metric in r.metrics]
    value, low, high = (sum(getattr(m, end) for m in listed) / len(listed) for end in ("value", "low", "high"))
    return number(value), tables.interval_text(low, high)


def _subgroups(
    entry: BoardEntry, columns: list[TableColumn], groups: Mapping[str, SubgroupReport]
) -> Iterator[dict[str, Any]]:
    """By dataset the tables of the first seed of which there are metrics by group."""
    for column in columns:
        hashes = [r.provenance.predictions_sha256 for r in entry.scores[column.id].results if r.provenance]
        report = next((groups[sha] for sha in hashes if sha in groups), None)
        if report is None or report.main != entry.scores[column.id].metric:
            continue
        made = []
        for grouping in report.groupings[:20]:
            shown_table = table(grouping, f"{report.main} {direction(report.main).arrow}", report.least)
            rows = [[shown(text, 60) for text in row] for row in shown_table.rows[:200]]
            last = rows.pop() if grouping.gap is not None else None
            made.append(([shown(text, 60) for text in shown_table.head], shown(grouping.about, 200), rows, last))
        yield {"dataset": column.id, "name": column.name, "tables": made}


_WORDS = {
    "ECE": ("probability that an attribute is there", "how often it is"),
    "D-ECE": ("score of detections", "how many of them are right"),
}
"""Of a calibration error what was predicted, and what was observed."""


def _calibrations(entry: BoardEntry, columns: list[TableColumn]) -> Iterator[dict[str, Any]]:
    """By dataset the reliability plots of the first seed, all cases together first, and what to read beside them."""
    for column in columns:
        result = entry.scores[column.id].results[0]
        metric = next((name for name in CALIBRATION if name in result.metrics), None)
        if metric is None or not result.reliability:
            continue
        predicted, observed = _WORDS[metric]
        plots = []
        for position, (name, curve) in enumerate(result.reliability.items()):
            points = list(zip(curve.predicted, curve.observed, curve.n, strict=True))
            words = "all together" if name == ALL else shown(name, 60)
            key, title = f"reliability-{column.id}-{position}", f"{column.short}: {words}"
            if plot := charts.reliability(key, title, points, "predicted, %", "observed"):
                plots.append((words, plot))
        value, remains = result.metrics[metric], error_by_chance(result.reliability)
        yield {
            "dataset": column.id,
            "name": column.name,
            "metric": metric,
            "value": number(value.value, 2),
            "interval": tables.interval_text(value.low, value.high, 2),
            "remains": number(remains, 2),
            "predicted": predicted,
            "observed": observed,
            "plots": plots,
        }


def _curves(entry: BoardEntry, columns: list[TableColumn]) -> Iterator[tuple[str, Markup]]:
    """A small chart of the loss over the epochs for each finetuning that kept one."""
    for column in columns:
        for result in entry.scores[column.id].results:
            if not result.history:
                continue
            losses = [_loss(epoch) for epoch in result.history]
            name = f"{column.short}, seed {result.seed}" if len(entry.scores[column.id].results) > 1 else column.short
            if chart := charts.curve(f"curve-{column.id}-{result.seed}", f"Loss on {name}", losses):
                yield name, chart


def _loss(epoch: Mapping[str, float | None]) -> float:
    """The loss of an epoch: the term of this name, else the sum of all."""
    if "loss" in epoch:
        return math.nan if epoch["loss"] is None else epoch["loss"]
    return sum(math.nan if value is None else value for value in epoch.values()) if epoch else math.nan


_ROW = (
    '<tr id="%s"><th scope="row"><a href="../datasets/%s.html">%s</a></th>'  # dataset
    '<td class="tight">%s</td><td class="n strong">%s</td><td class="n">%s</td><td class="n">%s</td>'  # up to the rank
    '<td><span class="label l-%s">%s</span></td>'  # evidence
    '<td class="tight">%s</td><td>%s</td><td class="n">%s</td><td class="muted">%s</td></tr>\n'  # scenario and so on
)


def _groups(entry: BoardEntry, columns: list[TableColumn], ranks: dict[str, str]) -> list[tuple[str, Markup]]:
    """Task and rows, in the order of the boards."""
    groups = lists_by((c.task, _entry_row(entry.scores[c.id], ranks.get(c.id, ""))) for c in columns)
    return [(task, tables.filled(_ROW, rows)) for task, rows in groups.items()]


@lru_cache(maxsize=256)
def _reported(dataset: str) -> tuple[str, ...]:
    """Metrics that stand beside the main one."""
    evaluation = load_card(dataset).evaluation
    reported = evaluation.report[1:] if evaluation else ()
    return (*reported, *(name for name in CALIBRATION if name not in reported))


def _entry_row(score: Score, rank_text: str) -> Sequence[str]:
    card = load_card(score.dataset)
    last = score.results[0]
    reported = _reported(score.dataset)
    beside = [f"{name} {number(last.metrics[name].value, 2)}" for name in reported if name in last.metrics]
    return [
        card.id,
        card.id,
        card.name,
        f"{score.metric} {direction(score.metric).arrow}",
        number(score.value, 2),
        tables.interval_text(score.low, score.high, 2),
        rank_text,
        score.evidence,
        score.evidence,
        shown(score.scenario, 30),
        card.task,
        f"{score.number.n:,} × {shown(last.unit, 20)}" if last.unit else f"{score.number.n:,}",
        ", ".join(beside),
    ]


_HASH = '<span title="%s">%s</span>'
_CELL = (
    f'<tr><th scope="row">%s {_HASH}</th><td>%s</td><td>%s</td>'
    + 5 * f"<td>{_HASH}</td>"
    + "<td>%s</td><td>%s</td><td>%s</td></tr>\n"
)


def _cell(result: Result) -> Sequence[str]:
    p, cell = result.provenance, result.cell
    hashes = [cell.recipe_sha256, cell.data_sha256]
    hashes += [p.dataset_fingerprint, p.freeze_sha256, p.predictions_sha256] if p else ["", "", ""]
    row = [shown(result.dataset, 40), *_hash(cell.id), str(result.seed), number(result.value, 2)]
    for text in hashes:
        row += _hash(text)
    return [*row, f"{result.trainable:,}", _cost(result), str(result.epochs)]


def _cost(result: Result) -> str:
    cost = result.cost
    return f"{number(cost.gflops, 2)} at {cost.height} × {cost.width}" if cost else ""


def _hash(text: str) -> tuple[str, str]:
    """All digits for under the pointer, and the first ones to be shown."""
    whole = shown(text)
    return whole, whole[:12]


def _environment(provenance: Provenance) -> list[tuple[str, str]]:
    state = {True: " with changes", False: "", None: ""}[provenance.git_dirty]
    packages = ", ".join(f"{shown(k, 30)} {shown(v, 30)}" for k, v in list(provenance.packages.items())[:40])
    known = [
        ("humanbench", shown(provenance.humanbench, 30)),
        ("Commit", shown(provenance.git_commit or "", 60) + state),
        ("Python", shown(provenance.python, 30)),
        ("System", shown(provenance.platform)),
        ("Device", shown(provenance.device)),
        ("Processes", str(provenance.processes)),
        ("Started", shown(provenance.started, 40)),
        ("Packages", packages),
    ]
    return [(name, value) for name, value in known if value]


def rerun_commands(entry: BoardEntry) -> list[str]:
    """A command per seed and set of overrides that finetunes all cells of the entry again."""
    key = entry.board
    groups: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for result in entry.results:
        overrides = _overrides(result.provenance.command) if result.provenance else ()
        names = groups.setdefault((result.seed, overrides), [])
        names += [shown(result.dataset, 40)] if result.dataset not in names else []
    again = entry.submission and not entry.withdrawn and not key.not_shipped
    commands = [f"humanbench leaderboard rerun {entry.id}"] if again else []
    for (seed, overrides), datasets in sorted(groups.items()):
        words = ["humanbench", "eval", "--backbone", shown(entry.backbone, 200)]
        words += ["--checkpoint", shown(entry.checkpoint, 300)] if entry.checkpoint else []
        words += ["--protocol", shown(key.regime, 30), "--datasets", ",".join(datasets)]
        words += ["--suite", shown(key.suite, 30)] if key.suite != "humanbench-v1" else []
        words += ["--variant", shown(key.variant, 60)] if key.variant else []
        cell = next(iter(entry.results)).cell
        words += ["--fraction", f"{cell.fraction:g}", "--draw", str(cell.draw)] if cell.fraction is not None else []
        words += ["--corrupt", cell.corruption] if cell.corruption is not None else []
        words += ["--subset", f"{shown(key.subset, 60)}.csv"] if key.subset else []
        commands.append(shlex.join([*words, *overrides, "--seed", str(seed)]))
    return commands


_OWN = ("--arch", "--mean", "--std", "--interpolation", "--pretrained-on", "--set")
"""Options of `eval` that are about the network or the recipe."""


@lru_cache(maxsize=4096)
def _overrides(command: str) -> tuple[str, ...]:
    """Architecture and overrides of a recorded command; where data lay on that machine is no part of them."""
    if not any(option in command for option in _OWN):  # nearly always, and taking it apart takes long
        return ()
    try:
        words = shlex.split(command[:4000])
    except ValueError:
        return ()
    pairs = [(option, value) for option, value in pairwise(words) if option in _OWN]
    settings = [(option, shown(value, 80)) for option, value in pairs if not value.startswith("datasets.")]
    return tuple(word for pair in settings for word in pair)
