"""The folder of a run: where each artefact lies, which cells are done, who is working on which."""

from __future__ import annotations

import datetime
import fcntl
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from humanbench.errors import HumanbenchError
from humanbench.files import write_text
from humanbench.results import FOLDER, Result, latest, read_result, result_files


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

    def done(self, cell_id: str) -> Result | None:
        """The result of a cell with this content, if there is a finished one."""
        for path in reversed(result_files(self.path)):
            if cell_id[:12] in path.name:
                result = read_result(path)
                if result.cell.id == cell_id and result.status == "done":
                    return result
        return None

    def results(self) -> dict[str, Result]:
        """By cell id, the result that counts."""
        return dict(latest(read_result(path) for path in result_files(self.path)))

    def free_name(self, name: str) -> str:
        """The name, or with `-2`, `-3` … where a result of that name is there already: results are never replaced."""
        number, free = 1, name
        while (self.path / FOLDER / f"{free}.json").exists():
            number += 1
            free = f"{name}-{number}"
        return free

    def add(self, name: str, result: Result) -> Path:
        """Write a result under a free name."""
        path = self.path / FOLDER / f"{self.free_name(name)}.json"
        write_text(path, result.to_json() + "\n")
        return path

    @contextmanager
    def claim(self, names: Iterable[str]) -> Iterator[None]:
        """Hold the locks of these cells, all or none; `BusyError` when another process holds one.

        The locks vanish with the process, however it ends. Runs on different cells (shards, jobs of a cluster) share a
        folder.
        """
        with ExitStack() as stack:
            for name in names:
                file = stack.enter_context(_opened(self.path / "locks" / f"{name}.lock"))
                _lock(file, self.path, name)
            yield


def _opened(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+", encoding="utf-8")


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
