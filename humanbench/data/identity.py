"""Identity of what a dataset says and shows, down to the bytes of its pictures."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.fingerprint import fingerprint
from humanbench.errors import DataError
from humanbench.hashing import file_sha256, joined_bytes
from humanbench.paths import cache_folder

if TYPE_CHECKING:
    import pandas as pd

Value = TypeVar("Value")

_RACY_NS = 2_000_000_000
"""A file touched more recently than this is not remembered: a second change could leave its times as they are."""

_PATIENCE = 10.0
"""Seconds to wait for another process that has locked the memory of hashes."""

_UNUSABLE: set[Path] = set()
"""Memories that this process has failed to use and has said so."""

_FILES = ("image", "label")
"""Columns of sample tables that name files."""


def data_sha256(card: DatasetCard, tables: Mapping[str, pd.DataFrame], file_hashes: FileHashes | None = None) -> str:
    """Identity of what these tables say and of every byte of the files they name, in the order of their rows.

    Unlike `humanbench.data.fingerprint` it changes with a single pixel, and with the order of the samples.
    `file_hashes`: who hashes the files; one that remembers by default.
    """
    columns = [table[c] for table in tables.values() for c in _FILES if c in table]
    named = {str(v) for column in columns for v in column.unique() if os.path.isfile(v)}
    hashes = (file_hashes or FileHashes())(map(Path, named))
    digest = hashlib.sha256(f"{card.id} {fingerprint(card, tables)}\n".encode())
    for split, table in tables.items():
        digest.update(f"split {split}\n".encode())
        for column in table.columns:
            digest.update(f"column {column}\n".encode())
            if column in _FILES:
                whole = (hashes.get(name) or os.path.basename(name) for name in map(str, table[column]))
                for part in joined_bytes(whole, "\n"):
                    digest.update(part)
            else:
                for part in _content(table[column]):
                    digest.update(part)
    return digest.hexdigest()


def _content(column: pd.Series[Any]) -> Iterator[bytes]:
    if column.dtype.kind in "iufb":
        yield np.ascontiguousarray(column.to_numpy()).tobytes()
        return
    if column.dtype != object:
        yield from joined_bytes(f"{cell!r}\n" for cell in column)
        return
    for cell in column:
        if isinstance(cell, np.ndarray):
            yield f"{cell.dtype}{cell.shape}".encode()
            yield np.ascontiguousarray(cell).tobytes()
        else:
            yield f"{cell!r}\n".encode()


class FileHashes:
    """SHA-256 of files by content, remembered by path, size, inode and times of change.

    Reading a dataset once is cheap beside training on it; reading it before every run is not. The memory is a small
    database in the cache folder. A change of a file's bytes changes its inode or its change time, which programs
    cannot set. A memory that cannot be used (locked, damaged, in a folder that may not be written) costs time and
    nothing else: that is said once, through `say`. Without `remember` it is not touched.
    """

    def __init__(
        self, database: Path | None = None, remember: bool = True, say: Callable[[str], None] | None = None
    ) -> None:
        self._database = database or cache_folder() / "files.sqlite"
        self._remember, self._say = remember, say

    def __call__(self, paths: Iterable[Path]) -> dict[str, str]:
        """Hash by path; raises `DataError` for a file that cannot be read."""
        marks = {str(path): _mark(path) for path in paths}
        known = self._recalled({path: mark for path, (mark, _) in marks.items()})
        hashes = _hashed([path for path in marks if path not in known])
        now = time.time_ns()
        settled = [(p, marks[p][0], sha256) for p, sha256 in hashes.items() if now - marks[p][1] > _RACY_NS]
        if settled:
            self._store(settled)
        return known | hashes

    def _recalled(self, marks: Mapping[str, str]) -> dict[str, str]:
        """Hashes that are remembered of files that have not changed."""

        def look_up(memory: sqlite3.Connection) -> dict[str, str]:
            query = "select sha256 from files where path = ? and mark = ?"
            rows = {path: memory.execute(query, (path, mark)).fetchone() for path, mark in marks.items()}
            return {path: str(row[0]) for path, row in rows.items() if row}

        return self._in_memory(look_up) or {}

    def _store(self, rows: list[tuple[str, str, str]]) -> None:
        self._in_memory(lambda memory: memory.executemany("insert or replace into files values (?, ?, ?)", rows))

    def _in_memory(self, work: Callable[[sqlite3.Connection], Value]) -> Value | None:
        """What `work` makes of the open database; None where it is not used or cannot be."""
        if not self._remember or self._database in _UNUSABLE:
            return None
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._database, timeout=_PATIENCE)) as memory, memory:
                memory.execute("create table if not exists files (path text primary key, mark text, sha256 text)")
                return work(memory)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return None

    def _give_up(self, error: Exception) -> None:
        _UNUSABLE.add(self._database)
        if self._say is not None:
            self._say(f"{self._database}: hashes of pictures cannot be remembered ({error}), so all are read again")


def _mark(path: Path) -> tuple[str, int]:
    """What changes when the file does, and when it last did (ns)."""
    try:
        s = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return f"{s.st_size} {s.st_ino} {s.st_mtime_ns} {s.st_ctime_ns}", max(s.st_mtime_ns, s.st_ctime_ns)


def _hashed(paths: list[str]) -> dict[str, str]:
    def sha256(path: str) -> str:
        try:
            return file_sha256(Path(path))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(paths, pool.map(sha256, paths), strict=True))
