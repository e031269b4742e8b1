"""The scores as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from humanbench.cards import SCENARIOS, collection, scenario
from humanbench.metrics.directions import direction
from humanbench.scoring import Metric
from tools.sanity.suite import NEIGHBOURS, Row, Suite

_COLUMNS = {
    "chance": "chance",
    "pixels": "pixels, ridge",
    "random": "random net, ridge",
    "neighbour": "neighbour's net, ridge",
    "trained": "trained net",
    "untouched": "neighbour's net as it is",
}


_HEAD = (
    "**All numbers are synthetic**: they are from procedural copies and say nothing about the real datasets.",
    "Data: {data}. Learners: seed {seed}. Written by `python -m tools.sanity`;",
    "[embedded-suite.md](embedded-suite.md) says what the columns are. In brackets: 95 % bootstrap intervals over n",
    "images (queries, people). Bold: beyond the interval of the random net.",
)


def markdown(rows: Sequence[Row], suite: Suite) -> str:
    """The table per scenario (that of a backbone pretrained on the 37 datasets), and what it comes to."""
    return "\n".join(_lines(rows, suite)) + "\n"


def _lines(rows: Sequence[Row], suite: Suite) -> Iterator[str]:
    pretrained_on = [card.id for card in collection("full")]
    made = {(m["seed"], m["scale"]) for m in (suite.marker(row.card.id) for row in rows)}
    yield from ("# Simple learners on the embedded suite", "")
    data = ", ".join(f"seed {seed}, scale {scale:g}" for seed, scale in sorted(made))
    yield from (line.format(data=data, seed=suite.seed) for line in _HEAD)
    for name in SCENARIOS:
        group = [row for row in rows if scenario(row.card, pretrained_on) == name]
        if group:
            yield from ("", f"## {name} ({len(group)})", "")
            yield f"| dataset | metric | n | {' | '.join(_COLUMNS.values())} | neighbour |"
            yield "|---|---|---|" + "---|" * (len(_COLUMNS) + 1)
            yield from map(_line, group)
    tried = [row for row in rows if row.cells["untouched"]]
    counts = [
        sum(row.beats("trained", "chance", clearly=True) for row in rows),
        sum(row.beats("trained", "random", clearly=True) for row in rows),
        sum(row.beats("trained", "untouched") for row in tried),
        sum(row.beats("neighbour", "random") for row in rows),
    ]
    yield ""
    yield f"- Intervals of the trained net and of chance are apart on {counts[0]} of {len(rows)} datasets,"
    yield f"- those of the trained and the random net on {counts[1]}."
    yield f"- Trained here is better than trained on the neighbour alone on {counts[2]} of the {len(tried)} with both."
    yield f"- The neighbour's features are better than random ones on {counts[3]}."


def _line(row: Row) -> str:
    cells = [_cell(row, title) for title in _COLUMNS]
    measured = row.cells["trained"]
    assert measured is not None
    name, arrow = row.metric, direction(row.metric).arrow
    return f"| {row.card.id} | {name} {arrow} | {measured.n} | {' | '.join(cells)} | {NEIGHBOURS[row.card.id]} |"


def _cell(row: Row, title: str) -> str:
    cell: Metric | None = row.cells[title]
    if cell is None:
        return "–"
    value = f"{cell.value:.1f}"
    if title not in ("chance", "random") and row.beats(title, "random", clearly=True):
        value = f"**{value}**"
    return f"{value} [{cell.low:.1f}, {cell.high:.1f}]"
