"""Processes that are ended at a chosen system call, as by `kill -9`: nothing of theirs is cleaned up.

The work runs in a copy of this process (`fork`), which ends itself before its nth call that opens, makes, renames,
removes, locks or syncs something below a folder.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 99
"""Exit code of a process that was ended at its point."""

_BY_PATH = frozenset(
    ["open", "os.chmod", "os.link", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir",
     "os.symlink", "os.truncate", "os.utime", "shutil.copyfile", "shutil.copymode", "shutil.move", "shutil.rmtree"]
)  # fmt: skip
_BY_NUMBER = frozenset(["fcntl.flock", "fcntl.lockf"])


class HangError(Exception):
    """The work took longer than it may."""


def killed_at(point: int, work: Callable[[], object], under: Path, patience: float = 60.0) -> bool:
    """Do the work in a process that ends at its nth call below `under`; whether it got that far.

    Raises `RuntimeError` for work that fails by itself, `HangError` for work that does not end.
    """
    child = os.fork()
    if child == 0:
        _ends_itself(point, work, under)
    until = time.monotonic() + patience
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise HangError(f"no end after {patience:.0f} s, to be killed at call {point}")
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, KILLED):
        raise RuntimeError(f"the work ended with {code} where it was to be killed at call {point}")
    return code == KILLED


def _ends_itself(point: int, work: Callable[[], object], under: Path) -> None:
    """Never returns."""
    beginning, left = os.fspath(under), point

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(KILLED)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _BY_NUMBER or (event in _BY_PATH and isinstance(args[0], str | os.PathLike) and _below(args[0])):
            step()

    def _below(path: str | os.PathLike[str]) -> bool:
        return os.fspath(path).startswith(beginning)

    sync = os.fsync

    def fsync(number: int) -> None:
        step()
        sync(number)

    try:
        os.fsync = fsync  # it raises no audit event
        sys.addaudithook(hook)
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
