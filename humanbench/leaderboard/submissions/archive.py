"""A submission as it comes in: an archive or a folder whose names, sizes and kinds of files are checked first.

Nothing is unpacked before the whole list of members has passed, and then never more bytes than the list says.
"""

from __future__ import annotations

import errno
import lzma
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from humanbench.errors import HumanbenchError
from humanbench.files import temporary
from humanbench.leftovers import is_leftover

MANIFEST, BACKBONE, ENVIRONMENT = "manifest.json", "backbone.json", "environment.json"
_KINDS = {
    "": (".json",),
    "results": (".json",),
    "recipes": (".json",),
    "freeze": (".json", ".txt"),
    "predictions": (".json", ".csv", ".npz", ".png"),
}
"""Suffixes by folder; nothing else belongs into a submission, and none of these can hold code that is run."""
_TOP = (MANIFEST, BACKBONE, ENVIRONMENT)
_NAME = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9 _.,+=@()-]*")
_LONGEST, _DEEPEST = 240, 8
_SMALL = 16 << 20
"""Largest size of a file that is not a prediction: 16 MiB (a freeze report of a large network has 1)."""
_LARGE = 4 << 30
"""Largest size of a predictions file: 4 GiB (features of MSMT17 have 0.4)."""
_TOTAL = 16 << 30
_MEMBERS = 200_000
_RATIO, _FLOOR = 200, 1 << 20
"""A member above 1 MiB that claims to unpack to more than 200 times its size is a bomb; JSON and CSV reach 20."""
_BLOCK = 1 << 20
_CORRUPT = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip


class SubmissionError(HumanbenchError):
    """A submission that is refused; the command line returns 1, for the answer is no."""

    exit_code = 1


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The content of a submission as a folder, for as long as the block lasts.

    Raises `SubmissionError` for anything that could do harm: absolute and parent paths, links, special files, names
    twice (also by case), encryption, absurd sizes, kinds of files that do not belong there.
    """
    if path.is_dir():
        _check_folder(path)
        yield path
    elif path.is_file():
        with temporary("humanbench-submission-") as place:
            _unpack(path, place)
            yield place
    else:
        raise SubmissionError(f"{path}: there is no such submission (a .zip archive or a folder)")


def _check_folder(folder: Path) -> None:
    members: list[tuple[str, int]] = []
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            member = Path(place) / name
            status = member.lstat()
            shown = member.relative_to(folder).as_posix()
            if stat.S_ISLNK(status.st_mode):
                raise SubmissionError(f"{folder}: {shown!r} is a link; refused")
            if is_leftover(shown):
                continue
            if stat.S_ISREG(status.st_mode):
                members.append((shown, status.st_size))
            elif not stat.S_ISDIR(status.st_mode):
                raise SubmissionError(f"{folder}: {shown!r} is neither a file nor a folder; refused")
    _check_members(folder, members)


def _check_members(source: Path, members: Iterable[tuple[str, int]]) -> None:
    seen: dict[str, str] = {}
    total = 0
    for number, (name, size) in enumerate(members):
        if number >= _MEMBERS:
            raise SubmissionError(f"{source}: holds more than {_MEMBERS:,} files; refused")
        if reason := _wrong_name(name):
            raise SubmissionError(f"{source}: holds {_quoted(name)}, {reason}; refused")
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded in seen:
            raise SubmissionError(f"{source}: holds {_quoted(name)} twice (also as {_quoted(seen[folded])}); refused")
        seen[folded] = name
        largest = _LARGE if name.startswith("predictions/") else _SMALL
        if size > largest:
            raise SubmissionError(f"{source}: {_quoted(name)} has {size:,} bytes, at most {largest:,} are taken")
        total += size
    if total > _TOTAL:
        raise SubmissionError(f"{source}: holds {total:,} bytes, at most {_TOTAL:,} are taken")


def _wrong_name(name: str) -> str:
    """Why a member of this name is refused; empty if it is not."""
    path = PurePosixPath(name)
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "a path outside the submission's folder"
    if len(name) > _LONGEST or len(path.parts) > _DEEPEST:
        return "a path that is too long or too deep"
    if not all(_NAME.fullmatch(part) for part in name.split("/")):
        return "a name with characters that do not belong in one"
    top = path.parts[0] if len(path.parts) > 1 else ""
    if top not in _KINDS or (not top and name not in _TOP):
        return "which is no part of a submission"
    if path.suffix.lower() not in _KINDS[top]:
        return f"a kind of file that does not belong there ({', '.join(_KINDS[top])} do)"
    return ""


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as file:
            listed = [info for info in file.infolist() if not is_leftover(info.filename.rstrip("/"))]
            members = [info for info in listed if not info.is_dir()]
            _check_members(archive, ((info.filename, info.file_size) for info in members))
            for info in listed:
                _check_info(archive, info)
            for info in members:
                _write(file, info, folder / info.filename)
    except _CORRUPT as error:
        raise SubmissionError(f"{archive}: not a readable zip archive ({error})") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the beginning of the file, say
            raise
        raise SubmissionError(f"{archive}: not a readable zip archive (a member lies outside it)") from error


def _check_info(archive: Path, info: zipfile.ZipInfo) -> None:
    name = _quoted(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise SubmissionError(f"{archive}: {name} is a link or a special file; refused")
    if info.is_dir() and (reason := _wrong_folder(info.filename)):
        raise SubmissionError(f"{archive}: holds {name}, {reason}; refused")
    if info.flag_bits & 1:
        raise SubmissionError(f"{archive}: {name} is encrypted; refused")
    if info.file_size > max(_FLOOR, _RATIO * info.compress_size):
        raise SubmissionError(
            f"{archive}: {name} claims to unpack from {info.compress_size:,} to {info.file_size:,} bytes; refused"
        )


def _wrong_folder(name: str) -> str:
    parts = name.rstrip("/").split("/")
    return "" if parts[0] in _KINDS and all(_NAME.fullmatch(p) for p in parts) else "which is no part of a submission"


def _write(file: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    left = info.file_size
    with file.open(info) as source, target.open("xb") as sink:
        while block := source.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise zipfile.BadZipFile(f"{_quoted(info.filename)} is larger than its header says")
            sink.write(block)
    if left:
        raise zipfile.BadZipFile(f"{_quoted(info.filename)} is shorter than its header says")


def _quoted(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 120 else text[:117] + "...'"
