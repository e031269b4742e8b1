"""Draws the layers and which of them import which, from the source: `python -m tools.architecture`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from html import escape
from pathlib import Path

from tools.imports import Import, Layer, imports, layer_of, layers, modules

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "architecture.svg"

LEFT, WORDS, CELL, BAND, TOP, MARGIN = 16, 700, 34, 58, 96, 16
BLUE, INK, GREY, PALE = "#0072b2", "#141414", "#666666", "#f3f3f3"
STYLE = (
    f"text{{font-family:ui-sans-serif,system-ui,sans-serif;font-size:13px;fill:{INK}}}.s{{font-size:12px;fill:{GREY}}}"
)


def drawn(listed: list[Layer], names: Collection[str], edges: Iterable[Import]) -> str:
    """The picture as SVG text: a band per layer, the highest on top, with a mark for every layer that it imports."""
    used = {
        (above.place, below.place)
        for edge in edges
        if (above := layer_of(edge.importer, listed)) and (below := layer_of(edge.imported, listed))
    }
    units = _units(listed, names)
    width, height = LEFT + WORDS + CELL * len(listed) + MARGIN, TOP + BAND * len(listed) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-labelledby="title">',
        '<title id="title">The layers of humanbench, and which of them import which; no mark is above the diagonal'
        "</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="{TOP - 24}" class="s">Marks: the layers that a layer imports.</text>',
    ]
    ordered = listed[::-1]
    for column, layer in enumerate(ordered):
        lines.append(_head(column, layer))
    for row, layer in enumerate(ordered):
        lines += _band(row, layer, units[layer.place], ordered, used)
    return "\n".join([*lines, "</svg>", ""])


def _units(listed: list[Layer], names: Collection[str]) -> dict[int, list[str]]:
    """What stands in each band, as the list of layers names it; of a package that is a layer of its own, what it holds.

    The folders of tasks are not named, so that a new task needs no new picture.
    """
    units: dict[int, dict[str, None]] = {layer.place: {} for layer in listed}
    for name in names:
        layer, (_, *parts) = layer_of(name, listed), name.split(".")
        if layer is None or parts == ["leaderboard"]:
            continue
        prefix = max((one for one in layer.modules if _under(".".join(parts), one)), key=len)
        if prefix != "tasks":
            units[layer.place][prefix or "humanbench"] = None
        elif len(parts) == 2 and f"{name}.predictions" not in names:
            units[layer.place][".".join(parts)] = None
        elif len(parts) == 1:
            units[layer.place]["tasks.<name>"] = None
    return {place: list(band) for place, band in units.items()}


def _under(name: str, prefix: str) -> bool:
    return name == prefix or (bool(prefix) and name.startswith(f"{prefix}."))


def _head(column: int, layer: Layer) -> str:
    x, y = LEFT + WORDS + column * CELL + CELL / 2 + 4, TOP - 10
    return f'<text x="{x:g}" y="{y}" class="s" transform="rotate(-60 {x:g} {y})">{escape(layer.name)}</text>'


def _band(row: int, layer: Layer, units: list[str], ordered: list[Layer], used: set[tuple[int, int]]) -> Iterator[str]:
    y, width = TOP + row * BAND, LEFT + WORDS + CELL * len(ordered) + MARGIN
    if row % 2 == 0:
        yield f'<rect x="0" y="{y}" width="{width}" height="{BAND}" fill="{PALE}"/>'
    yield f'<text x="{LEFT}" y="{y + 20}" font-weight="600">{escape(layer.name)}</text>'
    yield f'<text x="{LEFT + 108}" y="{y + 20}" class="s">{escape(layer.about)}</text>'
    for number, line in enumerate(_lines(units)):
        yield f'<text x="{LEFT + 108}" y="{y + 36 + 15 * number}">{escape(line)}</text>'
    for column, below in enumerate(ordered):
        x = LEFT + WORDS + column * CELL
        if below.place == layer.place:
            yield f'<rect x="{x + 9}" y="{y + 21}" width="16" height="16" fill="none" stroke="{GREY}"/>'
        elif (layer.place, below.place) in used:
            yield f'<rect x="{x + 9}" y="{y + 21}" width="16" height="16" fill="{BLUE}"/>'
        else:
            yield f'<circle cx="{x + 17}" cy="{y + 29}" r="1.5" fill="{GREY}"/>'


def _lines(units: list[str], most: int = 84) -> list[str]:
    """The names on as few lines as hold them, two at most."""
    lines = [""]
    for name in units:
        joined = f"{lines[-1]}, {name}" if lines[-1] else name
        if len(joined) > most and len(lines) < 2:
            lines[-1] += ","
            lines.append(name)
        else:
            lines[-1] = joined
    return lines


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(drawn(layers(), modules(), [one for one in imports() if not one.typing]), encoding="utf-8")


if __name__ == "__main__":
    main()
