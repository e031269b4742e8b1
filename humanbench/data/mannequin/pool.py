"""Processes that take pictures: a pool that ends with the process it works for, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from humanbench.progress import track

T = TypeVar("T")
P = ParamSpec("P")


@contextmanager
def workers(count: int | None = None) -> Iterator[Executor]:
    """A pool of processes that take pictures; `count` defaults to the number of cores, 1 is this process alone."""
    count = count or os.cpu_count() or 1
    if count == 1:
        yield InThisProcess()
        return
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin) as pool:
        yield pool


class InThisProcess(Executor):
    """Does each job in this process, when its result is asked for."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return _DeferredFuture(lambda: fn(*args, **kwargs))


class _DeferredFuture(Future[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work = work

    def result(self, timeout: float | None = None) -> T:
        if not self.done() and self.set_running_or_notify_cancel():
            try:
                self.set_result(self._work())
            except BaseException as error:
                self.set_exception(error)
        return super().result(timeout)


def results(jobs: list[Future[T]], text: str) -> list[T]:
    """What the jobs return; when one fails or the user stops, none of them goes on."""
    try:
        return [job.result() for job in track(jobs, text)]
    finally:
        wait([job for job in jobs if not job.cancel()])


def _begin() -> None:
    """In a new worker: leave Ctrl-C to the main process, which stops the workers when they have finished what they do;
    and watch that process, since a worker waiting for work would not notice its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to hear of it
