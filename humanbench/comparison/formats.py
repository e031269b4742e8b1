"""A comparison as Markdown and as JUnit XML; names in it may be anything, so all text is escaped."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterable, Sequence
from xml.etree import ElementTree as ET

from humanbench.comparison.report import (
    BoardAverage,
    CellReport,
    ComparisonRecord,
    CostReport,
    GapChange,
    GroupChange,
    GroupingChange,
    TogetherReport,
    boards,
)
from humanbench.comparison.verdicts import Verdict
from humanbench.metrics.directions import direction
from humanbench.names import shown
from humanbench.results.cells import lists_by

MARKER = "<!-- humanbench compare -->"
"""First line of the Markdown: how an earlier comment is found again."""

MARKS = {"better": "▲ better", "worse": "▼ worse", "no difference": "no difference", "not comparable": "not comparable"}

REGRESSION = "▼ regression"

FOLDED = 3
"""Cells that cannot be compared for one reason, from which on they share a row."""

_LONGEST = 400
"""Characters of a name or message that are shown."""

CELLS = ("dataset", "metric", "BASE", "NEW", "difference", "95 % interval", "p (Holm)", "detects", "verdict")
"""Columns of a cell's row; `detects` is the detectable drop."""

TOGETHER = ("together", "cells", "weighted change", "95 % interval", "p (Holm)", "detects", "verdict")
"""Columns of the row of a board or task."""

DETECTS = "detects: the smallest drop that 80 % of comparisons like this would have called a regression"
_AVERAGES = ("scenario", "cells", "mean rank BASE", "mean rank NEW", "mean relative change")


def headline(report: ComparisonRecord) -> str:
    """The outcome in one sentence."""
    compared, regressions, together = len(report.comparable), report.regressions, report.together_regressions
    verdicts = [cell.verdict for cell in report.cells]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("better", "worse", "no difference", "not comparable"))
    if not compared:
        return f"None of {_number_of(len(verdicts), 'cell')} can be compared."
    groups = [f"{group.group} {signed(group.change)} % over {_number_of(group.cells, 'cell')}" for group in together]
    worse = f" Worse together: {', '.join(groups)}." if groups else ""
    if not regressions:
        first = "No regression of a single cell" if groups else "No regression"
        return f"{first} in {_number_of(compared, 'cell')} ({counts}).{worse}"
    named = ", ".join(f"{cell.dataset} {cell.metric} {signed(cell.difference)}" for cell in regressions)
    return f"{_number_of(len(regressions), 'regression')} in {_number_of(compared, 'cell')}: {named} ({counts}).{worse}"


def _number_of(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"


def signed(value: float) -> str:
    """A difference with its sign, two decimals."""
    return "–" if math.isnan(value) else f"{value:+.2f}".replace("-", "−")


def cell_row(cell: CellReport) -> tuple[str, ...]:
    """The columns of a cell's row, as plain text."""
    metric = f"{cell.metric} {direction(cell.metric).arrow}" if cell.metric else ""
    base, new = _value(cell.base, cell.base_seeds), _value(cell.new, cell.new_seeds)
    if not cell.comparable:
        return cell.dataset, metric, base, new, "", "", "", "", f"not comparable: {cell.problem}"
    interval = f"{signed(cell.low)} to {signed(cell.high)}"
    verdict = REGRESSION if cell.regression else MARKS[cell.verdict]
    verdict += " (unpaired)" if cell.method == "unpaired" else ""
    numbers = signed(cell.difference), interval, p_text(cell.corrected), f"{cell.detectable:.2f}"
    return cell.dataset, metric, base, new, *numbers, verdict


def together_row(group: TogetherReport) -> tuple[str, ...]:
    """The columns of the row of a board or task."""
    interval = f"{signed(group.low)} to {signed(group.high)} %"
    verdict = REGRESSION if group.regression else MARKS[group.verdict]
    change, detects = f"{signed(group.change)} %", f"{group.detectable:.2f} %"
    return group.group, str(group.cells), change, interval, p_text(group.corrected), detects, verdict


def folded_cells(cells: Sequence[CellReport]) -> list[list[CellReport]]:
    """Each cell alone; from FOLDED on, those that cannot be compared for one reason together, at the first's place."""
    alike = lists_by((cell.problem, cell) for cell in cells if not cell.comparable)
    folded: list[list[CellReport]] = []
    for cell in cells:
        same = alike.get(cell.problem, []) if not cell.comparable else []
        if len(same) < FOLDED:
            folded.append([cell])
        elif cell is same[0]:
            folded.append(same)
    return folded


def folded_rows(cells: Sequence[CellReport]) -> list[tuple[tuple[str, ...], Verdict]]:
    """A row per cell, or cells that are folded, with its verdict."""
    return [(_folded_row(same), same[0].verdict) for same in folded_cells(cells)]


def _folded_row(same: Sequence[CellReport]) -> tuple[str, ...]:
    if len(same) == 1:
        return cell_row(same[0])
    names = ", ".join(one.dataset for one in same)
    return _folded_name(same), *[""] * (len(CELLS) - 2), f"not comparable: {same[0].problem} ({names})"


def _folded_name(same: Sequence[CellReport]) -> str:
    return same[0].dataset if len(same) == 1 else f"{len(same)} cells"


def average_row(average: BoardAverage) -> tuple[str, ...]:
    """The columns of an average's row."""
    change = "–" if math.isnan(average.change) else f"{signed(average.change)} %"
    return average.scenario, str(average.cells), f"{average.base_rank:.2f}", f"{average.new_rank:.2f}", change


COSTS = ("cost, median", "cells", "BASE", "NEW")
"""Columns of the row of a kind of cost."""

_COST_WORDS = {
    "trainable": ("trained parameters", 1, ""),
    "gflops": ("GFLOPs per picture", 1, ""),
    "backbone_bytes": ("storage of the backbone", 1e6, " MB"),
    "added_bytes": ("storage that a cell adds", 1e6, " MB"),
    "latency_ms": ("latency at batch 1", 1, " ms"),
    "images_per_second": ("pictures per second at batch 32", 1, ""),
    "memory_32_bytes": ("peak memory at batch 32", 1e6, " MB"),
    "joules_32": ("joules per picture at batch 32", 1, ""),
}


def cost_rows(report: ComparisonRecord, board: str) -> list[tuple[str, ...]]:
    """The kinds of cost of a board in which the sides differ; where they differ in none, one row of words."""
    rows = [_cost_row(cost) for cost in report.costs if cost.board == board]
    differing = [row for row in rows if row[2] != row[3]]
    if rows and not differing:
        return [("the same on both sides", rows[0][1], "", "")]
    return differing


def _cost_row(cost: CostReport) -> tuple[str, ...]:
    words, unit, ending = _COST_WORDS[cost.cost]

    def text(value: float) -> str:
        count = value / unit
        whole = count >= 1000 or float(count).is_integer()
        return f"{count:,.0f}{ending}" if whole else f"{count:.3g}{ending}"

    return words, str(cost.cells), text(cost.base), text(cost.new)


def group_head(grouping: GroupingChange) -> tuple[str, ...]:
    """What heads the columns of a grouping's rows."""
    metric = f"{grouping.metric} {direction(grouping.metric).arrow}"
    head = f"{grouping.dataset} {metric} by {grouping.name}"
    return head, grouping.members, "BASE", "NEW", "difference", "95 % interval"


def group_rows(grouping: GroupingChange) -> list[tuple[str, ...]]:
    """A row per group, and one for the gap of the two that lie furthest apart."""
    rows: list[tuple[str, ...]] = [(group.name, str(group.n), *_change(group)) for group in grouping.groups]
    if (gap := grouping.gap) is not None:
        rows.append((f"gap: {gap.best} − {gap.worst}", "", *_change(gap)))
    return rows


def _change(of: GroupChange | GapChange) -> tuple[str, str, str, str]:
    if math.isnan(of.difference):
        return "–", "–", "", ""
    interval = f"{signed(of.low)} to {signed(of.high)}" if math.isfinite(of.low) else ""
    return f"{of.base:.2f}", f"{of.new:.2f}", signed(of.difference), interval


GROUPS_SAY = (
    "By group: every resample draws the same test units for both runs; training seeds are not in these intervals, and "
    "nothing is corrected over groups"
)


def notes(report: ComparisonRecord) -> list[str]:
    """What was noted of cells, each said once with the cells it is about."""
    names_by_note = lists_by((note, cell.dataset) for cell in report.cells for note in cell.notes)
    return [f"{', '.join(dict.fromkeys(names))}: {note}" for note, names in names_by_note.items()]


def sides(report: ComparisonRecord) -> tuple[str, str]:
    """Both runs with their backbones."""
    base, new = ", ".join(report.base_backbones), ", ".join(report.new_backbones)
    return f"{report.base} ({base})", f"{report.new} ({new})"


def markdown(report: ComparisonRecord) -> str:
    """Tables per board, averages, notes."""
    base, new = (f"<code>{escaped(text)}</code>" for text in sides(report))
    parts = [f"{MARKER}\n### humanbench compare", f"{escaped(headline(report))}", f"BASE {base}\nNEW {new}"]
    for board, cells in boards(report.cells).items():
        averages = [average for average in report.averages if average.board == board]
        parts += [f"**{escaped(board)}**", table(CELLS, (row for row, _ in folded_rows(cells)), "llrrrrrrl")]
        together = [group for group in report.together if group.board == board]
        if together:
            parts.append(table(TOGETHER, map(together_row, together), "lrrrrrl"))
        if averages:
            parts.append(table(_AVERAGES, map(average_row, averages), "lrrrr"))
        if costs := cost_rows(report, board):
            parts.append(f"<details><summary>Cost</summary>\n\n{table(COSTS, costs, 'lrrr')}\n\n</details>")
        for grouping in report.groups:
            if grouping.board == board:
                parts.append(table([escaped(text) for text in group_head(grouping)], group_rows(grouping), "lrrrrr"))
    if report.groups:
        parts.append(f"<sub>{GROUPS_SAY}.</sub>")
    if listed := [*notes(report), *report.groups_absent]:
        parts.append("\n".join(f"- {escaped(note)}" for note in listed))
    if report.comparable:
        parts.append(f"<sub>{_footnote(report)}</sub>")
    return "\n\n".join(parts) + "\n"


def _footnote(report: ComparisonRecord) -> str:
    """What the columns and rows that are there mean."""
    methods = {cell.method for cell in report.comparable}
    ways = {"paired": f"{report.resamples} paired resamples", "unpaired": "unpaired: from the recorded intervals"}
    units = "; ".join(text for name, text in ways.items() if name in methods)
    together = ", and over all groups of cells taken together" if report.together else ""
    change = " The weighted change is in percent of BASE, positive where NEW is better." if report.together else ""
    several = any(max(cell.base_seeds, cell.new_seeds) > 1 for cell in report.cells)
    return (
        f"{'Values are means over the training seeds. ' if several else ''}Differences are NEW − BASE. "
        f"Intervals and p-values hold test units ({units}) and training seeds; p is corrected over all cells{together}"
        f". ▲ ▼ where p &lt; 0.05; a regression is larger than its margin too.{change} {DETECTS.capitalize()}."
        f"{' ' + escaped(reason) if (reason := not_together(report)) else ''}"
    )


def not_together(report: ComparisonRecord) -> str:
    """Why there is no row of cells together, in a sentence; empty where there is one, or nothing is compared."""
    if report.together or not report.comparable:
        return ""
    count = len(report.comparable)
    return (
        "Nothing is judged together: that takes two cells of a board that can be compared and whose BASE is not 0, "
        f"and there {'is' if count == 1 else 'are'} {_number_of(count, 'cell')} in all."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> str:
    """A Markdown table of escaped text; `alignment` has `l` or `r` per column."""
    return rows_of(head, ([escaped(text) for text in row] for row in rows), alignment)


def rows_of(head: Sequence[str], rows: Iterable[Sequence[str]], alignment: str) -> str:
    """A Markdown table of cells that are Markdown already."""
    rule = ["---:" if side == "r" else "---" for side in alignment]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, links, mentions or line breaks."""
    flat = html.escape(_printable(text), quote=False)
    return re.sub(r"([\\`*_\[\]|~#@!])", lambda match: f"&#{ord(match[0])};", flat)


def _printable(text: str) -> str:
    return shown(text, _LONGEST)


def _value(value: float, seeds: int) -> str:
    text = "–" if math.isnan(value) else f"{value:.2f}"
    return f"{text} ({seeds} seeds)" if seeds > 1 else text


def p_text(p: float) -> str:
    """A p-value with three decimals, never shown as 0."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def junit(report: ComparisonRecord) -> str:
    """A suite per board; what CI systems show as test results."""
    root = ET.Element("testsuites", name="humanbench compare")
    for board, cells in boards(report.cells).items():
        groups = [group for group in report.together if group.board == board]
        folded = folded_cells(cells)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_printable(board),
            tests=str(len(folded) + len(groups)),
            failures=str(sum(c.regression for c in cells) + sum(g.regression for g in groups)),
            skipped=str(sum(not same[0].comparable for same in folded)),
            errors="0",
        )
        for same in folded:
            first = same[0]
            row = zip(CELLS, _folded_row(same), strict=True)
            case = _case(suite, board, _folded_name(same), row, first.regression)
            if not first.comparable:
                case.insert(0, ET.Element("skipped", message=_printable(first.problem)))
        for group in groups:
            row = zip(TOGETHER, together_row(group), strict=True)
            _case(suite, board, f"together: {group.group}", row, group.regression)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, board: str, name: str, row: Iterable[tuple[str, str]], regression: bool) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=_printable(board), name=_printable(name))
    message = _printable(", ".join(f"{column} {text}" for column, text in row if text))
    if regression:
        ET.SubElement(case, "failure", message=message)
    ET.SubElement(case, "system-out").text = message
    return case


FORMATS: dict[str, Callable[[ComparisonRecord], str]] = {
    "markdown": markdown,
    "json": ComparisonRecord.to_json,
    "junit": junit,
}
"""What a comparison can be turned into, by name."""
