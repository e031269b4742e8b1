"""Datasets that are open, fetched file by file as their cards say, and laid where readers look for them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from humanbench.cards import DatasetCard, RemoteFile
from humanbench.data.archives import is_archive, unpack
from humanbench.data.fetching import Digest, SumError, Sums, content_of, fetch, mismatch
from humanbench.data_root import DataRoot
from humanbench.errors import DataError, DataWarning
from humanbench.files import replacing, write_text
from humanbench.schema import Record

STATE = ".downloads"
"""Folder under the data root for what is on its way, and for the records of what came."""

RECORD = "fetched.json"


class FetchedFile(Record):
    """What came from an address: the sums of its bytes, and what an archive brought."""

    url: str
    bytes: int
    sha256: str
    fetched: str
    unpacked: tuple[str, ...] = ()


class FetchedFiles(Record):
    """What of a dataset was fetched, by its place below the dataset's folder."""

    files: dict[str, FetchedFile] = {}


@dataclass(frozen=True)
class Laid:
    """A file that is where it belongs: its path, the sum of what was fetched, whether it was there before."""

    path: Path
    sha256: str
    was_there: bool


def by_hand(card: DatasetCard) -> str:
    """How a person gets what no address is known of, in one sentence."""
    kinds = {"form": "after a form", "agreement": "after an agreement", "withdrawn": "no longer", "open": "openly"}
    return (
        f"{card.id} is given out {kinds[card.access.kind]}: {card.access.how.rstrip('.')} ({card.homepage}); licence: "
        f"{card.licence}"
    )


def files_of(card: DatasetCard, given: Sequence[str] = ()) -> tuple[RemoteFile, ...]:
    """What is to be fetched: what was given by hand (addresses and files), else what the card lists.

    `DataError` where there is neither, with what a person does.
    """
    if given:
        return tuple(_given(one) for one in given)
    if card.access.kind == "open" and card.access.files:
        return card.access.files
    why = f"{card.id}: no address of its files is known for certain. " if card.access.kind == "open" else ""
    raise DataError(f"{why}{by_hand(card)}. Then: humanbench datasets download {card.id} --from FILE-OR-ADDRESS")


def _given(one: str) -> RemoteFile:
    """A file or an address that somebody gives by hand; archives are unpacked."""
    if re.match(r"https?://", one):
        name = urllib.parse.unquote(urllib.parse.urlsplit(one).path.rpartition("/")[2])
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise DataError(f"--from {one}: the address names no file; fetch it by hand and give the file")
        return RemoteFile(to=name, url=one, unpack=is_archive(name))
    path = Path(one).expanduser().absolute()
    if not path.is_file():
        raise DataError(f"--from {one}: there is no such file, and it is no address (https://...)")
    return RemoteFile(to=path.name, url=path.as_uri(), unpack=is_archive(path.name))


def download(card: DatasetCard, root: DataRoot, files: Sequence[RemoteFile]) -> Iterator[Laid]:
    """Bring each file to its place below the dataset's folder; what is there already stays.

    A file is held against the length and sums that the card knows, else against those of the first time it came, which
    are recorded. Raises `DataError`, and leaves what had come for the next call.
    """
    folder = root.folder(card.id)
    state = root.base / STATE / card.id
    new = [place for place in (state, *state.parents) if not place.exists()]
    state.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(state):
            for file in files:
                yield _laid(file, folder, state)
    finally:
        _remove_empty(new)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Take away folders, the innermost first, as far as nothing came into them."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _laid(file: RemoteFile, folder: Path, state: Path) -> Laid:
    record = _record(state)
    before = record.files.get(file.to)
    before = before if before is not None and before.url == file.url else None
    target = folder / file.to
    known = Sums(file.bytes, file.sha256, file.md5)
    given = _given_path(file)
    content = content_of(given) if given is not None else None
    if content is not None and before is not None and before.sha256 != content.sha256:
        before = None  # the file that is given is another one by now
    if there := _is_there(file, target, before, known):
        return Laid(target, there, was_there=True)
    if given is not None and content is not None:
        tops = _place(file, given, folder, target, shutil.copyfile)
    else:
        path = state / PurePosixPath(file.to).name
        content = _fetched(file, path, known, before)
        tops = _place(file, path, folder, target, shutil.move)
        path.unlink(missing_ok=True)
    _remember(state, record, file, content, tops)
    return Laid(target, content.sha256, was_there=False)


def _given_path(file: RemoteFile) -> Path | None:
    """Where a file lies that was given by hand; None for one of an address."""
    if not file.url.startswith("file:"):
        return None
    return Path(urllib.request.url2pathname(urllib.parse.urlsplit(file.url).path))


def _fetched(file: RemoteFile, path: Path, known: Sums, before: FetchedFile | None) -> Digest:
    if before is None or known.sha256 or known.md5:
        return fetch(file.url, path, known)
    try:
        return fetch(file.url, path, Sums(before.bytes, before.sha256))
    except SumError as error:
        where = path.with_name(RECORD)
        raise DataError(f"{error}; {where} holds what came the first time, remove it to take another") from error


def _place(file: RemoteFile, path: Path, folder: Path, target: Path, lay: Callable[[Path, Path], object]) -> list[str]:
    """Unpack an archive into the dataset's folder, or lay the file there."""
    if file.unpack:
        return unpack(path, folder / PurePosixPath(file.to).parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        lay(path, temporary)
    return []


def _is_there(file: RemoteFile, target: Path, before: FetchedFile | None, known: Sums) -> str:
    """The SHA-256 of what was fetched, where it is at its place and as it is known to be; else empty."""
    if file.unpack:
        tops = [target.parent / top for top in before.unpacked] if before is not None else []
        return before.sha256 if before is not None and tops and all(top.exists() for top in tops) else ""
    if not target.is_file() or (before is None and known == Sums()):
        return ""
    content = content_of(target)
    wanted = known if before is None else Sums(before.bytes, before.sha256)
    return "" if mismatch(content, known) or mismatch(content, wanted) else content.sha256


def _record(state: Path) -> FetchedFiles:
    try:
        return FetchedFiles.model_validate_json((state / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return FetchedFiles()
    except (ValidationError, UnicodeDecodeError):
        warnings.warn(f"{state / 'fetched.json'} is damaged and begun anew", DataWarning, stacklevel=2)
        return FetchedFiles()


def _remember(state: Path, record: FetchedFiles, file: RemoteFile, content: Digest, tops: list[str]) -> None:
    came = FetchedFile(
        url=file.url, bytes=content.bytes, sha256=content.sha256, unpacked=tuple(tops),
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    files = FetchedFiles(files={**record.files, file.to: came})
    write_text(state / RECORD, files.model_dump_json(indent=1) + "\n")


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Nobody else fetches the same dataset to the same place meanwhile."""
    lock = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise DataError(f"{state}: another process is fetching this dataset; wait for it") from error
    except OSError:  # a disk without locks
        pass
    try:
        yield
    finally:
        os.close(lock)
