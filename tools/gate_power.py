"""How often the gate fails for nothing, and how small a drop it finds: `python -m tools.gate_power RUN [OTHER...]`.

RUN is a run folder of `humanbench eval --suite mini --seeds 20`: many real trainings of one backbone, with predictions.
Pairs of disjoint sets of its seeds are compared as `humanbench compare` would; no drop is there, so every regression is
a false alarm. OTHER are run folders of damaged copies of the backbone (`python -m tools.damaged_weights`), compared
with RUN as they are. For power one side is moved towards a damaged copy, unit by unit, until it has lost so many
percent: what a real drop does to the spread over units goes with it. Without a copy that is worse in a cell, all its
units lose alike, which is easier to find; such rows are marked. Writes docs/gate-power.md.

The units of a test set are the same in all pairs, so that false alarms show the noise of training, not that of units.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.comparison.draws import Ground, scores_of
from humanbench.comparison.overall import judge_together
from humanbench.comparison.verdicts import Measured, draw, judge
from humanbench.metrics.directions import direction
from humanbench.progress import track
from humanbench.results.apart import resamples_for
from humanbench.results.cells import CellRuns, grouped, trained_values
from humanbench.results.record import Result
from humanbench.results.stored import read_stored

PAGE = Path(__file__).resolve().parents[1] / "docs" / "gate-power.md"

SEEDS = (1, 2, 3)
PAIRS = 300
POWER_PAIRS = 60
FOUND = 0.8
DROPS = (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100)
"""Percent of the value."""


@dataclass(frozen=True)
class Trainings:
    """A cell's values over seeds, and their draws over the same test units (resamples x seeds)."""

    result: Result
    values: Floats
    drawn: Floats
    n: int

    @property
    def sign(self) -> int:
        return 1 if direction(self.result.main).higher_is_better else -1


def read(run: str) -> dict[str, Trainings]:
    """The cells of a run, each resampled once with the same units for all its seeds."""
    cells = grouped(read_stored([run]))
    resamples = resamples_for(len(cells))
    listed = track(list(cells.values()), f"resampling {Path(run).name}")
    return {cell.key.dataset: _trainings(cell, resamples) for cell in listed}


def _trainings(cell: CellRuns, resamples: int) -> Trainings:
    if cell.problem:
        sys.exit(f"{cell.key.dataset}: {cell.problem}")
    scores = scores_of(cell, Ground())
    rng, metric, n = np.random.default_rng(0), cell.first.result.main, scores[0].n
    drawn = np.empty((resamples, len(scores)))
    for row in range(resamples):
        index = rng.integers(0, n, n)
        drawn[row] = [one.resample(index)[metric] for one in scores]
    return Trainings(cell.first.result, np.array(cell.values), drawn, n)


class Pairs:
    """Comparisons of some seeds of one run with seeds of another, or of the same."""

    def __init__(
        self,
        base: Mapping[str, Trainings],
        new: Mapping[str, Trainings],
        seeds: int,
        towards: Mapping[str, Trainings] | None = None,
    ) -> None:
        self.towards = towards or {}
        self.names = [name for name in base if name in new]
        self.base, self.new, self.seeds = base, new, seeds
        self.same = base is new
        self.rng = np.random.default_rng(0)

    def measured(self, drops: Mapping[str, float]) -> list[Measured]:
        """One comparison; `drops` in percent of the value are taken from NEW."""
        return [
            self._measured(self.base[name], self.new[name], drops.get(name, 0.0), self.towards.get(name))
            for name in self.names
        ]

    def _measured(self, base: Trainings, new: Trainings, drop: float, towards: Trainings | None) -> Measured:
        first = self.rng.permutation(len(base.values))
        second = first[self.seeds :] if self.same else self.rng.permutation(len(new.values))
        a, b = first[: self.seeds], second[: self.seeds]
        moved, moved_draws = _drop(base, towards, drop)
        values = trained_values(base.result, base.result.main, tuple(base.values[a]), tuple(new.values[b] + moved))
        units = new.drawn[:, b].mean(1) + moved_draws - base.drawn[:, a].mean(1)
        return Measured(values, units, base.n, self.rng)

    def judged(self, repeats: int, drops: Mapping[str, float] | None = None) -> list[tuple[set[str], set[str]]]:
        """The cells and the groups of cells that each comparison calls regressions."""
        return [self._judged(drops or {}) for _ in range(repeats)]

    def _judged(self, drops: Mapping[str, float]) -> tuple[set[str], set[str]]:
        drawn = draw(self.measured(drops))
        cells = {name for name, one in zip(self.names, judge(drawn), strict=True) if one.regression}
        groups = {"overall": drawn}
        tasks = [self.base[name].result.task for name in self.names]
        for task in dict.fromkeys(tasks) if len(set(tasks)) > 1 else ():
            groups[task] = [one for one, its in zip(drawn, tasks, strict=True) if its == task]
        return cells, {name for name, one in judge_together(groups).items() if one.regression}

    def smallest(self, name: str | None) -> float | None:
        """The smallest of DROPS that 80 % find: in one cell, or (None) in all cells together."""
        for drop in DROPS:
            drops = dict.fromkeys(self.names, drop) if name is None else {name: float(drop)}
            found = [
                ("overall" in groups) if name is None else (name in cells)
                for cells, groups in self.judged(POWER_PAIRS, drops)
            ]
            if np.mean(found) >= FOUND:
                return float(drop)
        return None


def _drop(base: Trainings, towards: Trainings | None, percent: float) -> tuple[float, Floats | float]:
    """By how much a drop of so many percent moves the value and its draws."""
    wanted = -base.sign * percent / 100 * float(base.values.mean())
    if towards is None:
        return wanted, wanted
    share = wanted / float(towards.values.mean() - base.values.mean())
    return wanted, share * (towards.drawn.mean(1) - base.drawn.mean(1))


def worst(run: Mapping[str, Trainings], others: Mapping[str, Mapping[str, Trainings]]) -> dict[str, Trainings]:
    """Per cell the damaged copy that loses most, where any loses by more than twice the spread over seeds."""
    found = {}
    for name, base in run.items():
        losses = [(_change(base, other[name]), other[name]) for other in others.values() if name in other]
        change, other = min(losses, key=lambda one: one[0], default=(0.0, base))
        if -change > 200 * base.values.std(ddof=1) / abs(base.values.mean()):
            found[name] = other
    return found


def false_alarms(run: Mapping[str, Trainings]) -> list[tuple[str, ...]]:
    """Per number of seeds: how many of the pairs fail for a cell, for cells together, for either."""
    rows = []
    for seeds in SEEDS:
        found = Pairs(run, run, seeds).judged(PAIRS)
        shares = [np.mean([bool(chosen(one)) for one in found]) for chosen in (_cells, _groups, _either)]
        rows.append((str(seeds), *(f"{100 * share:.1f} %" for share in shares)))
    return rows


def _cells(one: tuple[set[str], set[str]]) -> set[str]:
    return one[0]


def _groups(one: tuple[set[str], set[str]]) -> set[str]:
    return one[1]


def _either(one: tuple[set[str], set[str]]) -> set[str]:
    return one[0] | one[1]


def power(run: Mapping[str, Trainings], towards: Mapping[str, Trainings]) -> list[tuple[str, ...]]:
    """Per cell: its value, spread over seeds, and the smallest drop found per number of seeds; at last all cells."""
    rows = []
    for name, cell in track(list(run.items()), "power"):
        drops = [_percent(Pairs(run, run, seeds, towards).smallest(name)) for seeds in SEEDS]
        spread = f"{cell.values.std(ddof=1):.2f}"
        shown = name if name in towards else f"{name} (all units alike)"
        rows.append((shown, cell.result.main, f"{cell.values.mean():.1f}", spread, str(cell.n), *drops))
    overall = [_percent(Pairs(run, run, seeds, towards).smallest(None)) for seeds in SEEDS]
    return [*rows, ("all cells, overall", "", "", "", "", *overall)]


def _percent(drop: float | None) -> str:
    return "none" if drop is None else f"{drop:g} %"


def damaged(run: Mapping[str, Trainings], others: Mapping[str, Mapping[str, Trainings]]) -> list[tuple[str, ...]]:
    """Per damaged backbone: the true mean change of each cell, and how often the gate fails."""
    rows = []
    for name, other in others.items():
        pairs = Pairs(run, other, min(2, *(len(cell.values) for cell in other.values())))
        found = pairs.judged(PAIRS)
        changes = ", ".join(f"{n} {_change(run[n], other[n]):+.1f} %" for n in pairs.names)
        shares = [np.mean([bool(chosen(one)) for one in found]) for chosen in (_cells, _groups, _either)]
        rows.append((name, changes, *(f"{100 * share:.0f} %" for share in shares)))
    return rows


def _change(base: Trainings, new: Trainings) -> float:
    return float(base.sign * 100 * (new.values.mean() / base.values.mean() - 1))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def main(arguments: list[str]) -> None:
    """Measure and write the page."""
    if not arguments:
        sys.exit("python -m tools.gate_power RUN [OTHER...] (run folders of `humanbench eval --suite mini --seeds 20`)")
    run, others = read(arguments[0]), {Path(name).name: read(name) for name in arguments[1:]}
    first = next(iter(run.values()))
    counts = sorted({len(cell.values) for cell in run.values()})
    seeds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    seed_heads = [f"{n} {'seed' if n == 1 else 'seeds'}" for n in SEEDS]
    parts = [
        "# What the gate finds, and how often it fails for nothing",
        "**All numbers are synthetic**: backbones and pictures are of the embedded suite. Written by "
        "`python -m tools.gate_power`;\n[compare.md](compare.md) says how the gate judges.",
        f"{seeds} trainings of `{first.result.backbone}`, regime {first.result.regime}, on {len(run)} datasets. Test "
        "units are the same in all pairs, so false alarms\nshow the noise of training alone.",
        "## False alarms",
        f"{PAIRS} pairs of runs that differ in their seeds alone, with the default margin; how many fail for",
        table(("seeds a side", "a cell", "cells together", "either"), false_alarms(run)),
        "## The smallest drop found in 80 of 100 comparisons",
        "In percent of the value, in this one cell while the others stay as they are; in the last row the same drop in "
        "all\ncells, found by the test of the whole board.",
        table(("dataset", "metric", "value", "sd over seeds", "units", *seed_heads), power(run, worst(run, others))),
    ]
    if others:
        parts += [
            "## Damaged weights",
            "The same backbone with damaged weights, two seeds a side; the change is the mean over all trainings.",
            table(("damage", "change", "fails for a cell", "for cells together", "either"), damaged(run, others)),
        ]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
