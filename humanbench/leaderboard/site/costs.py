"""What an entry costs: columns of a board, and charts of its rank against that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
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

    def text(self, entry: BoardEntry) -> str:
        """What stands in the cell."""
        value = self.of(entry)
        return _digits(value) if math.isfinite(value) and value <= _LARGEST else "–"


_LARGEST = 1e15


def cost_columns(entries: Sequence[BoardEntry]) -> list[CostColumn]:
    """Parameters, GFLOPs and latency, as far as any entry has them; latencies of one device and precision alone."""
    return _known([_PARAMETERS, _GFLOPS, *_latency(entries)], entries)


def all_cost_columns(entries: Sequence[BoardEntry]) -> list[CostColumn]:
    """Those of a board, trained parameters, storage, and latency and memory at both batches, as far as any entry has
    them."""
    measured = [_latency(entries), _latency(entries, 32), _memory(entries, 1), _memory(entries, 32)]
    return _known([_PARAMETERS, _TRAINED, _BACKBONE, _ADDED, _GFLOPS, *chain(*measured)], entries)


def pareto_costs(entries: Sequence[BoardEntry]) -> list[CostColumn]:
    """Parameters and latency, where at least two entries have them."""
    costs = [_PARAMETERS, *_latency(entries)]
    return [cost for cost in costs if sum(math.isfinite(cost.of(entry)) for entry in entries) >= 2]


def _known(costs: Sequence[CostColumn], entries: Sequence[BoardEntry]) -> list[CostColumn]:
    return [cost for cost in costs if any(math.isfinite(cost.of(entry)) for entry in entries)]


def _latency(entries: Sequence[BoardEntry], batch: int = 1) -> list[CostColumn]:
    if (place := _common([entry.speeds for entry in entries], f"{batch}_")) is None:
        return []
    head, description = "Latency", f"milliseconds for one picture ({_setting(place)}), backbone and head"
    if batch > 1:
        head, description = f"Latency at {batch}", f"milliseconds for {batch} pictures together ({_setting(place)})"
    return [CostColumn(head, "ms", description, lambda e: 1000 * batch / e.speeds.get(place, math.nan))]


def _memory(entries: Sequence[BoardEntry], batch: int) -> list[CostColumn]:
    if (place := _common([entry.memory for entry in entries], f"{batch}_")) is None:
        return []
    description = f"peak of the forward, with weights ({_setting(place)})"
    return [CostColumn(f"Memory at {batch}", "MB", description, lambda e: e.memory.get(place, math.nan) / 1e6)]


def _digits(value: float) -> str:
    """Three digits, and no more after the point than one; two of what is less than one.

    >>> _digits(86.42), _digits(3.14159), _digits(1204.0), _digits(0.0188)
    ('86.4', '3.1', '1204', '0.019')
    """
    if 0 < value < 0.95:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}" if value < 1e6 else f"{value:.3g}"


_PARAMETERS = CostColumn("Params", "M", "millions of parameters, with the head", lambda e: e.parameters / 1e6)
_GFLOPS = CostColumn("GFLOPs", "", "of the backbone for one picture; a multiply-add is two", lambda e: e.gflops)
_TRAINED = CostColumn("Trained", "M", "millions, with the head", lambda e: e.trained / 1e6)
_BACKBONE = CostColumn("Backbone", "MB", "storage of it as it came", lambda e: e.backbone_bytes / 1e6)
_ADDED = CostColumn(
    "Added", "MB", "storage of what a finetuned cell adds to the backbone", lambda e: e.added_bytes / 1e6
)


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


def trade_offs(ranked: Ranked, key: str, most: int | None = None) -> list[tuple[Markup, str]]:
    """Charts of mean rank against each cost in which entries are known to differ, with the cost's name."""
    trades = []
    chosen: list[tuple[str, str, Callable[[BoardEntry], float]]]
    chosen = [(name, text, attrgetter(name)) for name, text in COSTS]
    # Never on a processor: its name does not say which one it is.
    if place := _common([entry.speeds for entry in ranked.entries], "32_"):
        chosen.append(
            ("speed", f"images per second ({_setting(place)})", lambda entry: entry.speeds.get(place, math.nan))
        )
    for name, text, of in chosen[:most]:
        points = [
            Point(entry.name, of(entry), float(mean), link=f"../entries/{entry.id}.html")
            for entry, mean in zip(ranked.entries, ranked.ranking.mean_rank, strict=True)
            if math.isfinite(of(entry))
        ]
        if len({point.x for point in points}) >= 2:
            title = f"Mean rank and {text}"
            axis = "images per second" if name == "speed" else text.partition(" of ")[0]
            chart = scatter(f"{name}-{key}", title, points[:_MOST], axis, "mean rank", up=False, more=name == "speed")
            trades.append((chart, text))
    return trades


def speed_text(entry: BoardEntry) -> str:
    """The speeds of an entry, each with batch, precision and device."""
    return "; ".join(f"{value:,.0f} ({_setting(place)})" for place, value in entry.speeds.items())


def memory_text(entry: BoardEntry) -> str:
    """The peaks of memory of an entry, each with batch, precision and device."""
    return "; ".join(f"{_digits(value / 1e6)} MB ({_setting(place)})" for place, value in entry.memory.items())


def energy_text(entry: BoardEntry) -> str:
    """The energies of an entry per picture, each with batch, precision and device."""
    return "; ".join(f"{value:.3g} J ({_setting(place)}, whole CPU package)" for place, value in entry.joules.items())


def storage_text(entry: BoardEntry) -> str:
    """What the backbone and what a cell adds take; empty where nobody says."""
    if not math.isfinite(entry.added_bytes):
        return ""
    return f"{_digits(entry.added_bytes / 1e6)} MB added to a backbone of {_digits(entry.backbone_bytes / 1e6)} MB"


def speed_fields(entry: BoardEntry) -> dict[str, Any]:
    """Images per second at batch 32 and milliseconds at batch 1, peaks of memory and energies per picture at both, with
    the precision and device that all are of.

    Empty where nothing was measured; of several devices the first by name.
    """
    if not entry.speeds:
        return dict.fromkeys(SPEED_FIELDS)
    device, precision = min((device, measure.partition("_")[2]) for device, measure in entry.speeds)
    (one, many), memory, joules = (
        [measures.get((device, f"{batch}_{precision}"), math.nan) for batch in (1, 32)]
        for measures in (entry.speeds, entry.memory, entry.joules)
    )
    numbers = (many, 1000 / one, *memory, *joules)
    known = (round(value, 4) if math.isfinite(value) else None for value in numbers)
    return dict(zip(SPEED_FIELDS, (*known, shown(precision, 10), shown(device, 60)), strict=True))


SPEED_FIELDS = (
    "images_per_second", "latency_ms", "memory_1_bytes", "memory_32_bytes", "joules_1", "joules_32", "speed_precision",
    "speed_device",
)  # fmt: skip


def _setting(place: tuple[str, str]) -> str:
    """Batch, precision and device, from the device and a measure."""
    size, _, precision = place[1].partition("_")
    return f"batch {shown(size, 10)}, {shown(precision, 10)}, {shown(place[0], 60)}"


def _common(measures: Iterable[Mapping[tuple[str, str], float]], batch: str) -> tuple[str, str] | None:
    """The one device and precision, of no processor, in which most entries were measured at this batch."""
    counts = Counter(chain.from_iterable(measures))
    keys = [key for key in counts if key[1].startswith(batch) and not key[0].startswith("cpu")]
    return min(keys, key=lambda key: (-counts[key], key), default=None)
