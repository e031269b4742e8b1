"""Identity of what a dataset says and shows, down to the bytes of its pictures."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.fingerprint import fingerprint
from humanbench.errors import DataError
from humanbench.hashing import file_sha256
from humanbench.paths import cache_folder

if TYPE_CHECKING:
    import pandas as pd

_RACY_NS = 2_000_000_000
"""A file touched more recently than this is not remembered: a second change could leave its times as they are."""

_FILES = ("image", "label")
"""Columns of sample tables that name files."""


def data_sha256(card: DatasetCard, tables: Mapping[str, pd.DataFrame]) -> str:
    """Identity of what these tables say and of every byte of the files they name, in the order of their rows.

    Unlike `humanbench.data.fingerprint` it changes with a single pixel, and with the order of the samples.
    """
    named = {str(v) for table in tables.values() for c in _FILES if c in table for v in table[c]}
    hashes = FileHashes()(Path(name) for name in named if os.path.isfile(name))
    digest = hashlib.sha256(f"{card.id} {fingerprint(card, tables)}\n".encode())
    for split, table in tables.items():
        digest.update(f"split {split}\n".encode())
        for column in table.columns:
            digest.update(f"column {column}\n".encode())
            if column in _FILES:
                digest.update("\n".join(hashes.get(str(v), Path(str(v)).name) for v in table[column]).encode())
            else:
                for part in _content(table[column]):
                    digest.update(part)
    return digest.hexdigest()


def _content(column: pd.Series[Any]) -> Iterator[bytes]:
    if column.dtype.kind in "iufb":
        yield np.ascontiguousarray(column.to_numpy()).tobytes()
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
    cannot set.
    """

    def __init__(self, database: Path | None = None) -> None:
        self._database = database or cache_folder() / "files.sqlite"

    def __call__(self, paths: Iterable[Path]) -> dict[str, str]:
        """Hash by path; raises `DataError` for a file that cannot be read."""
        marks = {str(path): _mark(path) for path in paths}
        self._database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._database, timeout=60)) as memory, memory:
            memory.execute("create table if not exists files (path text primary key, mark text, sha256 text)")
            known = {p: s for p in marks if (s := _remembered(memory, p, marks[p][0])) is not None}
        fresh = _hashed([p for p in marks if p not in known])
        now = time.time_ns()
        settled = [(p, marks[p][0], s) for p, s in fresh.items() if now - marks[p][1] > _RACY_NS]
        if settled:
            with closing(sqlite3.connect(self._database, timeout=60)) as memory, memory:
                memory.executemany("insert or replace into files values (?, ?, ?)", settled)
        return known | fresh


def _mark(path: Path) -> tuple[str, int]:
    """What changes when the file does, and when it last did (ns)."""
    try:
        s = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return f"{s.st_size} {s.st_ino} {s.st_mtime_ns} {s.st_ctime_ns}", max(s.st_mtime_ns, s.st_ctime_ns)


def _remembered(memory: sqlite3.Connection, path: str, mark: str) -> str | None:
    row = memory.execute("select sha256 from files where path = ? and mark = ?", (path, mark)).fetchone()
    return str(row[0]) if row else None


def _hashed(paths: list[str]) -> dict[str, str]:
    def sha256(path: str) -> str:
        try:
            return file_sha256(Path(path))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(paths, pool.map(sha256, paths), strict=True))
