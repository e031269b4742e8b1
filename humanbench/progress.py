"""Progress for people, on stderr: a bar where it is a terminal, else a line a minute; and how much is said at all."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Advance = Callable[..., None]
"""Called after a step, with the things (images) that it took and perhaps a word on the state."""


class Loudness(IntEnum):
    """How much goes to stderr: results, warnings and errors alone; also progress; also what only log files hold."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


SECONDS = {Loudness.QUIET: 60.0, Loudness.NORMAL: 60.0, Loudness.VERBOSE: 10.0}
"""Between two lines of progress where there is no terminal; those of a quiet run go to its log file alone."""

_loudness: ContextVar[Loudness] = ContextVar("loudness", default=Loudness.NORMAL)


def loudness() -> Loudness:
    """How much is said now."""
    return _loudness.get()


@contextmanager
def said_at(level: Loudness) -> Iterator[None]:
    """Within the block as much is said as this."""
    before = _loudness.set(level)
    try:
        yield
    finally:
        _loudness.reset(before)


def clock() -> float:
    """Seconds, of which only differences mean anything."""
    return time.monotonic()


def stderr() -> Console:
    """Where progress goes."""
    from rich.console import Console

    return Console(stderr=True)


def note(text: str) -> None:
    """A line for people on stderr, unless they want none."""
    if loudness() > Loudness.QUIET:
        stderr().print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def steps(
    text: str, total: int | None, things: str = "", say: Callable[[str], None] = note, shown: bool = True
) -> Iterator[Advance]:
    """Progress over `total` steps (None: nobody knows how many), `things` being what a step takes several of.

    `say` hears a line a minute where there is no bar, and one at the end if there was any; nobody hears or sees
    anything unless `shown`.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    console = stderr()
    bar = shown and console.is_terminal and loudness() > Loudness.QUIET
    lines = _Lines(text, total, things, say if shown and not bar else None)
    with Progress(*columns, console=console, transient=True, disable=not bar) as progress:
        task = progress.add_task(text, total=total, speed="", state="")

        def advance(count: int = 1, state: str = "") -> None:
            lines.advance(count, state)
            progress.update(task, advance=1, speed=lines.speed(), state=state)

        yield advance
    lines.end()


def track(items: Iterable[T], text: str, total: int | None = None) -> Iterator[T]:
    """The items, with progress over them."""
    known = total if total is not None else operator.length_hint(items) or None
    with steps(text, known) as advance:
        for item in items:
            yield item
            advance()


class _Lines:
    """Progress as lines, at most one in so many seconds."""

    def __init__(self, text: str, total: int | None, things: str, say: Callable[[str], None] | None) -> None:
        self._text, self._total, self._things, self._say = text, total, things, say
        self._start = self._last = clock()
        self._done = self._count = 0
        self._spoke = False

    def advance(self, count: int, state: str) -> None:
        self._done += 1
        self._count += count
        if self._say is None or clock() - self._last < SECONDS[loudness()]:
            return
        self._last, self._spoke = clock(), True
        if self._done == self._total:  # that is said at the end
            return
        parts = [self._reached(), self.speed(), self._left()]
        words = ", ".join(part for part in parts if part)
        self._say(f"  {self._text}: {words}" + (f"; {state}" if state else ""))

    def end(self) -> None:
        """The end of what took long enough to be spoken of."""
        if self._say is not None and self._spoke:
            self._say(f"  {self._text}: {self._done:,} in {duration(clock() - self._start)}")

    def speed(self) -> str:
        """Things a second, where a step takes several."""
        elapsed = clock() - self._start
        return f"{self._count / elapsed:,.0f} {self._things}/s" if self._things and elapsed else ""

    def _reached(self) -> str:
        if not self._total:
            return f"{self._done:,} done"
        return f"{self._done:,} of {self._total:,} ({100 * self._done / self._total:.0f} %)"

    def _left(self) -> str:
        if not self._total or self._done >= self._total:
            return ""
        return f"{duration((clock() - self._start) / self._done * (self._total - self._done))} left"


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(42), duration(200), duration(8000)
    ('42 s', '3 min', '2 h 13 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
