"""The cells of a run by group, kept in the run's folder, from which a board shows them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from humanbench.by_group import LEAST, SubgroupReport, by_groups, check_least
from humanbench.comparison.draws import Ground, ground_truth, scored_predictions
from humanbench.comparison.matching import read_run
from humanbench.errors import CardError, HumanbenchError
from humanbench.files import write_text
from humanbench.leftovers import files_in
from humanbench.results import Result
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
    found = read_run(run)
    ground = Ground(data_root, subset)
    for key, cell in found.of(datasets).items():
        if cell.failed:
            continue
        told = key.dataset
        try:
            card, tables = ground_truth(cell, ground)
            for entry in cell.entries:
                told = f"{key.dataset}, {_words(entry.result)}"
                path = scored_predictions(entry, found.name)
                scored = scored_against(card, tables, path)
                report = by_groups(scored, seed, resamples, least).model_copy(update={"cell": _words(entry.result)})
                write_text(entry.folder / FOLDER / f"{_name(entry.result)}.json", report.to_json() + "\n")
                yield report
        except CardError as reason:
            yield str(reason)
        except HumanbenchError as reason:
            yield f"{told}: {reason}"


def _words(result: Result) -> str:
    """What a cell is beside its dataset."""
    parts = (result.regime, result.variant, result.condition, f"seed {result.seed}")
    return ", ".join(part for part in parts if part)


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
