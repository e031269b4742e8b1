"""Results as CSV: a row per result and metric."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from humanbench.by_group import Gap, GroupValue, SubgroupReport
from humanbench.comparison.groups import stored_subgroups
from humanbench.errors import DataWarning
from humanbench.metrics.directions import direction
from humanbench.names import spreadsheet
from humanbench.results import Result
from humanbench.results.columns import part_name
from humanbench.results.loading import COSTS, costs_of
from humanbench.results.stored import StoredResult
from humanbench.scoring import Metric

_ABOUT = ("backbone", "checkpoint", "suite", "regime", "variant", "dataset", "task", "scenario", "seed", "status")
_MORE = ("synthetic", "procedural", "subset", "fraction", "draw", "corruption", "split")
_NUMBER = ("metric", "main", "higher_is_better", "value", "low", "high", "n", "unit")
COLUMNS = (*_ABOUT, *_MORE, *_NUMBER, "cell", "reason", "part", *COSTS, "device", "grouping")


def csv_table(entries: Iterable[StoredResult]) -> str:
    """The results with every metric that has a direction; a failed one has a row without a metric.

    Where `humanbench groups` was run, also the main metric of each group and the largest gap: `grouping` says by what,
    `part` of which group, `n` and `unit` count its members. Groups that are no longer those of a result are left out,
    and a `DataWarning` says so.
    """
    listed = list(entries)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    groups = _groups(listed)
    for entry in listed:
        rows = list(_rows(entry.result))
        writer.writerows(rows)
        known = entry.result.provenance
        if known is not None and (report := groups.get((entry.folder, known.predictions_sha256))) is not None:
            writer.writerows(_group_rows(rows[0], report))
    return text.getvalue()


def _groups(entries: Sequence[StoredResult]) -> dict[tuple[Path, str], SubgroupReport]:
    """What lies in the run folders, by folder and predictions."""
    reports: dict[tuple[Path, str], SubgroupReport] = {}
    for folder in dict.fromkeys(entry.folder for entry in entries):
        for report in stored_subgroups(folder, [entry.result for entry in entries if entry.folder == folder]):
            if isinstance(report, str):
                warnings.warn(report, DataWarning, stacklevel=4)
            else:
                reports[folder, report.predictions_sha256] = report
    return reports


def _group_rows(row: dict[str, object], report: SubgroupReport) -> Iterator[dict[str, object]]:
    way = direction(report.main).higher_is_better
    for grouping in report.groupings:
        named = row | {"main": "false", "unit": grouping.members, "grouping": grouping.name}
        for group in grouping.groups:
            part = {"metric": report.main, "higher_is_better": str(way).lower(), "n": group.n, "part": group.name}
            yield named | _interval(group) | part
        if (gap := grouping.gap) is not None:
            members = sum(group.n for group in grouping.groups if group.name in (gap.best, gap.worst))
            part = {"metric": f"largest gap of {report.main}", "higher_is_better": "false", "n": members}
            yield named | _interval(gap) | part | {"part": f"{gap.best} − {gap.worst}"}


def _interval(number: Metric | GroupValue | Gap) -> dict[str, object]:
    """The value with the ends of its interval; empty texts for what is not known."""
    ends = {"value": number.value, "low": number.low, "high": number.high}
    return {name: "" if math.isnan(end) else end for name, end in ends.items()}


def _rows(result: Result) -> Iterable[dict[str, object]]:
    row: dict[str, object] = {name: _text(getattr(result, name)) for name in (*_ABOUT, *_MORE)}
    row |= {"unit": result.unit, "cell": result.cell.id, "reason": _text(result.reason)}
    if result.status == "done":
        row |= {name: _text(value) for name, value in costs_of(result).items()}
        row["device"] = _text(result.provenance.device if result.provenance else None)
    if not result.metrics:
        yield row
    for name, metric in result.metrics.items():
        way = str(direction(name).higher_is_better).lower()
        part = _text(part_name(result.dataset, name))
        main = str(name == result.main).lower()
        texts = {"metric": name, "main": main, "higher_is_better": way, "part": part}
        yield row | _interval(metric) | texts | {"n": metric.n}


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ""
    return spreadsheet(value) if isinstance(value, str) else value
