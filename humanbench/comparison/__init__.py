"""`compare`: two runs cell by cell, with the certainty that their test units and training seeds allow."""

from __future__ import annotations

import hashlib
import os
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from humanbench._version import __version__
from humanbench.comparison.comparison import Comparison
from humanbench.comparison.draws import DifferenceDraws, Ground, NotComparable, difference_draws
from humanbench.comparison.groups import group_changes
from humanbench.comparison.matching import Pair, Run, pairs, read_run
from humanbench.comparison.overall import judge_together
from humanbench.comparison.report import (
    OVERALL,
    BoardAverage,
    CellReport,
    CostReport,
    GroupingChange,
    TogetherReport,
    averages,
    board_of,
)
from humanbench.comparison.verdicts import DrawnCell, Judged, Measured, draw, judge
from humanbench.errors import HumanbenchError
from humanbench.progress import track
from humanbench.results import Result
from humanbench.results.apart import resamples_for
from humanbench.results.cells import CellNumber, lists_by, trained_values
from humanbench.results.loading import costs_of
from humanbench.stats import check_draws

__all__ = ["BoardAverage", "CellReport", "Comparison", "TogetherReport", "compare"]

_SIDE_BY_SIDE = ("trainable", "gflops", "backbone_bytes", "added_bytes")
_OF_A_DEVICE = ("latency_ms", "images_per_second", "memory_32_bytes", "joules_32")
"""Kinds of cost (`humanbench.results.loading`) that are of the network, and those that are of the device too."""


def compare(
    base: str | os.PathLike[str],
    new: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    margin: float | None = None,
    subset: str | os.PathLike[str] | None = None,
    seed: int = 0,
    groups: bool = False,
) -> Comparison:
    """Compare two runs: per cell both values, their difference with its interval, and a verdict; the same for the cells
    of a task and of a board together; averages over cells.

    Cells are matched by dataset, regime, suite, variant, subset and condition (few labels, corrupted
    pictures); seeds of a cell are averaged, and their spread widens the interval. With predictions and ground truth at
    hand the bootstrap is paired over test units, otherwise the recorded intervals are used, and the cell says so.
    docs/compare.md defines every number.

    Args:
        base: A run folder, a results file or the name of a shipped baseline.
        new: Another one.
        data_root: Folder with one folder per dataset id; None is $HUMANBENCH_DATA, else ~/humanbench-data.
        margin: The smallest difference that makes a regression: points for metrics in percent, percent of the value of
            `base` for errors and for means over cells; None is 1 point, 5 percent, 1 percent.
        subset: The file of sample ids, where the runs are of a subset.
        seed: Seed of the bootstrap.
        groups: Also by the groups that labels tell apart (docs/groups.md), where predictions and labels are here.

    Raises `ResultError` for what is no run, `HumanbenchError` for a margin below zero.
    """
    if margin is not None and not (isinstance(margin, Real) and 0 <= margin < float("inf")):
        raise HumanbenchError(f"a margin of {margin} was given; it must be zero or more")
    check_draws(seed)
    first, second = read_run(base), read_run(new)
    matched = pairs(first, second)
    resamples = resamples_for(sum(not pair.problem for pair in matched))
    ground = Ground(data_root, subset)
    drawn_pairs = _draws(matched, ground, seed, resamples)
    report = _report(first, second, drawn_pairs, margin, resamples)
    if not groups:
        return report
    changes, absent = _by_groups([pair for pair, known, _ in drawn_pairs if known is not None], ground, seed)
    return report.model_copy(update={"groups": tuple(changes), "groups_absent": tuple(absent)})


def _by_groups(compared: list[Pair], ground: Ground, seed: int) -> tuple[list[GroupingChange], list[str]]:
    changes, absent = list[GroupingChange](), list[str]()
    for pair in track(compared, "comparing groups"):
        try:
            changes += group_changes(pair, ground, seed)
        except HumanbenchError as reason:
            absent.append(str(reason) if pair.key.dataset in str(reason) else f"{pair.key.dataset}: {reason}")
    return changes, list(dict.fromkeys(absent))


DrawnPair = tuple[Pair, DifferenceDraws | None, np.random.Generator]


def _draws(matched: list[Pair], ground: Ground, seed: int, resamples: int) -> list[DrawnPair]:
    drawn_pairs: list[DrawnPair] = []
    for pair in track(matched, "comparing cells"):
        rng = np.random.default_rng([seed, int(hashlib.sha256(repr(pair.key).encode()).hexdigest()[:8], 16)])
        if pair.problem:
            drawn_pairs.append((pair, None, rng))
            continue
        try:
            drawn_pairs.append((pair, difference_draws(pair, ground, rng, resamples), rng))
        except NotComparable as problem:
            drawn_pairs.append((replace(pair, problem=str(problem)), None, rng))
    return drawn_pairs


def _report(base: Run, new: Run, drawn_pairs: list[DrawnPair], margin: float | None, resamples: int) -> Comparison:
    drawn = draw([_measured(pair, known, rng) for pair, known, rng in drawn_pairs if known is not None])
    judged = iter(judge(drawn, margin))
    cells = []
    for pair, known, _ in drawn_pairs:
        there = (("base", base, pair.base), ("new", new, pair.new))
        sides = {name: run.numbers.get(cell.key) for name, run, cell in there if cell is not None}
        cells.append(_cell(pair, sides, known, next(judged) if known is not None else None))
    return Comparison(
        base=base.name,
        new=new.name,
        base_backbones=base.backbones,
        new_backbones=new.backbones,
        margin=margin,
        resamples=resamples,
        humanbench=__version__,
        cells=tuple(cells),
        together=tuple(_together([cell for cell in cells if cell.comparable], drawn, margin)),
        averages=tuple(averages(cells)),
        costs=tuple(_costs(pair for pair, known, _ in drawn_pairs if known is not None)),
    )


def _together(cells: list[CellReport], drawn: list[DrawnCell], margin: float | None) -> Iterator[TogetherReport]:
    """Each board as a whole, and its tasks where it has several."""
    groups: dict[tuple[str, str], list[DrawnCell]] = {}
    placed = ((cell.board, (cell.task, one)) for cell, one in zip(cells, drawn, strict=True))
    for board, members in lists_by(placed).items():
        tasks = lists_by(members)
        groups[board, OVERALL] = [one for of_task in tasks.values() for one in of_task]
        if len(tasks) > 1:
            groups |= {(board, task): of_task for task, of_task in tasks.items()}
    for (board, name), judged in judge_together(groups, margin).items():
        yield TogetherReport(board=board, group=name, **vars(judged))


def _costs(compared: Iterable[Pair]) -> Iterator[CostReport]:
    """By board and kind of cost, over the cells where both runs have it.

    What is measured on a device counts where both name the same one, as fast as it was at that hour.
    """
    by_cost: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for pair in compared:
        results = [cell.first.result for cell in pair.both]
        base, new = map(costs_of, results)
        names = (*_SIDE_BY_SIDE, *_OF_A_DEVICE) if _one_device(*results) else _SIDE_BY_SIDE
        for name in names:
            if (a := base[name]) is not None and (b := new[name]) is not None:
                by_cost.setdefault((board_of(results[0]), name), []).append((a, b))
    for (board, name), values in by_cost.items():
        a, b = (statistics.median(side) for side in zip(*values, strict=True))
        if a or b:
            yield CostReport(board=board, cost=name, cells=len(values), base=a, new=b)


def _one_device(base: Result, new: Result) -> bool:
    """Whether what was measured is of one kind of device, in one precision."""
    if base.provenance is None or new.provenance is None:
        return False
    speeds = [
        {name for name in p.images_per_second if name.startswith("forward")} for p in (base.provenance, new.provenance)
    ]
    return base.provenance.device == new.provenance.device and speeds[0] == speeds[1]


def _measured(pair: Pair, known: DifferenceDraws, rng: np.random.Generator) -> Measured:
    base, new = pair.both
    first = new.first.result
    values = trained_values(first, first.main, base.values, new.values)
    return Measured(values, known.draws, known.n, rng)


def _cell(
    pair: Pair, sides: Mapping[str, CellNumber | None], known: DifferenceDraws | None, judged: Judged | None
) -> CellReport:
    shown = pair.new or pair.base
    assert shown is not None
    result = shown.first.result
    kind = ("suite", "regime", "variant", "subset", "condition", "synthetic", "other_copy")
    fields = {name: getattr(result, name) for name in ("dataset", "task", "scenario", *kind)}
    metric = next((c.first.result.main for c in (pair.new, pair.base) if c and c.first.result.main), "")
    numbers: dict[str, Any] = {"metric": metric, "notes": pair.notes}
    for name, one in sides.items():
        if one is not None:
            numbers |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high, f"{name}_seeds": one.seeds}
    if known is None or judged is None:
        return CellReport(**fields, **numbers, verdict="not comparable", problem=pair.problem)
    numbers |= vars(judged)
    numbers |= {"method": known.method, "n": known.n, "unit": known.unit, "notes": (*pair.notes, *known.notes)}
    return CellReport(**fields, **numbers)
