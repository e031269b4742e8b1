"""The folder of a run: where each artefact lies, which cells are finished, who is working on which."""

from __future__ import annotations

import datetime
import fcntl
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from humanbench.engine.devices import is_main_process
from humanbench.errors import HumanbenchError
from humanbench.files import sweep, write_text
from humanbench.hashing import content_sha256
from humanbench.results import FOLDER, Result, ResultError, read_result, result_files
from humanbench.run_log import RunLog

ASIDE = "set_aside"
"""Folder of results files that count no more: damaged ones, and failures that a later run made up for."""


class BusyError(HumanbenchError):
    """Another run is working on the same cells in the same folder."""


class RunFolder:
    """`results/`, `predictions/`, `freeze/`, `recipes/`, `weights/`, `checkpoints/`, `environment.json`, `log.txt`."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_dir():
            raise HumanbenchError(f"{path}: is a file, and a run needs a folder; give another --out")
        self.path = path
        self.log = path / "log.txt"

    def place(self, kind: str, name: str, suffix: str) -> Path:
        """Where an artefact of a cell goes; its folder is made by whoever writes it."""
        return self.path / kind / f"{name}{suffix}"

    def finished(self, cell_id: str, log: RunLog) -> Result | None:
        """The result of a cell with this content, if there is one with its predictions.

        A results file that was cut off is set aside; predictions that are gone or were changed make the cell one to
        compute again. Both are said.
        """
        for path in reversed([path for path in result_files(self.path) if cell_id[:12] in path.name]):
            result = self._read(path, log)
            if result is not None and result.cell.id == cell_id and result.status == "done":
                reason = self._without_predictions(result)
                if reason is not None:
                    log.info(f"  {reason}: computing the cell again")
                return result if reason is None else None
        return None

    def _read(self, path: Path, log: RunLog) -> Result | None:
        """A result, or None for a damaged one, which the main process sets aside."""
        try:
            return read_result(path)
        except FileNotFoundError:  # set aside by the main process meanwhile
            return None
        except ResultError as error:
            if not isinstance(error.__cause__, ValueError):  # of a newer humanbench, say: not damaged
                raise
            if is_main_process():
                self.set_aside(path.stem)
            log.info(f"  {error}: moved to {ASIDE}/")
            return None

    def _without_predictions(self, result: Result) -> str | None:
        """Why the predictions of a finished cell cannot be used any more, or None."""
        if result.predictions is None or result.provenance is None:
            return None
        path = self.path / result.predictions
        if not path.exists():
            return f"the predictions of a finished cell are gone ({path})"
        if content_sha256(path) != result.provenance.predictions_sha256:
            return f"the predictions of a finished cell were changed ({path})"
        return None

    def set_aside(self, name: str) -> None:
        """Move the results file of this name, if there is one, to `set_aside/`, where nothing reads it."""
        path = self.path / FOLDER / f"{name}.json"
        if not path.is_file():
            return
        (self.path / ASIDE).mkdir(exist_ok=True)
        path.rename(_free(self.path / ASIDE, name))

    def add(self, name: str, result: Result) -> None:
        """Write a result under a free name."""
        write_text(_free(self.path / FOLDER, name), result.to_json() + "\n")

    def amend(self, name: str, before: Result, now: Result) -> None:
        """Write what a finished result is from now on; what it was is set aside."""
        old = [path.stem for path in result_files(self.path) if before.cell.id[:12] in path.name]
        old = [stem for stem in old if read_result(self.path / FOLDER / f"{stem}.json").cell.id == before.cell.id]
        self.add(name, now)
        for stem in old:
            self.set_aside(stem)

    @contextmanager
    def claim(self, names: Iterable[str]) -> Iterator[None]:
        """Hold the locks of these cells, all or none; `BusyError` when another process holds one.

        What runs before left unfinished in the folder is removed. The locks vanish with the process, however it ends.
        Runs on different cells (shards, jobs of a cluster) share a folder.
        """
        if self.path.is_dir():
            for place in (self.path, *(inner for inner in self.path.iterdir() if inner.is_dir())):
                sweep(place)
        with ExitStack() as stack:
            for name in names:
                lock = self.path / "locks" / f"{name}.lock"
                lock.parent.mkdir(parents=True, exist_ok=True)
                _lock(stack.enter_context(lock.open("a+", encoding="utf-8")), self.path, name)
            yield


def _free(folder: Path, name: str) -> Path:
    """Where a results file of this name goes: with `-2`, `-3` … where one is there already, for none is replaced."""
    number, place = 1, folder / f"{name}.json"
    while place.exists():
        number += 1
        place = folder / f"{name}-{number}.json"
    return place


def _lock(file: IO[str], folder: Path, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        raise BusyError(
            f"{folder}: {name} is being worked on by {holder}; wait for it, stop it, or give another --out"
        ) from error
    file.truncate(0)
    now = datetime.datetime.now().isoformat(" ", "seconds")
    file.write(f"process {os.getpid()} on {platform.node()} since {now}")
    file.flush()
