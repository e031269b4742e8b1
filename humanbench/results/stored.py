"""Results with the file each was read from: of run folders, of single files, of shipped baselines by name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from humanbench.paths import shipped
from humanbench.results.record import FOLDER, Result, ResultError, latest, read_result, result_files
from humanbench.text import nearest


@dataclass(frozen=True)
class StoredResult:
    """A result and the file it was read from."""

    result: Result
    file: Path

    @property
    def folder(self) -> Path:
        """The run folder: a results file lies in its `results`."""
        return self.file.parent.parent if self.file.parent.name == FOLDER else self.file.parent


def labels_of(result: Result) -> str:
    """Identity of the labels that a result is about (of all its data where only that is recorded)."""
    known = result.provenance
    return known.dataset_fingerprint if known else result.cell.data_sha256


def read_stored(paths: Iterable[str | os.PathLike[str]]) -> list[StoredResult]:
    """Results of run folders, results files or shipped baselines (folders of `baselines/results`, by name).

    Of several of one content the newest that is done, else the newest. Raises `ResultError` where there are none, or a
    file is no result of a version known here.
    """
    everything = [StoredResult(read_result(file), file) for path in paths for file in _files(os.fspath(path))]
    file_of = {id(stored.result): stored.file for stored in everything}
    chosen = latest(stored.result for stored in everything).values()
    return [StoredResult(result, file_of[id(result)]) for result in chosen]


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
