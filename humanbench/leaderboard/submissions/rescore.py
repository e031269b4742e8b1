"""`leaderboard check`: every claim of a submission held against its files, every number computed again."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from humanbench.cards import load_card
from humanbench.data.samples import dataset_folder, load_samples
from humanbench.data_root import find_data
from humanbench.errors import CardError, DataError, HumanbenchError
from humanbench.hashing import file_sha256
from humanbench.leaderboard.submissions import claims
from humanbench.leaderboard.submissions.archive import ENVIRONMENT, SubmissionError, opened
from humanbench.leaderboard.submissions.manifest import (
    BackboneRecord,
    Manifest,
    read_document,
    read_manifest,
    read_result_strictly,
    validated,
)
from humanbench.leftovers import files_in
from humanbench.names import shown
from humanbench.results import Result
from humanbench.scoring import Metric, ScoreReport, score

_OTHER = "the data here is not what it was measured on; --data-root FOLDER names other data"
Outcome = Literal["rescored", "claimed", "rejected"]
TOLERANCE = 0.005
"""Half of the last digit that the pages show. Sums in another order move a number by far less."""


@dataclass(frozen=True)
class Difference:
    """A number that came out otherwise."""

    metric: str
    part: str
    claimed: float
    recomputed: float

    def __str__(self) -> str:
        part = "" if self.part == "value" else f" ({self.part})"
        return f"{self.metric}{part}: claimed {self.claimed:g}, recomputed {self.recomputed:g}"


@dataclass(frozen=True)
class CellVerdict:
    """What became of one result. `metric`: the name of the main one, with both numbers where there are two."""

    cell: str
    dataset: str
    regime: str
    seed: int
    verdict: Outcome
    metric: str
    claimed: float
    recomputed: float | None
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    condition: str = ""


@dataclass
class SubmissionReport:
    """What the board says to a submission. `problems` are reasons to reject it as a whole."""

    source: str
    name: str = ""
    submitter: str = ""
    manifest_sha256: str = ""
    problems: list[str] = field(default_factory=list)
    cells: list[CellVerdict] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it would be accepted."""
        return not self.problems and bool(self.cells) and all(cell.verdict != "rejected" for cell in self.cells)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        cells = [_as_json(cell) | {"differences": [_as_json(d) for d in cell.differences]} for cell in self.cells]
        names = {"source": self.source, "name": self.name, "submitter": self.submitter}
        return {**names, "accepted": self.ok, "problems": self.problems, "cells": cells}


def check_submission(path: Path, data_root: os.PathLike[str] | None = None) -> SubmissionReport:
    """What the board says to the submission at `path`; its content never raises, it is a problem in the report.

    A number that can be computed from the predictions and the ground truth under `data_root` must come out as it is
    claimed (`rescored`) or the submission is rejected; where the data is not here, it is `claimed`. Results of the
    embedded suite are recomputed on its data unless `data_root` is given.
    """
    report = SubmissionReport(str(path))
    try:
        with opened(path) as folder:
            check_folder(folder, report, data_root)
    except SubmissionError as error:
        report.problems.append(str(error))
    return report


def check_folder(folder: Path, report: SubmissionReport, data_root: os.PathLike[str] | None) -> None:
    """`check_submission` of an opened one, into the report."""
    manifest = read_manifest(folder)
    report.name, report.submitter = manifest.name, manifest.submitter
    report.manifest_sha256 = file_sha256(folder / "manifest.json")
    report.problems += _wrong_files(folder, manifest)
    if report.problems:
        return
    backbone = validated(BackboneRecord, read_document(folder / "backbone.json"), "backbone.json")
    files = list(files_in(folder / "results", "*.json"))
    if not files:
        report.problems.append("it holds no results")
    report.problems += [shown(text, 500) for text in claims.of_backbone(backbone)]
    if ENVIRONMENT in manifest.files:
        report.problems += claims.of_environment(read_document(folder / ENVIRONMENT))
    for file in files:
        result = read_result_strictly(file)
        wrong = [f"results/{file.name}: {text}" for text in claims.inconsistencies(folder, result, backbone)]
        report.problems += [shown(text, 500) for text in wrong]
        report.results.append(result)
    if not report.problems:
        wrong = [*claims.between_results(report.results), *claims.unused_files(list(manifest.files), report.results)]
        report.problems += [shown(text, 500) for text in wrong[:20]]
    if not report.problems:
        report.cells = [_rescored(folder, result, data_root) for result in report.results]


def _wrong_files(folder: Path, manifest: Manifest) -> list[str]:
    """Files that the manifest does not list, lists otherwise, or lists in vain."""
    there = {p.relative_to(folder).as_posix(): p for p in files_in(folder, "**/*") if p.is_file()}
    there.pop("manifest.json")
    wrong = [f"the manifest does not list {name!r}" for name in sorted(set(there) - set(manifest.files))]
    for name, entry in manifest.files.items():
        if name not in there:
            wrong.append(f"the manifest lists {shown(name)!r}, which is not there")
        elif there[name].stat().st_size != entry.size or file_sha256(there[name]) != entry.sha256:
            wrong.append(f"{name!r} is not what the manifest says: it was changed after the submission was made")
    wrong += [f"{name} is not there" for name in ("backbone.json",) if name not in manifest.files]
    return wrong[:20]


def _rescored(folder: Path, result: Result, data_root: os.PathLike[str] | None) -> CellVerdict:
    try:
        root = _root(result, data_root)
    except DataError as error:
        return _verdict(result, "claimed", reason=str(error))
    try:
        assert result.predictions is not None  # `claims` refuses a finished result without
        recomputed = score(result.dataset, folder / result.predictions, root)
        differences = tuple(_differences(result, recomputed))
    except (DataError, CardError) as error:
        return _verdict(result, "claimed", reason=str(error))
    except HumanbenchError as error:
        inside = str(error).replace(f"{folder}{os.sep}", "")  # names of files as the submission has them
        return _verdict(result, "rejected", reason=f"{inside}{_hint(result, root)}")
    except Exception as error:  # a file made to break its reader must not end the check of the others
        return _verdict(result, "rejected", reason=f"its predictions cannot be read ({type(error).__name__}: {error})")
    value = recomputed.metrics[recomputed.main].value
    if not differences:
        return _verdict(result, "rescored", value)
    if not same_labels(result, root):
        return _verdict(result, "claimed", value, _OTHER, differences)
    return _verdict(result, "rejected", value, "; ".join(map(str, differences[:6])), differences)


def _verdict(
    result: Result,
    verdict: Outcome,
    recomputed: float | None = None,
    reason: str = "",
    differences: tuple[Difference, ...] = (),
) -> CellVerdict:
    claim = (result.cell.id, result.dataset, result.regime, result.seed, verdict, result.main, result.value)
    return CellVerdict(*claim, recomputed, shown(reason, 600), differences, result.condition)


def _root(result: Result, data_root: os.PathLike[str] | None) -> os.PathLike[str]:
    """Where the data is; `DataError` where it is not."""
    card = load_card(result.dataset)
    if result.subset is not None:
        raise DataError(f"the list of the subset {shown(result.subset, 60)!r} is not a part of the submission")
    if data_root is None and result.suite == "mini" and result.synthetic:
        from humanbench.run_log import RunLog
        from humanbench.suites import synthesized

        return synthesized([card], RunLog())
    root = find_data(data_root)
    if not dataset_folder(card, root).exists():
        raise DataError(f"{card.id} is not under {root}")
    return root


def _differences(result: Result, recomputed: ScoreReport) -> list[Difference]:
    """What differs. A report may lack what an earlier version did not compute, but nothing that its card reports."""
    differences = []
    evaluation = load_card(result.dataset).evaluation
    wanted = [name for name in (evaluation.report if evaluation else ()) if name in recomputed.metrics]
    absent = Metric(value=math.nan, low=math.nan, high=math.nan, n=0)
    for name in dict.fromkeys([*result.metrics, *wanted]):
        claimed, again = result.metrics.get(name, absent), recomputed.metrics.get(name, absent)
        for part in ("value", "low", "high", "n"):
            a, b = float(getattr(claimed, part)), float(getattr(again, part))
            if not _equal(a, b):
                differences.append(Difference(name, part, a, b))
    texts = (("main metric", result.main, recomputed.main), ("unit", result.unit, recomputed.unit))
    for name, text, right in texts:
        if text != right:
            raise HumanbenchError(f"its {name} is {shown(text, 40)!r}, recomputed {right!r}")
    for name in sorted(set(result.info) & set(recomputed.info)):
        if result.info[name] != recomputed.info[name]:
            there = shown(repr(result.info[name]), 40)
            raise HumanbenchError(f"it notes {shown(name, 40)} {there}, recomputed {recomputed.info[name]!r}")
    if result.reliability and not _same_curves(result, recomputed):
        raise HumanbenchError("its reliability curves are not those of its predictions")
    if result.synthetic != recomputed.synthetic:
        kinds = {True: "synthetic", False: "not synthetic"}
        raise HumanbenchError(f"it is said to be {kinds[result.synthetic]}, the data is {kinds[recomputed.synthetic]}")
    return differences


def _same_curves(result: Result, recomputed: ScoreReport) -> bool:
    """Whether reliability curves are equal but for sums in another order."""
    if result.reliability.keys() != recomputed.reliability.keys():
        return False
    for name, there in result.reliability.items():
        again = recomputed.reliability[name]
        if (there.width, there.bins, there.n) != (again.width, again.bins, again.n):
            return False
        pairs = zip(there.predicted + there.observed, again.predicted + again.observed, strict=True)
        if not all(_equal(a, b) for a, b in pairs):
            return False
    return True


def _equal(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= TOLERANCE


def same_labels(result: Result, root: os.PathLike[str]) -> bool:
    """Whether the labels here are those that the result was measured on, by their fingerprint."""
    from humanbench.data.fingerprint import fingerprint

    assert result.provenance is not None
    card = load_card(result.dataset)
    assert card.evaluation is not None
    tables: Mapping[str, Any] = {split: load_samples(card, split, root) for split in card.evaluation.test}
    wanted = result.provenance.dataset_fingerprint
    if fingerprint(card, tables) == wanted:
        return True
    try:  # what was trained on counts too, or what neighbours were looked for in
        train_tables = {split: load_samples(card, split, root) for split in card.evaluation.train}
    except HumanbenchError:
        return False
    return fingerprint(card, {**tables, **train_tables}) == wanted


def _hint(result: Result, root: os.PathLike[str]) -> str:
    """What else may explain predictions that do not fit. They are rejected nevertheless."""
    try:
        return "" if same_labels(result, root) else f" ({_OTHER})"
    except HumanbenchError:
        return ""


def _as_json(one: CellVerdict | Difference) -> dict[str, Any]:
    """Its fields; JSON has no numbers that are not finite."""
    numbers = {"claimed": one.claimed, "recomputed": one.recomputed}
    finite = {name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()}
    return vars(one) | finite


def summary(report: SubmissionReport) -> str:
    """The report for people."""
    lines = [f"{shown(report.name) or report.source}: {'accepted' if report.ok else 'rejected'}"]
    lines += [f"  {text}" for text in report.problems]
    for c in report.cells:
        value = f"{c.metric} {c.claimed:.2f}"
        value += f" (recomputed {c.recomputed:.2f})" if c.recomputed is not None and c.verdict != "rescored" else ""
        reason = f": {c.reason}" if c.reason else ""
        condition = f" {c.condition}" if c.condition else ""
        lines.append(f"  {c.verdict:<9} {c.dataset} {c.regime}{condition} seed {c.seed}  {value}{reason}")
    return "\n".join(lines)
