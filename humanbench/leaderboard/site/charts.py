"""Charts as inline SVG: small functions from numbers to markup, coloured by the page's own style sheet.

Places along the width are percentages and everything else is pixels, so a chart is as wide as there is room, on a
phone too, and its text keeps its size. Every series has a colour and a marker of its own, so that none is told apart by
colour alone. The numbers of every chart stand in a table beside it; the description says which. Values that are not
finite, or absurd, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from markupsafe import Markup, escape

SERIES = 6
"""How many series the style sheet tells apart."""
_LARGEST = 1e12
"""No parameter count or metric is larger; a scale that reached there would show nothing else."""


def _drawable(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= _LARGEST


@dataclass(frozen=True)
class Dot:
    """A value with its interval (`nan` where there is none). `series` gives its colour and marker."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    series: int = 0


@dataclass(frozen=True)
class DotRow:
    """A line of a dot chart: what it is called, what stands at its end, its dots, and the scale that they are on.

    `start` and `end` are the values at the two ends of the line; the better end is the right one.
    """

    name: str
    text: str
    dots: Sequence[Dot]
    start: float
    end: float
    link: str = ""


@dataclass(frozen=True)
class Point:
    """A dot of a scatter chart; `link` leads to its page."""

    name: str
    x: float
    y: float
    link: str = ""


def _svg(height: float, key: str, title: str, body: Iterable[str], description: str, kind: str) -> Markup:
    content = "".join(body)
    role = "group" if "<a " in content else "img"  # what is in a picture can be reached by no key
    return Markup(
        f'<svg class="chart {kind}" width="100%" height="{height:g}" role="{role}" '
        f'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(description)}</desc>{content}</svg>'
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _named(body: str, name: str, link: str = "") -> str:
    """With a name that appears under the pointer, and where it leads."""
    start, end = _ends(name, link)
    return f"{start}{body}{end}"


@lru_cache(maxsize=1024)
def _ends(name: str, link: str) -> tuple[str, str]:
    title = f"<title>{escape(name)}</title>"
    return (f'<a href="{escape(link)}">{title}', "</a>") if link else (f"<g>{title}", "</g>")


@lru_cache(maxsize=256)
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


def _marked(kind: int, percent: float, y: float, size: float) -> str:
    """A marker at a place along the width."""
    return _at(percent, y, marker(kind, 0, 0, size))


def _at(percent: float, y: float, body: str) -> str:
    return f'<svg class="at" x="{percent:.2f}%" y="{y:.1f}">{body}</svg>'


_NAME, _LANE, _BELOW = 17.0, 9.0, 10.0
"""Heights in a row: its name, the lane of a dot, the room below."""
_HIT = 26.0
"""What a finger can touch."""


def dots(key: str, title: str, rows: Sequence[DotRow], description: str, scale: bool = False) -> Markup:
    """A line per row with its dots and their intervals, the name and a text above it.

    The dots of a row stand below one another, in the order of their series. `scale`: with numbers under the last line,
    of which all have the same scale.
    """
    body: list[str] = []
    y = 0.0
    for row in rows:
        count = max((dot.series for dot in row.dots), default=0) + 1
        body.append(_row(row, y, count, scale))
        y += max(_NAME + _LANE * count + _BELOW, _HIT)
    if scale and rows:
        for tick in _row_ticks(rows[0]):
            x = _along(tick, rows[0].start, rows[0].end)
            anchor = "start" if x < 4 else "end" if x > 96 else "middle"
            body.append(f'<text class="tick" x="{x:.2f}%" y="{y + 8:g}" text-anchor="{anchor}">{tick:g}</text>')
        y += 14
    return _svg(y + 2, key, title, body, description, "dots") if rows else Markup("")


def _row_ticks(row: DotRow) -> list[float]:
    return ticks(min(row.start, row.end), max(row.start, row.end))


def _along(value: float, start: float, end: float) -> float:
    """Where on a line a value lies, in percent of the width; beyond an end, at it."""
    span = end - start
    share = (value - start) / span if span and _drawable(span) else 0.5
    return 1.5 + 97 * min(max(share, 0.0), 1.0)


def _row(row: DotRow, y: float, count: int, scale: bool) -> str:
    body = [_lane(row.name, row.text, y, count)]
    if scale:
        height = _NAME + _LANE * count
        for tick in _row_ticks(row):
            x = _along(tick, row.start, row.end)
            ends = f'y1="{y + _NAME:g}" y2="{y + height:g}"'
            body.append(f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" {ends}/>')
    for dot in row.dots:
        if _drawable(dot.value):
            place = y + _NAME + _LANE * (dot.series + 0.5)
            body.append(_dot(dot.name, dot.value, dot.low, dot.high, dot.series, row.start, row.end, place))
    return _named("".join(body), row.name, row.link)


# Two caches, as the best and the last of a board stand on the page of each of its entries. Of plain values: a dataclass
# is hashed slowly.
@lru_cache(maxsize=1024)
def _lane(name: str, text: str, y: float, count: int) -> str:
    return (
        f'<rect class="hit" x="0" y="{y:g}" width="100%" height="{_NAME + _LANE * count + _BELOW - 1:g}"/>'
        f'<text class="label" x="0" y="{y + 12:g}">{escape(_cut(name, 38))}</text>'
        f'<text class="value" x="100%" y="{y + 12:g}" text-anchor="end">{escape(text)}</text>'
        f'<rect class="track" x="0" y="{y + _NAME:g}" width="100%" height="{_LANE * count:g}" rx="3"/>'
    )


@lru_cache(maxsize=1024)
def _dot(name: str, value: float, low: float, high: float, series: int, start: float, end: float, y: float) -> str:
    interval = ""
    if _drawable(low) and _drawable(high):
        a, b = _along(low, start, end), _along(high, start, end)
        interval = f'<line class="whisker" x1="{a:.2f}%" x2="{b:.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>'
    body = f"{interval}{_marked(series, _along(value, start, end), y, 3.6)}"
    return f'<g class="s{series % SERIES}"><title>{escape(name)}</title>{body}</g>'


_LEFT, _RIGHT, _TOP, _FLOOR, _HEIGHT = 11.0, 97.0, 26.0, 44.0, 330.0
"""Of a scatter chart: its sides in percent, the room above and below in pixels, and its height."""
_NARROW = 340.0
"""Width at which labels must not cover each other: a phone's."""
_LABELLED = 12


def _plane(
    x_ends: tuple[float, float],
    y_ends: tuple[float, float],
    x_ticks: Sequence[tuple[float, str]],
    labels: tuple[str, str],
    up: bool = True,
) -> tuple[Callable[[float, float], tuple[float, float]], list[str]]:
    """The plane between the ends of x and y (`up`: whether more of y is up): where a point lies on it, in percent of
    the width and pixels from the top, and its frame with what is written along it."""
    (x0, x1), (y0, y1), floor = x_ends, y_ends, _HEIGHT - _FLOOR

    def place(x: float, y: float) -> tuple[float, float]:
        share = (y - y0) / (y1 - y0)
        return _LEFT + (_RIGHT - _LEFT) * (x - x0) / (x1 - x0), _TOP + (floor - _TOP) * (1 - share if up else share)

    body = [_line("frame", (_LEFT, _TOP), (_LEFT, floor)), _line("frame", (_LEFT, floor), (_RIGHT, floor))]
    for tick in ticks(y0, y1):
        y = place(x0, tick)[1]
        body.append(_line("grid", (_LEFT, y), (_RIGHT, y)))
        body.append(f'<text class="tick" x="{_LEFT - 1.5:g}%" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for value, text in x_ticks:
        x = place(value, y0)[0]
        body.append(f'<text class="tick" x="{x:.2f}%" y="{floor + 16:g}" text-anchor="middle">{escape(text)}</text>')
    body.append(f'<text class="name" x="{_RIGHT:g}%" y="{_HEIGHT - 8:g}" text-anchor="end">{escape(labels[0])}</text>')
    body.append(f'<text class="name" x="0" y="12">{escape(labels[1])}</text>')
    return place, body


def scatter(
    key: str,
    title: str,
    points: Sequence[Point],
    x_label: str,
    y_label: str,
    up: bool = True,
    more: bool = False,
) -> Markup:
    """Dots of x (on a logarithmic scale) against y, with the line of those that none is better than in both.

    The better side is up (`up` says whether that is more); `more`: whether more of x is better.
    """
    drawable = [p for p in points if _drawable(p.x) and _drawable(p.y) and p.x > 0]
    if not drawable:
        return Markup("")
    xs, ys = [math.log10(p.x) for p in drawable], [p.y for p in drawable]
    ends = _padded(xs)
    place, body = _plane(ends, _padded(ys), _log_ticks(*ends), (x_label, y_label), up)
    places = [place(px, py) for px, py in zip(xs, ys, strict=True)]
    best = front([(x if more else -x, y if up else -y) for x, y in zip(xs, ys, strict=True)])
    body += [_line("pareto", places[a], places[b]) for a, b in pairwise(best)]
    labelled = range(len(drawable)) if len(drawable) <= _LABELLED else best[:_LABELLED]
    labels = _labels([(i, drawable[i].name, places[i]) for i in labelled])
    for i, (point, (x, y)) in enumerate(zip(drawable, places, strict=True)):
        edge = " edge" if i in best else ""
        hit = _at(x, y, f'<circle class="hit" r="{_HIT / 2:g}"/>') if point.link else ""
        dot = f'<g class="s0{edge}">{_marked(0, x, y, 5)}</g>'
        body.append(_named(f"{hit}{dot}{labels.get(i, '')}", point.name, point.link))
    axes = f"{y_label} against {x_label}"
    description = f"Scatter chart of {len(drawable)} entries: {axes}; the numbers are in the table."
    return _svg(_HEIGHT, key, title, body, description, "scatter")


@dataclass(frozen=True)
class Course:
    """A line of a course chart: (x, y, low, high) from the first x on; `nan` where there is no interval."""

    name: str
    points: Sequence[tuple[float, float, float, float]]


def courses(
    key: str, title: str, lines: Sequence[Course], x_ticks: Sequence[tuple[float, str]], x_label: str, y_label: str
) -> Markup:
    """Lines of y over x with intervals, each in its colour with its marker; `x_ticks` are places and their texts.

    Empty where no line has two values.
    """
    drawable = [[p for p in line.points if _drawable(p[1])] for line in lines]
    if not any(len(points) > 1 for points in drawable):
        return Markup("")
    every = [value for points in drawable for p in points for value in p[1:] if _drawable(value)]
    place, body = _plane(_padded([x for x, _ in x_ticks]), _padded(every), x_ticks, (x_label, y_label))
    for number, (line, points) in enumerate(zip(lines, drawable, strict=True)):
        aside = (number - (len(lines) - 1) / 2) * 0.8  # so that intervals at one x do not cover each other
        drawn = []
        for x, value, low, high in points:
            across, down = place(x, value)
            if _drawable(low) and _drawable(high):
                ends = (across + aside, place(x, low)[1]), (across + aside, place(x, high)[1])
                drawn.append(_line("whisker", *ends))
            drawn.append(_named(_marked(number, across + aside, down, 4.4), f"{line.name}: {value:.1f}"))
        way = [(a + aside, b) for a, b in (place(x, y) for x, y, _, _ in points)]
        drawn = [_line("stroke", *pair) for pair in pairwise(way)] + drawn
        body.append(f'<g class="s{number % SERIES}">{"".join(drawn)}</g>')
    names = ", ".join(line.name for line in lines)
    description = f"Lines of {y_label} over {x_label} for {names}; the numbers are in the table."
    return _svg(_HEIGHT, key, title, body, description, "scatter")


_CURVE = 60
"""Most points of a curve; of more, every so-manieth."""


def curve(key: str, title: str, values: Sequence[float]) -> Markup:
    """A line of values from the first to the last, over a scale of their own, with both as numbers; empty for fewer
    than two."""
    step = max(1, math.ceil(len(values) / _CURVE))
    shown = [value for value in [*values[:-1][::step], *values[-1:]] if _drawable(value)]
    if len(shown) < 2:
        return Markup("")
    low, high = min(shown), max(shown)
    places = [(100 * i / (len(shown) - 1), 50 - 44 * (v - low) / (high - low or 1)) for i, v in enumerate(shown)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    frame = '<svg class="line" x="0" y="0" width="100%" height="54" viewBox="0 0 100 54" preserveAspectRatio="none">'
    body = [f'{frame}<polyline class="curve" points="{line}"/></svg>']
    body.append(f'<text class="tick" x="0" y="68">{shown[0]:.3g}</text>')
    body.append(f'<text class="tick" x="100%" y="68" text-anchor="end">{shown[-1]:.3g}</text>')
    description = f"{len(values)} epochs, from {shown[0]:.3g} to {shown[-1]:.3g}, the least {low:.3g}."
    return _svg(72, key, title, body, description, "course")


_PLOT = 200.0
"""Height of a reliability plot."""


def reliability(
    key: str, title: str, points: Sequence[tuple[float, float, int]], predicted: str, observed: str
) -> Markup:
    """What was observed against what was predicted, both in percent, with the line on which they are equal.

    `points` are (predicted, observed, cases); a dot's area grows with the share of cases. Empty without a point.
    """
    drawable = [(x, y, n) for x, y, n in points if _drawable(x) and _drawable(y) and n > 0]
    if not drawable:
        return Markup("")
    top, floor, total = 8.0, _PLOT - 32, sum(n for _, _, n in drawable)

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (_RIGHT - _LEFT) * x / 100, floor - (floor - top) * y / 100

    body = [_line("pareto", place(0, 0), place(100, 100))]
    for tick in (0, 50, 100):
        x, y = place(tick, tick)
        body.append(_line("grid", (_LEFT, y), (_RIGHT, y)))
        body.append(f'<text class="tick" x="{_LEFT - 1.5:g}%" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
        body.append(f'<text class="tick" x="{x:.2f}%" y="{floor + 13:g}" text-anchor="middle">{tick}</text>')
    dots = [_marked(0, *place(x, y), 2 + 6 * math.sqrt(n / total)) for x, y, n in drawable]
    body.append(f'<g class="s0">{"".join(dots)}</g>')
    body.append(f'<text class="name" x="{_RIGHT:g}%" y="{_PLOT - 4:g}" text-anchor="end">{escape(predicted)}</text>')
    texts = "; ".join(f"{x:.0f} predicted, {y:.0f} observed, {n} cases" for x, y, n in drawable)
    description = f"{observed} against {predicted}, in percent: {texts}."
    return _svg(_PLOT, key, title, body, description, "reliability")


def front(places: Sequence[tuple[float, float]]) -> list[int]:
    """Which of these, more being better in both, no other beats: is as good in both and better in one. From the least
    of the first on.

    >>> front([(1, 5), (2, 4), (0, 4), (3, 1), (3, 0), (2, 4)])
    [0, 5, 1, 3]
    """
    order = sorted(range(len(places)), key=lambda i: (-places[i][0], -places[i][1]))
    unbeaten: list[int] = []
    for i in order:
        if not unbeaten or places[i][1] > places[unbeaten[-1]][1] or places[i] == places[unbeaten[-1]]:
            unbeaten.append(i)
    return unbeaten[::-1]


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """From a place to another: percent of the width, pixels from the top."""
    (a, b), (c, d) = start, end
    return f'<line class="{kind}" x1="{a:.2f}%" y1="{b:.1f}" x2="{c:.2f}%" y2="{d:.1f}"/>'


def _labels(named: Sequence[tuple[int, str, tuple[float, float]]]) -> dict[int, str]:
    """By number a label beside its dot, moved down while it would cover another; left out where it would leave."""
    taken: list[tuple[float, float, float]] = []
    labels: dict[int, str] = {}
    for number, name, (percent, y) in named:
        text = _cut(name, 19)
        right, extent, x = percent < 55, 6.4 * len(text), percent / 100 * _NARROW
        start, end = (x + 9, x + 9 + extent) if right else (x - 9 - extent, x - 9)
        line = y + 4
        while any(start < b and a < end and abs(line - other) < 13 for a, b, other in taken):
            line += 13
        if line > _HEIGHT - _FLOOR:
            continue
        taken.append((start, end, line))
        side = f'dx="{9 if right else -9}" text-anchor="{"start" if right else "end"}"'
        labels[number] = f'<text class="label" x="{percent:.2f}%" y="{line:.1f}" {side}>{escape(text)}</text>'
    return labels


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


def quantity_or_nothing(value: float) -> str:
    """A count in few digits; nothing where it is not known."""
    return quantity(value) if math.isfinite(value) else ""


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    return low - pad, high + pad
