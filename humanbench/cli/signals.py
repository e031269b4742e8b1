"""Being asked to stop by another process, or by a terminal that closes, is an end in good order like Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise `SystemExit`, so that unfinished files are removed and workers stopped.

    The exit code is 128 + the signal's number, as shells have it. A signal that is ignored (`nohup`) stays ignored.
    Outside the main thread nothing changes, as Python allows no handlers there.
    """
    numbers = [signal.SIGTERM, signal.SIGHUP] if threading.current_thread() is threading.main_thread() else []
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) == signal.SIG_DFL}
    for number in before:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
