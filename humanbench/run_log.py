"""What a run says: to people on stderr, and to the log file of the run folder."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[..., None]


class RunLog:
    """Lines with the time, and progress bars with images per second and the time that remains.

    A log that is not `loud` says nothing: with several processes only the first one speaks.
    """

    def __init__(self, log: Path | None = None, loud: bool = True) -> None:
        self._log = log if loud else None
        self._loud = loud
        self._console = Console(stderr=True)

    def info(self, text: str) -> None:
        """A line on stderr and in the log."""
        if self._loud:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self.write(text)

    def write(self, text: str) -> None:
        """Lines in the log alone."""
        if self._log is not None:
            now = datetime.datetime.now().isoformat(" ", "seconds")
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{now}  {text}\n")

    @contextmanager
    def bar(self, text: str, total: int) -> Iterator[Advance]:
        """A bar over `total` steps; call what it gives with the images of each step and perhaps a word on the state."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
        )
        shown = self._loud and self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=not shown) as progress:
            task = progress.add_task(text, total=total, speed="", state="")
            images = 0

            def advance(count: int, state: str = "") -> None:
                nonlocal images
                images += count
                elapsed = progress.tasks[0].elapsed or 0.0
                speed = f"{images / elapsed:,.0f} images/s" if elapsed else ""
                progress.update(task, advance=1, speed=speed, state=state)

            yield advance
