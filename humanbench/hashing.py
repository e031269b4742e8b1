"""Identity is content: hashes of values, of texts and of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from humanbench.leftovers import files_in

_AT_A_TIME = 4096


def text_sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def key(*parts: Any) -> str:
    """SHA-256 over the canonical JSON of the parts.

    >>> key({"b": 1, "a": (2,)}) == key({"a": [2], "b": 1}), key(1) == key("1")
    (True, False)
    """
    return text_sha256(json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def document_sha256(document: Any) -> str:
    """SHA-256 over the canonical JSON of one value, in ASCII: the hash that recipes and freeze reports go by."""
    return text_sha256(json.dumps(document, sort_keys=True, separators=(",", ":")))


def joined_bytes(texts: Iterable[str], between: str = "") -> Iterator[bytes]:
    """The UTF-8 bytes of all texts one after another with `between` between them, thousands of texts at a time.

    >>> b"".join(joined_bytes(["a", "b", ""], ", "))
    b'a, b, '
    """
    left, before = iter(texts), ""
    while some := list(islice(left, _AT_A_TIME)):
        yield (before + between.join(some)).encode()
        before = between


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Identity of a file, or of all files in a folder.

    For a folder: the SHA-256 of one line `<sha256 of the file>  <relative POSIX path>` for every file in it, sorted by
    path (what `sha256sum` prints, so it can be repeated in a shell), but for what an operating system left there.
    """
    if not path.is_dir():
        return file_sha256(path)
    listing = hashlib.sha256()
    for name, member in sorted((m.relative_to(path).as_posix(), m) for m in files_in(path, "**/*") if m.is_file()):
        listing.update(f"{file_sha256(member)}  {name}\n".encode())
    return listing.hexdigest()
