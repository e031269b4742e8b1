"""Independent pieces of work that two processes share, where the system can copy a process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence

_NUMBER = 4
"""Bytes of a piece's number in the pipe; a pipe holds 16,384 such numbers."""
_MOST = 16_000


def do_all(pieces: Sequence[Callable[[], object]], two: bool) -> None:
    """Do every piece, in any order; with `two`, in this process and in a copy of it, each taking what is next.

    What a piece leaves must be files of its own. A piece that fails in the copy fails here too: then all of them are
    done again, here. One process does them where there are no two cores, on systems that cannot copy a process, and
    where other threads run, whose locks a copy would never see opened.
    """
    if two and len(pieces) <= _MOST and _can_copy() and _shared(pieces):
        return
    for piece in pieces:
        piece()


def _can_copy() -> bool:
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


def _shared(pieces: Sequence[Callable[[], object]]) -> bool:
    """Whether the copy did its share without an error."""
    taken, given = os.pipe()
    try:
        os.write(given, b"".join(number.to_bytes(_NUMBER, "little") for number in range(len(pieces))))
    finally:
        os.close(given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads of libraries, which no piece uses
        copy = os.fork()
    if copy == 0:
        status = 1
        try:
            for number in _numbers(taken):
                pieces[number]()
            status = 0
        finally:
            os._exit(status)  # nothing of what the process it was copied from does at its end
    try:
        for number in _numbers(taken):
            pieces[number]()
    except BaseException:
        os.kill(copy, signal.SIGKILL)
        raise
    finally:
        os.close(taken)
        _, status = os.waitpid(copy, 0)
    return status == 0


def _numbers(taken: int) -> Iterator[int]:
    """Numbers of pieces that nobody has taken yet."""
    while number := os.read(taken, _NUMBER):
        yield int.from_bytes(number, "little")
