"""A cell over its seeds: which results are one, its number with the interval that is shown, and the labels it needs.

Board, `compare`, `export` and the command line take their numbers from here. The number of a cell is the mean of a
metric over its seeds. Its 95 % interval holds two things:

- test units: the recorded bootstrap intervals. Seeds are tested on the same units, so their errors go together and do
  not average out: towards either side it is the mean over the seeds of what their intervals allow;
- training seeds: t x sd / sqrt(seeds), with the standard deviation over seeds of `humanbench.results.noise` (assumed
  for one seed, moved towards what is seen with several) and the t distribution of its degrees of freedom. The factor
  by which spreads differ from what is assumed is one for all cells of a row: a backbone in a regime.

Both are independent, so the interval reaches to the root of the sum of their squares.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from humanbench.metrics.directions import direction
from humanbench.regimes import fits
from humanbench.results.noise import Trained, moderated, spread_factor, spread_sums
from humanbench.results.record import Result
from humanbench.results.seed_spreads import measured_spread
from humanbench.results.stored import StoredResult, labels_of
from humanbench.stats import CONFIDENCE

Key = TypeVar("Key")
Item = TypeVar("Item")


@dataclass(frozen=True, order=True)
class CellKey:
    """What cells of two runs are matched by; `variant`, `subset` and `condition` are empty for none."""

    suite: str
    regime: str
    variant: str
    subset: str
    condition: str
    dataset: str

    @classmethod
    def of(cls, result: Result) -> CellKey:
        """The key of a result."""
        names = (result.suite, result.regime, result.variant or "", result.subset or "")
        return cls(*names, result.condition, result.dataset)


@dataclass(frozen=True)
class CellRuns:
    """The results of a cell, one per seed. `problem`: why it has no number (`failed`), or none that means anything."""

    key: CellKey
    entries: tuple[StoredResult, ...]
    problem: str = ""

    @property
    def failed(self) -> bool:
        """Whether no seed of it was finished."""
        return all(entry.result.status == "failed" for entry in self.entries)

    @property
    def first(self) -> StoredResult:
        return self.entries[0]

    @property
    def results(self) -> tuple[Result, ...]:
        """One per seed."""
        return tuple(entry.result for entry in self.entries)

    @property
    def values(self) -> tuple[float, ...]:
        """The main metric of each seed."""
        return tuple(entry.result.value for entry in self.entries)


def lists_by(pairs: Iterable[tuple[Key, Item]]) -> dict[Key, list[Item]]:
    """Items under their keys, both in the order in which they come.

    >>> lists_by([("b", 1), ("a", 2), ("b", 3)])
    {'b': [1, 3], 'a': [2]}
    """
    lists: dict[Key, list[Item]] = {}
    for key, item in pairs:
        lists.setdefault(key, []).append(item)
    return lists


def grouped(entries: Iterable[StoredResult]) -> dict[CellKey, CellRuns]:
    """Results as cells over seeds, sorted by key."""
    groups = lists_by((CellKey.of(entry.result), entry) for entry in entries)
    return {key: _cell(key, sorted(group, key=lambda e: e.result.seed)) for key, group in sorted(groups.items())}


def _cell(key: CellKey, entries: list[StoredResult]) -> CellRuns:
    done = [entry for entry in entries if entry.result.status == "done"]
    if not done:
        return CellRuns(key, tuple(entries), f"failed: {entries[-1].result.reason or 'no reason recorded'}")
    problem = ""
    if conflict := conflict_of([entry.result for entry in done]):
        problem = f"holds {conflict}; name one results file"
    elif not all(math.isfinite(entry.result.value) for entry in done):
        problem = f"has no finite {done[0].result.main}"
    return CellRuns(key, tuple(done), problem)


def conflict_of(results: Sequence[Result]) -> str:
    """Why results of a cell, which should differ in their seed alone, have no mean; empty where they have one."""
    aspects: dict[str, set[Any]] = {
        "backbone": {r.backbone for r in results},
        "weights": {r.cell.weights_sha256 for r in results},
        "recipe": {r.cell.recipe_sha256 for r in results},
        "data": {(labels_of(r), r.copy_of_data) for r in results},
        "inputs": {tuple(sorted(r.cell.inputs.items())) for r in results},
        "metric": {(r.main, r.split) for r in results},
    }
    if differing := " and ".join(name for name, seen in aspects.items() if len(seen) > 1):
        return f"results of it that differ in {differing}"
    seed, times = Counter(r.seed for r in results).most_common(1)[0]
    return f"{times} results of it for seed {seed}" if times > 1 else ""


@dataclass(frozen=True)
class CellNumber:
    """The number of a cell: the mean of a metric over `seeds` trainings, [low, high] its 95 % interval.

    `below`, `above`: how far test units alone reach to either side; `nan`, like the interval, where a seed's interval
    is not known. `n`: test units. `trained`: the values that say how much training seeds add. `row_ratios`,
    `row_freedom`: what all cells of its row say of that (`noise.spread_sums`). `sd`: of a single training, over seeds.
    """

    value: float
    low: float
    high: float
    below: float
    above: float
    n: int
    seeds: int
    trained: Trained
    row_ratios: float
    row_freedom: int
    sd: float

    @property
    def half(self) -> float:
        """Half of the interval, which stands behind a ±; `nan` where there is none."""
        return (self.high - self.low) / 2


def row_of(result: Result) -> tuple[Any, ...]:
    """What cells of one row have in common: the backbone with its weights, and how it was trained and tested."""
    known = (result.backbone, result.checkpoint, result.cell.weights_sha256, result.suite, result.regime)
    return *known, result.variant, result.subset, result.condition, result.copy_of_data


def cell_numbers(cells: Iterable[Sequence[Result]], metric: str | None = None) -> list[CellNumber | None]:
    """The number of each cell, whose results differ in their seed alone; None for a cell without a finite one.

    `metric`: another than the main one. Cells of one row must come together, for what they say of training seeds
    counts for all of them.
    """
    listed = [[result for result in cell if result.status == "done"] for cell in cells]
    rows = lists_by((row_of(cell[0]), t) for cell in listed if (t := _trained(cell, None)) is not None)
    sums = {row: spread_sums(members) for row, members in rows.items()}
    return [_number(cell, metric, *sums.get(row_of(cell[0]), (0.0, 0))) if cell else None for cell in listed]


def numbers_of(cells: Collection[CellRuns], metric: str | None = None) -> dict[CellKey, CellNumber | None]:
    """`cell_numbers` by key."""
    numbers = cell_numbers((cell.results for cell in cells), metric)
    return {cell.key: number for cell, number in zip(cells, numbers, strict=True)}


def _trained(cell: Sequence[Result], metric: str | None) -> Trained | None:
    metrics = [result.metrics.get(metric or result.main) for result in cell]
    values = [one.value for one in metrics if one is not None and math.isfinite(one.value)]
    if not values or len(values) < len(cell):
        return None
    return trained_values(cell[0], metric or cell[0].main, tuple(values))


def trained_values(result: Result, metric: str, base: tuple[float, ...], new: tuple[float, ...] = ()) -> Trained:
    """Values over seeds of a metric of such results (of one cell, or of the two of a comparison)."""
    measured = None if result.condition else measured_spread(result, metric)  # it was seen without any
    return Trained(metric, result.suite, base, new, trained=fits(result.regime), measured=measured)


def _number(cell: Sequence[Result], metric: str | None, ratios: float, freedom: int) -> CellNumber | None:
    trained = _trained(cell, metric)
    if trained is None:
        return None
    metrics = [result.metrics[metric or result.main] for result in cell]
    below = _mean([max(m.value - m.low, 0.0) if math.isfinite(m.low) else math.nan for m in metrics])
    above = _mean([max(m.high - m.value, 0.0) if math.isfinite(m.high) else math.nan for m in metrics])
    noise = moderated(trained, spread_factor(ratios, freedom))
    seeds = t_quantile(noise.freedom) * noise.sd / math.sqrt(len(cell))
    value = _mean(trained.base)
    low, high = interval_around(value, math.hypot(below, seeds), math.hypot(above, seeds), trained.metric)
    return CellNumber(
        value=value,
        low=low,
        high=high,
        below=below,
        above=above,
        n=min(m.n for m in metrics),
        seeds=len(cell),
        trained=trained,
        row_ratios=ratios,
        row_freedom=freedom,
        sd=noise.sd,
    )


def interval_around(value: float, below: float, above: float, metric: str) -> tuple[float, float]:
    """The interval that reaches so far, but not below 0 nor above 100 %; an end is `nan` where it is not known."""
    low, high = value - below, value + above
    least, most = min(0.0, value), max(100.0, value) if direction(metric).unit == "%" else math.inf
    return max(low, least) if math.isfinite(low) else math.nan, min(high, most) if math.isfinite(high) else math.nan


@lru_cache(maxsize=256)
def t_quantile(freedom: float, level: float = 1 - CONFIDENCE) -> float:
    """Half width of a two-sided interval of this level in standard deviations: of the t distribution."""
    from scipy.special import ndtri, stdtrit  # what scipy.stats asks, without its second of loading

    return abs(float(ndtri(level / 2)) if math.isinf(freedom) else float(stdtrit(freedom, level / 2)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan


def interval_text(number: CellNumber) -> str:
    """`86.90 – 88.10`; empty where there is none."""
    return f"{number.low:.2f} – {number.high:.2f}" if math.isfinite(number.half) else ""


def labels(result: Result) -> list[str]:
    """What a reader must know before the numbers of a cell."""
    words = ["synthetic"] * result.synthetic + [result.other_copy] * bool(result.other_copy)
    words += [f"subset {result.subset}"] * (result.subset is not None)
    return words + [result.condition] * bool(result.condition)


def words_of(result: Result) -> str:
    """What a cell is beside its dataset, in words."""
    parts = (result.regime, result.variant, result.condition, f"seed {result.seed}")
    return ", ".join(part for part in parts if part)
