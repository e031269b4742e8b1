"""What a run says: to people on stderr, and to the log file of the run folder."""

from __future__ import annotations

import datetime
from contextlib import AbstractContextManager
from pathlib import Path

from humanbench.progress import Advance, Loudness, loudness, stderr, steps


class RunLog:
    """Lines with the time, and progress with images per second and the time that remains.

    A log that is not `loud` says nothing: with several processes only the first one speaks. How much goes to stderr is
    decided by `humanbench.progress.said_at`; the file has it all.
    """

    def __init__(self, log: Path | None = None, loud: bool = True) -> None:
        self._log = log if loud else None
        self._loud = loud
        self._console = stderr()

    def info(self, text: str) -> None:
        """A line on stderr and in the log."""
        self._say(text, Loudness.NORMAL)

    def step(self, text: str) -> None:
        """A line on what a bar shows too (an epoch): on stderr where there is none, and in the log."""
        self._say(text, Loudness.VERBOSE if self._console.is_terminal else Loudness.NORMAL)

    def write(self, text: str) -> None:
        """Lines in the log, and on stderr for who wants all of it."""
        self._say(text, Loudness.VERBOSE)

    def bar(self, text: str, total: int) -> AbstractContextManager[Advance]:
        """Progress over `total` steps; call what it gives with the images of each step and perhaps a word on the
        state."""
        return steps(text, total, "images", self.info, self._loud)

    def _say(self, text: str, least: Loudness) -> None:
        """A line in the log, and on stderr for who wants to hear at `least` so much."""
        if self._loud and loudness() >= least:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        if self._log is not None:
            now = datetime.datetime.now().isoformat(" ", "seconds")
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{now}  {text}\n")
