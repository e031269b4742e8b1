"""What an entry costs: columns of a board, and charts of its rank against that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from humanbench.leaderboard.model.boards import Ranked
from humanbench.leaderboard.model.entries import BoardEntry
from humanbench.leaderboard.site.charts import Point, scatter
from humanbench.names import shown


@dataclass(frozen=True)
class CostColumn:
    """A column of what an entry costs: its head, its unit, what it is in words, and its value for an entry."""

    head: str
    unit: str
    about: str
    of: Callable[[BoardEntry], float]
    digits: Callable[[float], str]

    def text(self, entry: BoardEntry) -> str:
        """What stands in the cell."""
        value = self.of(entry)
        return self.digits(value) if math.isfinite(value) and value <= _LARGEST else "–"


_LARGEST = 1e15


def cost_columns(entries: Sequence[BoardEntry]) -> list[CostColumn]:
    """Parameters, GFLOPs and latency, as far as any entry has them; latencies of one device and precision alone."""
    found = [
        CostColumn("Params", "M", "millions of parameters, with the head", lambda e: e.parameters / 1e6, _digits),
        CostColumn("GFLOPs", "", "of the backbone for one picture; a multiply-add is two", lambda e: e.gflops, _digits),
    ]
    if common := _common_speed(entries, "1_"):
        device, measure = common
        about = f"milliseconds for one picture ({_measure_text(measure)}, {shown(device, 60)}), backbone and head"
        found.append(CostColumn("Latency", "ms", about, lambda e: 1000 / e.speed_on(device, measure), _digits))
    return [cost for cost in found if any(math.isfinite(cost.of(entry)) for entry in entries)]


def _digits(value: float) -> str:
    """Three digits, and no more after the point than one.

    >>> _digits(86.42), _digits(3.14159), _digits(1204.0)
    ('86.4', '3.1', '1204')
    """
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}" if value < 1e6 else f"{value:.3g}"


_SIZES = ((10, "up to 10M"), (30, "10M to 30M"), (100, "30M to 100M"), (400, "100M to 400M"))


def size_of(entry: BoardEntry) -> str:
    """Of the network, in the steps of the filter."""
    if not math.isfinite(entry.parameters):
        return ""
    return next((text for most, text in _SIZES if entry.parameters <= most * 1e6), "more than 400M")


COSTS = (
    ("parameters", "parameters"),
    ("gflops", "GFLOPs of the backbone per picture (a multiply-add is two)"),
    ("trained", "trained parameters"),
)
"""What the trade-off charts set ranks against: a field of `BoardEntry`, and its name on the axis."""
_MOST = 300
"""Dots of a chart."""


def trade_offs(ranked: Ranked, key: str, root: str, most: int | None = None) -> list[tuple[Markup, str]]:
    """Charts of mean rank against each cost in which entries are known to differ, with the cost's name."""
    found = []
    chosen: list[tuple[str, str, Callable[[BoardEntry], float]]] = [
        (name, text, lambda entry, name=name: getattr(entry, name))  # type: ignore[misc]
        for name, text in COSTS
    ]
    # Never on a processor: its name does not say which one it is.
    if common := _common_speed(ranked.entries, "32_"):
        device, measure = common
        text = f"images per second ({_measure_text(measure)}, {shown(device, 60)})"
        chosen.append(("speed", text, lambda entry: entry.speed_on(device, measure)))
    for name, text, of in chosen[:most]:
        every = [
            Point(entry.name, of(entry), float(mean), link=f"{root}entries/{entry.id}.html")
            for entry, mean in zip(ranked.entries, ranked.ranking.mean_rank, strict=True)
        ]
        points = [point for point in every if math.isfinite(point.x)]
        if len({point.x for point in points}) >= 2:
            title = f"Mean rank and {text}"
            axis = "images per second" if name == "speed" else text.partition(" of ")[0]
            chart = scatter(f"{name}-{key}", title, points[:_MOST], axis, "mean rank", up=False, more=name == "speed")
            found.append((chart, text))
    return found


def speed_texts(entry: BoardEntry) -> list[str]:
    """The speeds of an entry, each with batch, precision and device."""
    return [
        f"{value:,.0f} ({_measure_text(measure)}, {shown(device, 60)})"
        for (device, measure), value in entry.speeds.items()
    ]


def speed_fields(entry: BoardEntry) -> dict[str, Any]:
    """Images per second at batch 32 and milliseconds at batch 1, with the precision and device that both are of.

    Empty where nothing was measured; of several devices the first by name.
    """
    fields: dict[str, Any] = dict.fromkeys(SPEED_FIELDS)
    keys = {(device, measure.partition("_")[2]) for device, measure in entry.speeds}
    for device, precision in sorted(keys)[:1]:
        many, one = (entry.speed_on(device, f"{batch}_{precision}") for batch in (32, 1))
        numbers = (many, 1000 / one)
        known = (round(value, 3) if math.isfinite(value) else None for value in numbers)
        fields = dict(zip(SPEED_FIELDS, (*known, shown(precision, 10), shown(device, 60)), strict=True))
    return fields


SPEED_FIELDS = ("images_per_second", "latency_ms", "speed_precision", "speed_device")


def _measure_text(measure: str) -> str:
    size, _, precision = measure.partition("_")
    return f"batch {shown(size, 10)}, {shown(precision, 10)}"


def _common_speed(entries: Sequence[BoardEntry], batch: str) -> tuple[str, str] | None:
    """The one device and precision, of no processor, in which most entries were measured at this batch."""
    keys = [key for entry in entries for key in entry.speeds]
    keys = [key for key in keys if key[1].startswith(batch) and not key[0].startswith("cpu")]
    return min(set(keys), key=lambda key: (-keys.count(key), key)) if keys else None
