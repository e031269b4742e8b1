"""How well the embedded suite tells backbones apart: `python -m bench.telling_apart RANDOM PRETRAINED …`.

Each pair of arguments are run folders (or names of shipped baselines) of one regime: an untrained network's and its
pretrained twin's. Prints, per pair, on how many cells `humanbench compare` calls the pretrained one better, on how many
that one lies between 25 and 90 % of the way from chance to perfect, and the seconds of a finetuning of all cells.
Chance is the column of that name in docs/embedded-suite-table.md, of the same version of the suite.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import humanbench
from humanbench.metrics.directions import direction
from humanbench.results.stored import read_stored

TABLE = Path(__file__).resolve().parents[1] / "docs" / "embedded-suite-table.md"
MIDDLE = 0.25, 0.90
"""Share of the way from chance to perfect between which a cell tells better networks from worse ones."""


@dataclass(frozen=True)
class CellRow:
    """A cell of a pair: values, the verdict of `compare` on it, and how far the second has come from chance."""

    dataset: str
    metric: str
    chance: float
    first: float
    second: float
    verdict: str

    @property
    def way(self) -> float:
        return way(self.metric, self.chance, self.second)


def way(metric: str, chance: float, value: float) -> float:
    """The share of the way from chance to perfect.

    >>> way("mA", 50.0, 60.0), way("EPE", 8.0, 2.0)
    (0.2, 0.75)
    """
    perfect = 100.0 if direction(metric).higher_is_better else 0.0
    return (value - chance) / (perfect - chance)


def chances(text: str) -> dict[str, float]:
    """The column `chance` of the table of simple learners, by dataset."""
    rows = re.findall(r"^\| (\w+) \| \S+ [↑↓] \| \d+ \| \**(-?[\d.]+)", text, flags=re.M)
    return {name: float(value) for name, value in rows}


def rows(first: str, second: str, chance: Mapping[str, float]) -> list[CellRow]:
    """The cells of both runs."""
    report = humanbench.compare(first, second)
    missing = [cell.dataset for cell in report.cells if cell.dataset not in chance or not cell.comparable]
    if missing:
        sys.exit(f"{second}: no chance, or nothing to compare with, for {', '.join(missing)}")
    return [CellRow(c.dataset, c.metric, chance[c.dataset], c.base, c.new, c.verdict) for c in report.cells]


def seconds(run: str) -> float:
    """Of one finetuning of all cells of a run: the mean over its seeds."""
    by_cell: dict[str, list[float]] = {}
    for entry in read_stored([run]):
        result = entry.result
        if result.provenance is not None:
            by_cell.setdefault(result.dataset, []).append(sum(result.provenance.seconds.values()))
    return float(sum(np.mean(values) for values in by_cell.values()))


def main(runs: list[str]) -> None:
    """Compare the pairs and print."""
    if len(runs) < 2 or len(runs) % 2:
        sys.exit("python -m bench.telling_apart RANDOM PRETRAINED … (pairs of run folders, or of shipped baselines)")
    chance = chances(TABLE.read_text(encoding="utf-8"))
    for first, second in zip(runs[::2], runs[1::2], strict=True):
        cells = rows(first, second, chance)
        better = [c.dataset for c in cells if c.verdict == "better"]
        middle = [c.dataset for c in cells if MIDDLE[0] <= c.way <= MIDDLE[1]]
        print(f"{Path(first).name} → {Path(second).name}: better on {len(better)} of {len(cells)} cells, between 25")
        print(f"and 90 % of the way from chance to perfect on {len(middle)}, {seconds(second):.0f} s per seed\n")
        print(
            "| dataset | metric | chance | first | second | verdict | way from chance |\n|---|---|---|---|---|---|---|"
        )
        for c in cells:
            shown = (f"{value:.1f}" for value in (c.chance, c.first, c.second))
            print(f"| {c.dataset} | {c.metric} | {' | '.join(shown)} | {c.verdict} | {100 * c.way:.0f} % |")
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
