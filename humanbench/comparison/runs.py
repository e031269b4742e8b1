"""A run as `compare` and `export` see it: its results with the folder each lies in, grouped into cells over seeds."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from humanbench.paths import shipped
from humanbench.results import FOLDER, Result, ResultError, latest, read_result, result_files
from humanbench.text import nearest

SHORT = 8
"""Characters of a hash that are shown."""


@dataclass(frozen=True, order=True)
class CellKey:
    """What cells of two runs are matched by; `variant` and `subset` are empty for none."""

    suite: str
    regime: str
    variant: str
    subset: str
    dataset: str

    @classmethod
    def of(cls, result: Result) -> CellKey:
        """The key of a result."""
        return cls(result.suite, result.regime, result.variant or "", result.subset or "", result.dataset)


@dataclass(frozen=True)
class StoredResult:
    """A result and the file it was read from."""

    result: Result
    file: Path

    @property
    def folder(self) -> Path:
        """The run folder: a results file lies in its `results`."""
        return self.file.parent.parent if self.file.parent.name == FOLDER else self.file.parent

    @property
    def fingerprint(self) -> str:
        """Identity of the data's labels (of all the data where only that is recorded)."""
        known = self.result.provenance
        return known.dataset_fingerprint if known else self.result.cell.data_sha256


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
    def values(self) -> tuple[float, ...]:
        """The main metric of each seed."""
        return tuple(entry.result.value for entry in self.entries)


@dataclass(frozen=True)
class Run:
    """The cells of a run; `name` is what the user called it."""

    name: str
    cells: Mapping[CellKey, CellRuns]

    @property
    def backbones(self) -> tuple[str, ...]:
        """Names of the backbones in it, sorted."""
        return tuple(sorted({entry.result.backbone for cell in self.cells.values() for entry in cell.entries}))


def read_run(given: str | os.PathLike[str]) -> Run:
    """A run folder, a results file, or the name of a shipped baseline (a folder of `baselines/results`).

    Raises `ResultError` where there is none, or a file in it is no result of a version known here.
    """
    return Run(os.fspath(given), grouped(read_entries([given])))


def read_entries(paths: Iterable[str | os.PathLike[str]]) -> list[StoredResult]:
    """Results with their files; of several of one content the newest that is done, else the newest."""
    found: list[StoredResult] = []
    for path in paths:
        found += [StoredResult(read_result(file), file) for file in _files(os.fspath(path))]
    file_of = {id(entry.result): entry.file for entry in found}
    return [StoredResult(result, file_of[id(result)]) for result in latest(entry.result for entry in found).values()]


def _files(given: str) -> list[Path]:
    path = Path(given)
    if not path.exists():
        path = _baseline(given)
    files = result_files(path) if path.is_dir() else [path]
    if not files:
        raise ResultError(f"{path}: no results here (a run folder of `humanbench eval` holds {FOLDER}/*.json)")
    return files


def _baseline(name: str) -> Path:
    root = shipped("baselines") / "results"
    known = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if name in known:
        return root / name
    listed = f"{nearest(name, known)} ({', '.join(known)})" if known else ""
    raise ResultError(f"{name}: there is no such run folder or results file, and no baseline of this name{listed}")


def grouped(entries: Iterable[StoredResult]) -> dict[CellKey, CellRuns]:
    """Results as cells over seeds, sorted by key."""
    groups: dict[CellKey, list[StoredResult]] = {}
    for entry in entries:
        groups.setdefault(CellKey.of(entry.result), []).append(entry)
    return {key: _cell(key, sorted(group, key=lambda e: e.result.seed)) for key, group in sorted(groups.items())}


def _cell(key: CellKey, entries: list[StoredResult]) -> CellRuns:
    done = [entry for entry in entries if entry.result.status == "done"]
    if not done:
        return CellRuns(key, tuple(entries), f"failed: {entries[-1].result.reason or 'no reason recorded'}")
    if differing := _differing(done):
        return CellRuns(key, tuple(done), f"holds results of it that differ in {differing}; name one results file")
    seeds = [entry.result.seed for entry in done]
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        return CellRuns(
            key, tuple(done), f"holds {seeds.count(twice)} results of it for seed {twice}; name one of the files"
        )
    if not all(math.isfinite(entry.result.value) for entry in done):
        return CellRuns(key, tuple(done), f"has no finite {done[0].result.main}")
    return CellRuns(key, tuple(done))


def _differing(entries: list[StoredResult]) -> str:
    """In what results that should differ in their seed alone differ, or nothing."""
    aspects: dict[str, set[Any]] = {
        "backbone": {e.result.backbone for e in entries},
        "weights": {e.result.cell.weights_sha256 for e in entries},
        "recipe": {e.result.cell.recipe_sha256 for e in entries},
        "data": {e.fingerprint for e in entries},
        "inputs": {tuple(sorted(e.result.cell.inputs.items())) for e in entries},
        "metric": {(e.result.main, e.result.split) for e in entries},
    }
    return " and ".join(name for name, seen in aspects.items() if len(seen) > 1)
