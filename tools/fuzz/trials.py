"""Many inputs of each family, each with a limit of seconds, and what became of them."""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.fuzz import inputs as kinds
from tools.fuzz.ground import Ground

PATIENCE = 20
"""Seconds after which an input counts as one that hangs."""

OUTCOMES = ("well", "sentence", "traceback", "hang", "accepted")


class TookTooLong(BaseException):
    """The input's time is over. No `Exception`: nothing in the way may take it for an error of the input."""


@dataclass
class Family:
    """A kind of inputs: `one` tries a single one and says how it ended."""

    name: str
    share: int
    one: Callable[[random.Random], str]
    counts: Counter[str] = field(default_factory=Counter)
    worst: list[str] = field(default_factory=list)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """`TookTooLong` in the block after so many seconds."""

    def ring(*_: Any) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def families(ground: Ground) -> list[Family]:
    """All of them, with their share of the inputs."""
    listed = {
        "options": (kinds.options, 20),
        "predictions": (kinds.predictions, 20),
        "results": (kinds.results, 15),
        "submissions": (kinds.submissions, 20),
        "checkpoints": (kinds.checkpoints, 12),
        "verify": (kinds.verified, 5),
        "tables": (kinds.tables, 5),
        "stores": (kinds.logs, 3),
    }
    return [Family(n, share, lambda rng, work=work: work(ground, rng)) for n, (work, share) in listed.items()]  # type: ignore[misc]


def fuzz(place: Path, inputs: int, seed: int, only: tuple[str, ...] = ()) -> tuple[list[Family], Ground]:
    """Try so many inputs; what became of them."""
    from humanbench.leaderboard.submissions.store import accept

    ground = Ground(place)
    ground.store = place / "store"
    accept(ground.archive, ground.store, ground.data)
    chosen = [family for family in families(ground) if not only or family.name in only]
    total = sum(family.share for family in chosen)
    for family in chosen:
        for number in range(max(1, inputs * family.share // total)):
            rng = random.Random(f"{seed} {family.name} {number}")
            try:
                with limited(PATIENCE):
                    outcome = family.one(rng)
            except TookTooLong:
                outcome = "hang"
            except Exception as error:
                outcome = "traceback"
                family.worst.append(f"{family.name} {number}: {type(error).__name__}: {str(error)[:200]}")
            if outcome in ("hang", "accepted"):
                family.worst.append(f"{family.name} {number}: {outcome}")
            family.counts[outcome] += 1
        print(f"{family.name}: {dict(family.counts)}", *family.worst, sep="\n  ", file=sys.stderr, flush=True)
    return chosen, ground


def table(chosen: list[Family]) -> str:
    """The counts as Markdown."""
    rows = [
        "| inputs | tried | harmless | one sentence | traceback | hang | wrongly accepted |",
        "| --- " + "| ---: " * 6 + "|",
    ]
    for family in chosen:
        cells = [family.name, str(family.counts.total()), *(str(family.counts[name]) for name in OUTCOMES)]
        rows.append(f"| {' | '.join(cells)} |")
    every = sum((family.counts for family in chosen), Counter[str]())
    rows.append(f"| all | {every.total()} | {' | '.join(str(every[name]) for name in OUTCOMES)} |")
    return "\n".join(rows)
