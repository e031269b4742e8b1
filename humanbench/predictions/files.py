"""Opening and writing predictions files."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from humanbench.errors import PredictionError

SUFFIX = {"reid": ".npz", "pose": ".json", "parsing": "", "attribute": ".csv", "detection": ".json", "counting": ".csv"}
"""How names of predictions files end, by task; label maps of parsing lie in a folder."""


def existing_file(path: Path) -> Path:
    """The path itself; a `PredictionError` when it is not a file."""
    if path.is_dir():
        raise PredictionError(f"{path}: is a folder, but these predictions are one file")
    if not path.exists():
        raise PredictionError(f"{path}: there is no such predictions file")
    return path


def read_bytes(path: Path) -> bytes:
    """The content of a file that must exist."""
    return existing_file(path).read_bytes()


def content_sha256(path: Path) -> str:
    """Identity of predictions: the sha256 of a file's bytes.

    For a folder: the sha256 of one line `<sha256 of the file>  <relative POSIX path>` for every file in it, sorted by
    path (what `sha256sum` prints, so it can be repeated in a shell). Raises `PredictionError` when nothing is there.
    """
    if not path.is_dir():
        with existing_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    listing = hashlib.sha256()
    for name, member in sorted((m.relative_to(path).as_posix(), m) for m in path.rglob("*") if m.is_file()):
        listing.update(f"{content_sha256(member)}  {name}\n".encode())
    return listing.hexdigest()


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A folder beside `path` for as long as the block lasts; an `OSError` that forbids it names `path`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        error.filename = str(path)
        raise
    with made as folder:
        yield Path(folder)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write a file or folder to; it takes the name `path` when the block ends well.

    So nobody ever sees half of it: on an error the unfinished work is removed and what was there before stays. A file
    is replaced, a folder that holds something is not (`PredictionError`).
    """
    if path.is_dir() and any(path.iterdir()):
        raise PredictionError(f"{path}: there is a folder with content already; remove it first")
    with beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        if path.is_dir():
            path.rmdir()
        temporary.replace(path)
