"""Files that are whole or absent: the one way in which anything is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from humanbench.errors import PredictionError


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

    So nobody ever sees half of it: on an error (a full disk, say) the unfinished work is removed and what was there
    before stays. A file is replaced, a folder that holds something is not (`PredictionError`). An `OSError` that does
    not say where it happened gets the name `path`.
    """
    if path.is_dir() and any(path.iterdir()):
        raise PredictionError(f"{path}: there is a folder with content already; remove it first")
    with beside(path) as folder:
        temporary = folder / path.name
        try:
            yield temporary
            if path.is_dir():
                path.rmdir()
            temporary.replace(path)
        except OSError as error:
            if error.filename is None:
                error.filename = str(path)  # writing itself does not say where
            raise


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
