"""Charts as inline SVG: small functions from numbers to markup, coloured by the page's own style sheet.

Every series has a colour, a dash and a marker of its own, so that none is told apart by colour alone. The numbers of
every chart stand in a table beside it; the description says which. Values that are not finite, or absurd, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

SERIES = 6
"""How many series the style sheet tells apart."""
_LARGEST = 1e12
"""No parameter count or metric is larger; a scale that reached there would show nothing else."""


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= _LARGEST


@dataclass(frozen=True)
class Series:
    """A line of a radar chart: values by axis, `nan` where there is none."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Axis:
    """An axis of a radar chart, with its own scale; `group` is the class of its colour."""

    name: str
    higher_is_better: bool
    group: str


@dataclass(frozen=True)
class Bar:
    """A value with its interval (`nan` where there is none)."""

    name: str
    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Point:
    """A dot of a scatter chart."""

    name: str
    x: float
    y: float
    kind: int = 0


def _svg(width: float, height: float, key: str, title: str, body: Iterable[str], about: str, kind: str) -> Markup:
    return Markup(
        f'<svg class="chart {kind}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(about)}</desc>{"".join(body)}</svg>'
    )


def _label(x: float, y: float, anchor: str, text: str, longest: int) -> str:
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(cut)}</text>'


def _named(body: str, name: str) -> str:
    """With a name that appears under the pointer."""
    return f"<g><title>{escape(name)}</title>{body}</g>"


def marker(kind: int, x: float, y: float, size: float = 4.0) -> str:
    """A circle, square, diamond, triangle, cross or inverted triangle by number."""
    s = size
    if kind % SERIES == 0:
        return f'<circle class="m" cx="{x:.1f}" cy="{y:.1f}" r="{s:g}"/>'
    shapes = {
        1: ((-s, -s), (s, -s), (s, s), (-s, s)),
        2: ((0, -1.3 * s), (1.3 * s, 0), (0, 1.3 * s), (-1.3 * s, 0)),
        3: ((0, -1.2 * s), (1.1 * s, s), (-1.1 * s, s)),
        4: ((-s, -0.4 * s), (-0.4 * s, -s), (s, 0.4 * s), (0.4 * s, s)),
        5: ((0, 1.2 * s), (1.1 * s, -s), (-1.1 * s, -s)),
    }
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in shapes[kind % SERIES])
    return f'<polygon class="m" points="{points}"/>'


@lru_cache(maxsize=64)
def _rays(count: int) -> list[tuple[float, float]]:
    """Directions of axes, the first upwards, clockwise."""
    angles = [2 * math.pi * i / count - math.pi / 2 for i in range(count)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


_RADIUS, _INNER = 218.0, 0.3
_MIDDLE = 360.0, 300.0


def radar(key: str, title: str, axes: Sequence[Axis], series: Sequence[Series]) -> Markup:
    """One polygon per series; the best value on an axis is its rim, the worst lies at a third of the radius."""
    scales = [_scale([s.values[i] for s in series], axis.higher_is_better) for i, axis in enumerate(axes)]
    body = [_web(len(axes))]
    for i, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
        rim = f" {scale.best:.1f}" if _drawable(scale.best) else ""
        body.append(_axis_name(len(axes), i, axis, rim))
    for number, one in enumerate(series):
        shares = tuple((i, scales[i](value)) for i, value in enumerate(one.values) if _drawable(value))
        body.append(_area(number, len(axes), shares))
    about = (
        f"Radar chart of {', '.join(s.name for s in series)} over {len(axes)} datasets; the numbers are in the table."
    )
    return _svg(2 * _MIDDLE[0], 2 * _MIDDLE[1], key, title, body, about, "radar")


def _on_axis(count: int, i: int, radius: float) -> tuple[float, float]:
    x, y = _rays(count)[i]
    return _MIDDLE[0] + radius * x, _MIDDLE[1] + radius * y


@lru_cache(maxsize=64)
def _web(count: int) -> str:
    """Three rings and the axes."""
    rings = [
        " ".join("{:.1f},{:.1f}".format(*_on_axis(count, i, _RADIUS * share)) for i in range(count))
        for share in (_INNER, (1 + _INNER) / 2, 1.0)
    ]
    ends = [_on_axis(count, i, _RADIUS) for i in range(count)]
    lines = [f'<line class="grid" x1="{_MIDDLE[0]:g}" y1="{_MIDDLE[1]:g}" x2="{x:.1f}" y2="{y:.1f}"/>' for x, y in ends]
    return "".join([*(f'<polygon class="grid" points="{ring}"/>' for ring in rings), *lines])


@lru_cache(maxsize=512)
def _axis_name(count: int, i: int, axis: Axis, rim: str) -> str:
    """What stands at the end of an axis."""
    upright = i in (0, count / 2)  # its name lies across the neighbours' ends
    x, y = _on_axis(count, i, _RADIUS + (36 if upright else 22))
    anchor = "middle" if abs(x - _MIDDLE[0]) < 30 else "start" if x > _MIDDLE[0] else "end"
    return (
        f'<text class="axis {axis.group}" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{escape(axis.name)}'
        f'<tspan class="rim">{rim}</tspan></text>'
    )


@lru_cache(maxsize=512)
def _area(number: int, count: int, shares: tuple[tuple[int, float], ...]) -> str:
    """The polygon of a series, from where it stands on its axes: 0 the worst, 1 the best."""
    points = [_on_axis(count, i, _RADIUS * (_INNER + (1 - _INNER) * share)) for i, share in shares]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(marker(number, x, y, 3.2) for x, y in points)
    return f'<g class="s{number % SERIES}"><polygon class="area" points="{outline}"/>{marks}</g>'


def bars(key: str, title: str, rows: Sequence[Bar], unit: str) -> Markup:
    """Horizontal bars from zero with their intervals, in the order given."""
    rows = [row for row in rows if _drawable(row.value)]
    width, height, left, right = 760.0, 26.0 * len(rows) + 34, 250.0, 70.0
    ends = [v for row in rows for v in (row.value, row.low, row.high) if _drawable(v)]
    low, high = min([0.0, *ends]), max(ends, default=1.0)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return left + (width - left - right) * min(max((value - low) / span, 0.0), 1.0)

    body = [
        f'<line class="grid" x1="{x(t):.1f}" y1="8" x2="{x(t):.1f}" y2="{height - 24:g}"/>'
        f'<text class="tick" x="{x(t):.1f}" y="{height - 8:g}" text-anchor="middle">{t:g}</text>'
        for t in ticks(low, high)
    ]
    for number, row in enumerate(rows):
        y = 10 + 26.0 * number
        text = _label(left - 10, y + 13, "end", row.name, 34)
        wide = max(x(row.value) - left, 1)
        bar = f'<rect class="bar" x="{left:g}" y="{y + 2:g}" width="{wide:.1f}" height="14" rx="2"/>'
        if _drawable(row.low) and _drawable(row.high):
            a, b = x(row.low), x(row.high)
            bar += f'<path class="whisker" d="M{a:.1f} {y + 9:g}H{b:.1f}M{a:.1f} {y + 5:g}v8M{b:.1f} {y + 5:g}v8"/>'
        end = x(row.high if _drawable(row.high) else row.value)
        bar += f'<text class="value" x="{max(end, x(row.value)) + 8:.1f}" y="{y + 13:g}">{escape(row.text)}</text>'
        body.append(_named(text + bar, row.name))
    about = f"Bar chart of {len(rows)} values in {unit}; the numbers are in the table."
    return _svg(width, height, key, title, body, about, "bars")


def scatter(
    key: str, title: str, points: Sequence[Point], x_label: str, y_label: str, up: bool = True, log: bool = True
) -> Markup:
    """Dots of x (logarithmic where `log`) against y; the better side is up (`up` says whether that is more)."""
    kept = [p for p in points if _drawable(p.x) and _drawable(p.y) and (p.x > 0 or not log)]
    if not kept:
        return Markup("")
    width, height, left, bottom, top, right = 560.0, 360.0, 62.0, 52.0, 18.0, 24.0
    xs = [math.log10(p.x) if log else p.x for p in kept]
    ys = [p.y for p in kept]
    (x0, x1), (y0, y1) = _padded(xs), _padded(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (y - y0) / (y1 - y0)
        down = 1 - share if up else share
        return left + (width - left - right) * (x - x0) / (x1 - x0), top + (height - top - bottom) * down

    body = [_frame(left, top, width - right, height - bottom)]
    for tick in ticks(y0, y1):
        y = place(x0, tick)[1]
        body.append(f'<line class="grid" x1="{left:g}" y1="{y:.1f}" x2="{width - right:g}" y2="{y:.1f}"/>')
        body.append(f'<text class="tick" x="{left - 8:g}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for value, text in _log_ticks(x0, x1) if log else [(t, f"{t:g}") for t in ticks(x0, x1)]:
        x = place(value, y0)[0]
        body.append(f'<text class="tick" x="{x:.1f}" y="{height - bottom + 18:g}" text-anchor="middle">{text}</text>')
    middle = (left + width - right) / 2
    body.append(f'<text class="name" x="{middle:g}" y="{height - 8:g}" text-anchor="middle">{escape(x_label)}</text>')
    body.append(f'<text class="name" x="12" y="12">{escape(y_label)}</text>')
    places = [place(px, py) for px, py in zip(xs, ys, strict=True)]
    labels = _labels([p.name for p in kept], places, width) if len(kept) <= 12 else [""] * len(kept)
    for p, (x, y), label in zip(kept, places, labels, strict=True):
        body.append(_named(f'<g class="s{p.kind % SERIES}">{marker(p.kind, x, y, 5)}</g>{label}', p.name))
    about = f"Scatter chart of {len(kept)} entries: {y_label} against {x_label}; the numbers are in the table."
    return _svg(width, height, key, title, body, about, "scatter")


def _labels(names: Sequence[str], places: Sequence[tuple[float, float]], width: float) -> list[str]:
    """A label beside each dot, moved down while it would cover another."""
    taken: list[tuple[float, float, float]] = []
    labels = []
    for name, (x, y) in zip(names, places, strict=True):
        right, extent = x < width * 0.62, 6.6 * min(len(name), 30)
        x = x + 10 if right else x - 10
        start, end, line = (x, x + extent, y + 4) if right else (x - extent, x, y + 4)
        while any(start < b and a < end and abs(line - other) < 14 for a, b, other in taken):
            line += 14
        taken.append((start, end, line))
        labels.append(_label(x, line, "start" if right else "end", name, 30))
    return labels


@dataclass(frozen=True)
class _Scale:
    worst: float
    best: float

    def __call__(self, value: float) -> float:
        """0 for the worst value, 1 for the best."""
        span = self.best - self.worst
        return (value - self.worst) / span if span else 1.0


def _scale(values: Sequence[float], higher: bool) -> _Scale:
    kept = [v for v in values if _drawable(v)] or [math.nan]
    return _Scale(min(kept), max(kept)) if higher else _Scale(max(kept), min(kept))


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between two.

    >>> ticks(61.2, 88.9)
    [70.0, 80.0]
    """
    span = high - low
    if not (_drawable(span) and span > 0):
        return [low] if _drawable(low) else []
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, first + 2 * count + 2) if i * step <= high]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Places and texts of 1, 2 and 5 times powers of ten, thinned to what fits; of a narrow range, of round numbers."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    every = [(math.log10(m * 10.0**p), f"{quantity(m * 10.0**p)}") for p in powers for m in (1, 2, 5)]
    inside = [(place, text) for place, text in every if low <= place <= high]
    if len(inside) < 2:
        return [(math.log10(t), quantity(t)) for t in ticks(10**low, 10**high) if t > 0]
    if len(inside) > 7:
        inside = [(place, text) for place, text in inside if abs(place - round(place)) < 1e-9]
    step = max(1, math.ceil(len(inside) / 7))
    return inside[::step]


def quantity(value: float) -> str:
    """A count in few digits.

    >>> quantity(86_400_000), quantity(1200), quantity(3.25)
    ('86.4M', '1.2k', '3.25')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    return low - pad, high + pad


def _frame(left: float, top: float, right: float, bottom: float) -> str:
    return f'<path class="frame" d="M{left:g} {top:g}V{bottom:g}H{right:g}"/>'
