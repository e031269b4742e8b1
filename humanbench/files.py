"""Files that are whole or absent: the one way in which anything is written.

What is being written lies in a folder whose name ends in `.unfinished`, which its process holds locked. A process that
is killed leaves it behind; the next one that writes to the same place finds it without an owner and removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from humanbench.errors import PredictionError

UNFINISHED = ".unfinished"
"""How names of folders end in which something is being written."""

_NO_FOLDER = "what it is to lie in is no folder, but a file or a link that leads nowhere"

_LONGEST = 100
"""Characters of a name that its unfinished folder repeats."""

_SWEPT: set[Path] = set()
"""Folders that this process has looked through."""


@contextmanager
def unfinished(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent` for as long as the block lasts; a later process removes it if this one is killed."""
    while True:
        made = Path(tempfile.mkdtemp(dir=parent, prefix=prefix[:_LONGEST], suffix=UNFINISHED))
        lock = _held(made)
        if made.is_dir():  # else somebody who sweeps was faster
            break
        _released(lock)
    try:
        yield made
    except OSError as error:
        error.filename = error.filename or str(parent)  # writing itself does not say where
        raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
        _released(lock)


@contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """An unfinished folder among the system's temporary files."""
    parent = Path(tempfile.gettempdir())
    sweep(parent, f"{prefix}*")
    with unfinished(parent, prefix) as folder:
        yield folder


def sweep(folder: Path, names: str = ".*") -> None:
    """Remove what processes left unfinished in a folder that are gone, of this user and of these names."""
    for place in folder.glob(f"{names}{UNFINISHED}"):
        lock = None
        try:
            if place.lstat().st_uid != os.getuid():
                continue
            lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(place, ignore_errors=True)
        except OSError:  # held by its owner, removed by another, or on a disk where nobody can tell
            continue
        finally:
            _released(lock)


def _held(folder: Path) -> int | None:
    """The lock of a folder; None where the disk has none, and then nobody sweeps."""
    lock = None
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        _released(lock)
        return None
    return lock


def _released(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A folder beside `path` for as long as the block lasts.

    An `OSError` that forbids it names `path`, and so does one of the block that does not say where it happened, as
    writing does; of several copies that failed together it is the first one's.
    """
    parent = path.parent.absolute()
    with ExitStack() as stack:
        try:
            try:
                parent.mkdir(parents=True, exist_ok=True)
            except FileExistsError as error:
                raise NotADirectoryError(errno.ENOTDIR, _NO_FOLDER) from error
            if parent not in _SWEPT:
                _SWEPT.add(parent)
                sweep(parent)
            folder = stack.enter_context(unfinished(parent, f".{path.name}."))
        except OSError as error:
            error.filename = str(path)
            raise
        try:
            yield folder
        except shutil.Error as error:
            *_, reason = error.args[0][0]
            raise OSError(errno.EIO, str(reason), str(path)) from error
        except OSError as error:
            error.filename = error.filename or str(path)
            raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file or folder to; it takes the name `path` when the block ends well.

    So nobody ever sees half of it: on an error (a full disk, say) the unfinished work is removed and what was there
    before stays. A file is replaced, a folder that holds something is not (`PredictionError`). An `OSError` is as that
    of `beside`.
    """
    if path.is_dir() and any(path.iterdir()):
        raise PredictionError(f"{path}: there is a folder with content already; remove it first")
    with beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        if path.is_dir():
            path.rmdir()
        temporary.replace(path)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` write a file to the place it is given, then move it to `path` (see `replacing`)."""
    with replacing(path) as temporary:
        write(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def with_usual_mode(folder: Path) -> None:
    """Give a folder the mode of any that this process makes, where it was copied from a private one."""
    probe = folder / ".mode"
    probe.mkdir()
    folder.chmod(stat.S_IMODE(probe.stat().st_mode))
    probe.rmdir()


def synced(path: Path) -> None:
    """Have a file, or a folder with all that is in it, on the disk before anything else happens."""
    inner = sorted(path.rglob("*")) if path.is_dir() else []
    for place in (*inner, path):
        entry_synced(place)


def entry_synced(path: Path) -> None:
    """Have a file, or the names that a folder holds but not what is behind them, on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
