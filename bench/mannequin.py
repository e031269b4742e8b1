"""Procedural pictures: crops a second on one core, and whole suites with their size on disk."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from humanbench.cards import DatasetCard, cards, evaluated, load_card
from humanbench.data.mannequin.labels import shoot
from humanbench.data.mannequin.pool import workers
from humanbench.data.mannequin.sampling import jpeg, world_of
from humanbench.data.mannequin.sampling_plan import plan
from humanbench.data.mannequin.suite import synthesize


@dataclass(frozen=True)
class Crops:
    """Market-1501's procedural pictures one after the other in one process, JPEG included."""

    name: str = "600 mannequin crops of 128 x 64, one core"
    peer_name: str = ""
    aim: str = "4.0 s (150 a second)"

    def inputs(self, small: bool) -> int:
        """How many."""
        return 20 if small else 600

    def ours(self, inputs: int) -> dict[str, float]:
        """Draw them; their mean size as JPEG."""
        card = load_card("market1501")
        world = world_of(card, 0)
        shots = itertools.chain.from_iterable(plan(card, world, 1.0).values())
        size = 0
        for shot in itertools.islice(shots, inputs):
            size += len(jpeg(world, shot.number, shoot(card, world, shot)[0]))
        return {"kB a picture": size / inputs / 1e3}


@dataclass(frozen=True)
class Suite:
    """Datasets written to a temporary folder at default scale, with a process per core."""

    name: str
    chosen: Callable[[], list[DatasetCard]]
    aim: str
    peer_name: str = ""
    repeats: int = 1

    def inputs(self, small: bool) -> tuple[list[DatasetCard], float]:
        """The datasets and the scale."""
        return (self.chosen()[:1], 0.01) if small else (self.chosen(), 1.0)

    def ours(self, inputs: tuple[list[DatasetCard], float]) -> dict[str, float]:
        """Write them; megabytes and files on disk."""
        chosen, scale = inputs
        with tempfile.TemporaryDirectory() as folder:
            with workers() as pool:
                for card in chosen:
                    synthesize(card, Path(folder), pool, scale)
            sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
        return {"MB on disk": sum(sizes) / 1e6, "files": len(sizes)}


CASES = [
    Crops(),
    Suite("19 procedural datasets of the evaluation", evaluated, "60 s, 80 MB"),
    Suite("all 44 procedural datasets", lambda: list(cards().values()), "180 s"),
]
