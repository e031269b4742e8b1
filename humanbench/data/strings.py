"""Millions of strings in two arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

_ANY = "surrogatepass"
"""Names of files hold halves of surrogate pairs where their bytes are no UTF-8."""


class Strings(Sequence[str]):
    """A list of strings that is two blocks of memory: their bytes one after the other, and where each ends.

    Processes that are forked share memory until somebody writes to it, and reading an object of Python's writes to its
    count of references: with a list, each worker of a training ends up with a copy of all strings.

    >>> names = Strings(["a.jpg", "", "bü.jpg"])
    >>> names[2], names[-3], len(names), list(names[:2])
    ('bü.jpg', 'a.jpg', 3, ['a.jpg', ''])
    """

    def __init__(self, texts: Iterable[str]) -> None:
        content = bytearray()  # kept as it grew: a copy would take as much again
        self._ends = array("q", [0])
        for text in texts:
            content += text.encode("utf-8", _ANY)
            self._ends.append(len(content))
        self._content = content

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._content[self._ends[place] : self._ends[place + 1]].decode("utf-8", _ANY)
