"""Results as CSV: a row per result and metric."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from humanbench.metrics.directions import direction
from humanbench.names import spreadsheet
from humanbench.results import Result
from humanbench.results.columns import part_name
from humanbench.results.costs import COSTS, costs_of
from humanbench.results.stored import StoredResult

_ABOUT = ("backbone", "checkpoint", "suite", "regime", "variant", "dataset", "task", "scenario", "seed", "status")
_MORE = ("synthetic", "subset", "fraction", "draw", "corruption", "split")
_NUMBER = ("metric", "main", "higher_is_better", "value", "low", "high", "n", "unit")
COLUMNS = (*_ABOUT, *_MORE, *_NUMBER, "cell", "reason", "part", *COSTS, "device")


def csv_table(entries: Iterable[StoredResult]) -> str:
    """The results with every metric that has a direction; a failed one has a row without a metric."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        writer.writerows(_rows(entry.result))
    return text.getvalue()


def _rows(result: Result) -> Iterable[dict[str, object]]:
    about: dict[str, object] = {name: _text(getattr(result, name)) for name in (*_ABOUT, *_MORE)}
    about |= {"unit": result.unit, "cell": result.cell.id, "reason": _text(result.reason)}
    if result.status == "done":
        about |= {name: _text(value) for name, value in costs_of(result).items()}
        about["device"] = _text(result.provenance.device if result.provenance else None)
    if not result.metrics:
        yield about
    for name, metric in result.metrics.items():
        numbers = {"value": metric.value, "low": metric.low, "high": metric.high}
        shown = {key: "" if math.isnan(value) else value for key, value in numbers.items()}
        way = str(direction(name).higher_is_better).lower()
        part = _text(part_name(result.dataset, name))
        main = str(name == result.main).lower()
        yield about | shown | {"metric": name, "main": main, "higher_is_better": way, "n": metric.n, "part": part}


def _text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ""
    return spreadsheet(value) if isinstance(value, str) else value
