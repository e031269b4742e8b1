"""Archives of datasets, unpacked so that nothing lands outside its folder and no disk is filled by a small file."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from humanbench.errors import DataError
from humanbench.files import unfinished
from humanbench.leftovers import is_leftover

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
RATIO, FLOOR = 200, 64 << 20
"""An archive that unpacks to more than 64 MiB and 200 times its size is a bomb; JSON is packed 20 times at most."""
_BLOCK = 1 << 20
_ROOM = 64 << 20
_CORRUPT = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    ValueError, UnicodeError,
)  # fmt: skip


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked."""
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack an archive into a folder, whose files of the same names are replaced; the top names that it brought.

    Everything lies in a folder of its own until all of it has passed. `DataError` for paths out of the folder, links,
    special files, a name twice, encryption, bombs, archives that are damaged or cut, and too little room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with unfinished(folder, f".{archive.name}.") as place:
        try:
            _write_all(archive, place)
        except _CORRUPT as error:
            raise DataError(f"{archive}: damaged, cut, or no archive of a kind that is read ({error})") from error
        tops = sorted(path.name for path in place.iterdir())
        _merge(place, folder)
    return tops


def _write_all(archive: Path, place: Path) -> None:
    limit = max(FLOOR, RATIO * archive.stat().st_size)
    free = shutil.disk_usage(place).free - _ROOM
    seen: set[str] = set()
    written = 0
    for name, source in _members(archive):
        target = place / _checked(archive, name, seen)
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("xb") as sink:
            while block := source.read(_BLOCK):
                written += len(block)
                if written > limit:
                    raise DataError(f"{archive}: unpacks to more than {limit:,} bytes, {RATIO} times its size; refused")
                if written > free:
                    raise DataError(
                        f"{archive}: unpacks to more than the {max(free, 0):,} bytes that {place} has room for"
                    )
                sink.write(block)
    if not seen:
        raise DataError(f"{archive}: holds no file")


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Files of an archive with their names, without what macOS and Windows leave among them."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                if info.is_dir() or is_leftover(info.filename):
                    continue
                if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                    raise DataError(f"{archive}: {info.filename!r} is a link or a special file; refused")
                if info.flag_bits & 1:
                    raise DataError(f"{archive}: is encrypted; unpack it by hand with the password that you were given")
                yield info.filename, file.open(info)
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isdir() or is_leftover(member.name):
                    continue
                source = tar.extractfile(member) if member.isreg() else None
                if source is None:
                    raise DataError(f"{archive}: {member.name!r} is a link or a special file; refused")
                yield member.name, source


def _checked(archive: Path, name: str, seen: set[str]) -> PurePosixPath:
    """A member's path, which lies within the folder and was not there yet."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
        raise DataError(f"{archive}: holds {name!r}, a path out of its folder; refused")
    if "\\" in name or "\0" in name:
        raise DataError(f"{archive}: holds {name!r}, which is no path; refused")
    folded = unicodedata.normalize("NFC", "/".join(parts))
    if folded in seen:
        raise DataError(f"{archive}: holds {name!r} twice; refused")
    seen.add(folded)
    return PurePosixPath(*parts)


def _merge(source: Path, folder: Path) -> None:
    for path in sorted(source.iterdir()):
        target = folder / path.name
        if path.is_dir() and target.is_dir():
            _merge(path, target)
        elif target.is_dir() or (path.is_dir() and target.exists()):
            raise DataError(f"{target}: a file and a folder want the same name; move it away and try again")
        else:
            shutil.move(path, target)
