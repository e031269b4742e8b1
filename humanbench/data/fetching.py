"""A file of a web address, fetched so that it can go on after an interruption, and known by its sum.

pooch begins again after an interruption, and the hub's client goes on with files of the hub alone, where none of these
lie. So this is ours: a request for what is still missing, and the whole held against the sums that are known.
"""

from __future__ import annotations

import contextlib
import email.message
import hashlib
import http.client
import json
import re
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from humanbench.errors import DataError
from humanbench.files import write_text
from humanbench.progress import Advance, steps

TRIES = 5
"""Connections in a row that may bring nothing before it is given up."""
WAIT = 1.0
"""Seconds before the second try; each further one waits twice as long."""
PATIENCE = 60
"""Seconds that a server may be silent."""
_BLOCK = 1 << 20
_ROOM = 64 << 20
"""Bytes that are left free on a disk."""


class SumError(DataError):
    """What came is not the file that is known."""


@dataclass(frozen=True)
class Sums:
    """What is known of a file before it is fetched; None and empty where nobody says."""

    bytes: int | None = None
    sha256: str = ""
    md5: str = ""


@dataclass(frozen=True)
class Digest:
    """A file that is here whole: its length and sums."""

    bytes: int
    sha256: str
    md5: str


def content_of(path: Path) -> Digest:
    """Length and sums of a file."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
    return Digest(path.stat().st_size, sha256.hexdigest(), md5.hexdigest())


def mismatch(content: Digest, known: Sums) -> str:
    """What of a file is not as it is known to be, in words; empty if nothing is."""
    if known.bytes is not None and content.bytes != known.bytes:
        return f"has {content.bytes:,} bytes instead of {known.bytes:,}"
    for kind in ("sha256", "md5"):
        wanted, there = getattr(known, kind), getattr(content, kind)
        if wanted and wanted != there:
            return f"has the {kind} {there} instead of {wanted}"
    return ""


def fetch(url: str, target: Path, known: Sums) -> Digest:
    """Fetch an address to a file, going on where an earlier call was interrupted; `DataError` in one sentence.

    What has come so far lies beside `target` in `NAME.part`, with a note by which the server is asked whether its file
    is still the same one. `target` is only ever there whole, and as it is known to be.
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2]) or target.name
    failures = 0
    with steps(name, None, "MB") as advance:
        while True:
            before = _length(part)
            try:
                if _go_on(url, part, known, advance):
                    break
                reason = f"the connection ended after {_length(part):,} bytes"
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code not in (408, 429):
                    raise DataError(f"{url} cannot be had: the server answers {error.code} {error.reason}") from error
                reason = f"the server answers {error.code} {error.reason}"
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                cause = getattr(error, "reason", error)
                if isinstance(cause, socket.gaierror | ConnectionRefusedError | http.client.InvalidURL):
                    raise DataError(f"{url} cannot be reached ({cause})") from error  # nor in a second
                reason = str(cause) or type(error).__name__
            except OSError as error:  # a full disk, say; what is here stays
                error.filename = error.filename or str(part)
                raise
            failures = 1 if _length(part) > before else failures + 1
            if failures >= TRIES:
                raise DataError(f"{url} cannot be fetched: {reason}; the same command goes on where it stopped")
            time.sleep(WAIT * 2 ** (failures - 1))
    content = content_of(part)
    if wrong := mismatch(content, known):
        _forget(part)
        raise SumError(f"{url}: what came {wrong}; it is removed, and the address may hold another file by now")
    part.replace(target)
    _note(part).unlink(missing_ok=True)
    return content


def _go_on(url: str, part: Path, known: Sums, advance: Advance) -> bool:
    """Ask for what is missing and write it; whether the file is whole now."""
    start, note = _length(part), _read_note(part)
    if note.get("url") != url or not (note.get("validator") or known.sha256 or known.md5):
        _forget(part)  # nobody could tell whether the rest belongs to it
        start = 0
    headers = {"User-Agent": "humanbench", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if note.get("validator"):
            headers["If-Range"] = note["validator"]
    try:
        answer = _OPENER.open(urllib.request.Request(url, headers=headers), timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # there is nothing behind what is here
            raise
        if start and start == (known.bytes or _total(error.headers)):
            return True
        _forget(part)
        return False
    with contextlib.closing(answer):
        goes_on = answer.status == 206 and _first_byte(answer.headers) == start
        if answer.status == 206 and not goes_on:
            _forget(part)
            return False
        if not goes_on:
            start = 0
        total = _expected(answer.headers, start, goes_on)
        _check_answer(url, answer.headers, known, total)
        _check_room(part, url, total or known.bytes, start)
        write_text(_note(part), json.dumps({"url": url, "validator": _validator(answer.headers)}))
        try:
            with part.open("ab" if goes_on else "wb") as file:
                _copy(url, answer, file, known.bytes if known.bytes is not None else total, advance)
        except DataError:  # it is another file
            _forget(part)
            raise
    return total is None or _length(part) == total


def _copy(url: str, answer: IO[bytes], file: IO[bytes], limit: int | None, advance: Callable[..., None]) -> None:
    """All that comes, but never more than is expected."""
    done = file.tell()
    while block := answer.read(_BLOCK):
        if done == 0 and block.lstrip()[:1] == b"<" and re.match(rb"\s*<(!doctype html|html)", block, re.I):
            raise DataError(
                f"{url} gives a web page, not the file; fetch it there by hand and give it with --from FILE"
            )
        done += len(block)
        if limit is not None and done > limit:
            raise DataError(f"{url}: more comes than the {limit:,} bytes that are expected; nothing of it is kept")
        file.write(block)
        advance(round(len(block) / 1e6))


def _check_answer(url: str, headers: email.message.Message, known: Sums, total: int | None) -> None:
    if known.bytes is not None and total is not None and total != known.bytes:
        raise DataError(f"{url}: the server's file has {total:,} bytes instead of {known.bytes:,}; it is another one")
    if headers.get_content_type() == "text/html":
        raise DataError(f"{url} gives a web page, not the file; fetch it there by hand and give it with --from FILE")


def _check_room(part: Path, url: str, total: int | None, start: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start + _ROOM > free:
        raise DataError(f"{url} has {total:,} bytes and {part.parent} has room for {free:,}; make room, or --data-root")


def _expected(headers: email.message.Message, start: int, goes_on: bool) -> int | None:
    """Length of the whole file by an answer; None where it does not say."""
    if goes_on and (total := _total(headers)) is not None:
        return total
    length = headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _total(headers: email.message.Message) -> int | None:
    match = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", headers.get("Content-Range", "").strip())
    return int(match[1]) if match else None


def _first_byte(headers: email.message.Message) -> int | None:
    match = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _validator(headers: email.message.Message) -> str:
    """By what a server recognises its file: a strong tag, else the time of its last change."""
    tag = str(headers.get("ETag", ""))
    return tag if tag and not tag.startswith("W/") else str(headers.get("Last-Modified", ""))


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> dict[str, str]:
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        return {str(key): str(value) for key, value in note.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Only to the web, and not from an encrypted address to an open one."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urllib.parse.urlsplit(req.full_url).scheme, urllib.parse.urlsplit(newurl).scheme
        if after not in ("http", "https") or (before == "https" and after != "https"):
            raise DataError(f"{req.full_url} leads on to {newurl}, which is no address that is followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
