"""The cells of a run by group, kept in the run's folder, from which a board shows them; and two runs group by group:
what each group gains or loses, and whether the largest gap widens, over the same units."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from humanbench.arrays import Floats, Ints
from humanbench.by_group import LEAST, SubgroupReport, by_groups, check_least, groupings_of
from humanbench.comparison.draws import Ground, ground_truth, scored_predictions
from humanbench.comparison.matching import Pair, read_run
from humanbench.comparison.report import GapChange, GroupChange, GroupingChange, board_of
from humanbench.errors import CardError, HumanbenchError
from humanbench.files import write_text
from humanbench.leftovers import files_in
from humanbench.metrics.groups import TAIL, Grouping, furthest_apart, group_value
from humanbench.progress import track
from humanbench.results import Result
from humanbench.results.cells import CellRuns, words_of
from humanbench.results.stored import StoredResult
from humanbench.scoring import scored_against
from humanbench.stats import RESAMPLES

FOLDER = "groups"
"""Folder of a run that holds its metrics by group: a file per cell and seed."""


def run_subgroups(
    run: str | os.PathLike[str],
    datasets: Sequence[str] = (),
    data_root: str | os.PathLike[str] | None = None,
    subset: str | os.PathLike[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    least: int = LEAST,
) -> Iterator[SubgroupReport | str]:
    """Of each finished cell and seed of a run its metrics by group, written into its folder too, or in words why not.

    Raises `HumanbenchError` where a dataset is none of the run's.
    """
    check_least(least)
    stored_run = read_run(run)
    ground = Ground(data_root, subset)
    for key, cell in stored_run.of(datasets).items():
        if cell.failed:
            continue
        label = key.dataset
        try:
            card, tables = ground_truth(cell, ground)
            for entry in cell.entries:
                label = f"{key.dataset}, {words_of(entry.result)}"
                path = scored_predictions(entry, stored_run.name)
                scored = scored_against(card, tables, path)
                report = by_groups(scored, seed, resamples, least).model_copy(update={"cell": words_of(entry.result)})
                not_kept = _keep(entry, report)
                yield report
                if not_kept:
                    yield f"{label}: {not_kept}"
        except CardError as reason:
            yield str(reason)
        except HumanbenchError as reason:
            yield f"{label}: {reason}"


def _keep(entry: StoredResult, report: SubgroupReport) -> str:
    """Write a report into its run's folder; in words why not, where that may only be read."""
    try:
        write_text(entry.folder / FOLDER / f"{_name(entry.result)}.json", report.to_json() + "\n")
    except OSError as error:
        return f"its metrics by group are not kept in the run folder ({error.filename}: {error.strerror})"
    return ""


def _name(result: Result) -> str:
    """The name of what is kept of a cell and seed, that of its predictions."""
    return Path(result.predictions or "").name.partition(".")[0]


def stored_subgroups(folder: Path, results: Iterable[Result] | None = None) -> Iterator[SubgroupReport | str]:
    """What `run_subgroups` wrote into a run's folder; of a file that is no such report, in words that it is none.

    `results`: those of the run; then of a report of other predictions, or of other labels, in words that it is stale.
    """
    known = {(_name(r), r.provenance.predictions_sha256): r for r in results or () if r.provenance}
    again = f"write them again: humanbench groups {folder}"
    for path in files_in(folder / FOLDER, "*.json"):
        try:
            report = SubgroupReport.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            yield f"{path}: no metrics by group, or altered; {again}"
            continue
        if results is not None and not _is_of(report, known.get((path.stem, report.predictions_sha256))):
            yield f"{path}: of predictions or labels that are not those of the run's results; {again}"
        else:
            yield report


def _is_of(report: SubgroupReport, result: Result | None) -> bool:
    """Whether the groups are those of the result of their predictions: their whole is its number."""
    if result is None or report.main != result.main:
        return False
    return math.isclose(report.value, result.value, rel_tol=1e-5, abs_tol=1e-5)


def group_changes(
    pair: Pair, ground: Ground, seed: int, resamples: int = RESAMPLES, least: int = LEAST
) -> Iterator[GroupingChange]:
    """By grouping of a cell of both runs the change of each group, the mean over each run's seeds.

    Every resample draws the same test units for both runs and all groups. Raises `HumanbenchError` where predictions or
    labels are not here, or tell no groups apart.
    """
    runs = pair.both
    base, metric, units = _groupings(runs[0], ground, "BASE")
    new, _, _ = _groupings(runs[1], ground, "NEW")
    for first in base[0]:
        sides = [
            [grouping for seed in side for grouping in seed if grouping.name == first.name] for side in (base, new)
        ]
        names = {tuple(group.name for group in grouping.groups) for side in sides for grouping in side}
        if len(names) > 1 or not all(sides):
            continue
        shown = [number for number, group in enumerate(first.groups) if group.n >= least]
        whole = _values(sides, shown, metric, [np.arange(units)])[0]
        drawn = _values(sides, shown, metric, _resampled(units, seed, resamples, f"{pair.key.dataset} by {first.name}"))
        yield GroupingChange(
            dataset=pair.key.dataset,
            board=board_of(runs[0].first.result),
            metric=metric,
            name=first.name,
            members=first.members,
            groups=tuple(_changes(first, shown, whole, drawn)),
            gap=_gap([first.groups[number].name for number in shown], whole, drawn),
        )


def _groupings(cell: CellRuns, ground: Ground, name: str) -> tuple[list[list[Grouping]], str, int]:
    """Of each seed its groupings; the metric, and how many units there are."""
    card, tables = ground_truth(cell, ground)
    scored = [scored_against(card, tables, scored_predictions(entry, name)) for entry in cell.entries]
    return [groupings_of(of) for of in scored], scored[0].main, scored[0].scores.n


def _resampled(units: int, seed: int, resamples: int, text: str) -> Iterator[Ints]:
    rng = np.random.default_rng(seed)
    for _ in track(range(resamples), text):
        yield rng.integers(0, units, units)


def _values(sides: Sequence[Sequence[Grouping]], shown: Sequence[int], metric: str, draws: Iterable[Ints]) -> Floats:
    """Draws x sides (BASE, NEW) x groups: the mean over seeds."""
    values = [
        [[np.mean([group_value(g.groups[n], index, metric) for g in side]) for n in shown] for side in sides]
        for index in draws
    ]
    return np.array(values, np.float64).reshape(len(values), 2, len(shown))


def _changes(grouping: Grouping, shown: Sequence[int], whole: Floats, drawn: Floats) -> Iterator[GroupChange]:
    for number, group in enumerate(grouping.groups):
        if number not in shown:
            yield GroupChange(name=group.name, n=group.n)
            continue
        at = shown.index(number)
        yield GroupChange(name=group.name, n=group.n, **_change(whole[:, at], drawn[:, :, at]))


def _gap(names: Sequence[str], whole: Floats, drawn: Floats) -> GapChange | None:
    """Of the two groups that lie furthest apart in the mean of both runs, so that neither run has chosen them."""
    if (furthest := furthest_apart(whole.mean(axis=0))) is None:
        return None
    worst, best = furthest
    gap = _change(whole[:, best] - whole[:, worst], drawn[:, :, best] - drawn[:, :, worst])
    return GapChange(best=names[best], worst=names[worst], **gap)


def _change(whole: Floats, drawn: Floats) -> dict[str, float]:
    """Both sides' value (BASE, NEW) and the difference, with its interval from draws x sides."""
    base, new = whole.tolist()
    differences = drawn[:, 1] - drawn[:, 0]
    defined = differences[np.isfinite(differences)]
    low, high = np.quantile(defined, [TAIL, 1 - TAIL]).tolist() if len(defined) > 1 else (math.nan, math.nan)
    return {"base": base, "new": new, "difference": new - base, "low": low, "high": high}
