"""Work that several threads share: calls of libraries that let other threads run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST = 8
"""Threads: what is Python's of a call has one interpreter for all of them."""

_TOGETHER = 16
"""Items that a thread takes at a time: handing over costs a tenth of a millisecond."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """`function` of each item, in order, on all cores; the first error in that order is raised and the rest left out.

    The first item is for the calling thread alone, so that what is loaded or compiled at a first call is so once.

    >>> list(in_threads(str.upper, ["a", "b", "c"]))
    ['A', 'B', 'C']
    """
    yield from map(function, items[:1])
    workers = min(cores(), MOST)
    if workers == 1:
        yield from map(function, items[1:])
        return

    def some(part: Sequence[T]) -> tuple[list[R], Exception | None]:
        done: list[R] = []
        try:
            for item in part:
                done.append(function(item))
        except Exception as error:
            return done, error
        return done, None

    parts = [items[start : start + _TOGETHER] for start in range(1, len(items), _TOGETHER)]
    with ThreadPoolExecutor(workers) as pool:
        for done, error in pool.map(some, parts):
            yield from done
            if error is not None:
                raise error
