"""`python -m bench.commands [--against CHECKOUT] [NAME…]`: whole commands as processes, CPU seconds, seconds by the
clock and peak memory.

Scoring runs on inputs of paper size that are made here, with its 1,000 resamples, against the field's tool (point
estimates alone); the board is built of made-up results of many backbones on the nineteen datasets. With `--against` the
same command of another checkout of this repository is measured too. Sides take turns, and the least of the turns
counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench import paper_size
from bench.paper_size import Make

TURNS = 3

SLOW = "board5000"
"""Is measured where it is named: its inputs are 95,000 files."""

PYCOCOTOOLS = """
import sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
truth = COCO(sys.argv[1])
run = COCOeval(truth, truth.loadRes(sys.argv[2]), "keypoints")
run.evaluate()
run.accumulate()
run.summarize()
"""


LAUNCH = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss, time.perf_counter() - start]))
"""
"""Starts a process and says what it took. A small one of its own: a child's peak begins with what its parent holds."""


@dataclass(frozen=True)
class Command:
    """`humanbench score` of one dataset; `make` writes data and predictions and gives the peer's arguments."""

    name: str
    size: str
    make: Make
    suffix: str = ".json"
    peer_name: str = ""
    peer: str = ""
    verb: str = "score"

    def prepared(self, folder: Path) -> tuple[list[str], list[str]]:
        """Inputs written into a folder: the words of `humanbench`, and the peer's arguments."""
        predictions = folder / f"predictions{self.suffix}"
        theirs = self.make(folder / self.name, predictions)
        return ["score", self.name, "--predictions", str(predictions), "--data-root", str(folder)], theirs


@dataclass(frozen=True)
class Compare:
    """`humanbench compare` of two runs that hold a result for each of some datasets of the rows of `score`."""

    name: str
    scores: tuple[Command, ...]
    peer_name: str = ""
    peer: str = ""
    verb: str = "compare"

    @property
    def size(self) -> str:
        return " + ".join(score.name for score in self.scores)

    def prepared(self, folder: Path) -> tuple[list[str], list[str]]:
        """Two run folders over one data root."""
        made = {}
        for score in self.scores:
            made[score.name] = folder / f"{score.name}-predictions{score.suffix}"
            score.make(folder / score.name, made[score.name])
        paper_size.two_runs(folder, made)
        return ["compare", str(folder / "base"), str(folder / "new"), "--data-root", str(folder)], []


@dataclass(frozen=True)
class Board:
    """`humanbench leaderboard build` of so many backbones on all datasets of the benchmark."""

    entries: int
    peer_name: str = ""
    peer: str = ""
    verb: str = "leaderboard build"

    @property
    def name(self) -> str:
        return f"board{self.entries}"

    @property
    def size(self) -> str:
        return f"{self.entries:,} entries on 19 datasets"

    def prepared(self, folder: Path) -> tuple[list[str], list[str]]:
        """A run folder with a results file per backbone and dataset."""
        from humanbench.results.columns import benchmark_columns
        from tests.leaderboard.made import USUAL, made_result

        rng, results = np.random.default_rng(0), folder / "run/results"
        results.mkdir(parents=True)
        usual = [made_result(name) for name in benchmark_columns()]
        for entry in range(self.entries):
            weights = f"{entry:064x}"
            for number, one in enumerate(usual):
                value = USUAL[one.dataset] + rng.normal()
                metrics = {one.main: {"value": value, "low": value - 0.5, "high": value + 0.5, "n": 1000}}
                cell = one.cell.model_dump() | {"weights_sha256": weights, "id": f"{number:04x}{entry:060x}"}
                document = json.loads(one.to_json()) | {"backbone": f"timm:net_{entry}", "metrics": metrics}
                (results / f"{entry}-{number}.json").write_text(json.dumps(document | {"cell": cell}))
        return ["leaderboard", "build", str(folder / "run"), "--out", str(folder / "site")], []


@dataclass(frozen=True)
class Cost:
    """User and system seconds, the largest resident size in MB, and seconds by the clock."""

    seconds: float
    mb: float
    clock: float


COCO = Command(
    "coco_pose",
    "5,000 images, 11,004 people, 104,125 detections",
    paper_size.coco,
    peer_name="pycocotools, whole process",
    peer=PYCOCOTOOLS,
)
CROWDHUMAN = Command("crowdhuman", "4,370 images, 99,481 people, 300,000 detections", paper_size.crowdhuman)
MARKET = Command("market1501", "3,368 queries, 15,913 gallery images, 512 features", paper_size.market1501, ".npz")

COMMANDS: tuple[Command | Compare | Board, ...] = (
    COCO,
    CROWDHUMAN,
    MARKET,
    Command("pa100k", "10,000 images, 26 attributes", paper_size.pa100k, ".csv"),
    Command("lip", "10,000 label maps of 450 x 300", paper_size.lip, ""),
    Compare("runs", (COCO, CROWDHUMAN, MARKET)),
    Board(1000),
    Board(5000),
)


def cost(arguments: list[str], folder: Path) -> Cost:
    """Run to its end, with `folder` as the checkout whose package is imported."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    launched = [sys.executable, "-c", LAUNCH, sys.executable, *arguments]
    out = subprocess.run(
        launched, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout
    status, seconds, kilobytes, clock = json.loads(out)
    if status:
        raise click.ClickException(f"{' '.join(arguments[:4])} … of {folder} ended with {status}")
    return Cost(seconds, kilobytes / 1024, clock)


def least(sides: dict[str, tuple[list[str], Path]]) -> dict[str, Cost]:
    """The least cost of each side over turns, after a first run that compiles."""
    for arguments, folder in sides.values():
        cost(arguments, folder)
    runs = [{name: cost(*side) for name, side in sides.items()} for _ in range(TURNS)]
    turns = {name: [astuple(run[name]) for run in runs] for name in sides}
    return {name: Cost(*map(min, zip(*costs, strict=True))) for name, costs in turns.items()}


@click.command()
@click.argument("words", nargs=-1)
@click.option("--against", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Another checkout.")
def main(words: tuple[str, ...], against: Path | None) -> None:
    """Measure whole commands whose name (a dataset, board1000 …) contains one of the WORDS."""
    here = Path(__file__).resolve().parents[1]
    table = Table("command", "side", "CPU", "clock", "peak MB", "CPU ratio", "clock ratio", "memory ratio")
    for command in COMMANDS:
        if not any(word in command.name for word in words) and (words or command.name == SLOW):
            continue
        Console(stderr=True).print(f"measuring {command.verb} {command.name} …")
        with tempfile.TemporaryDirectory() as name:
            words_of, theirs = command.prepared(Path(name))
            ours = ["-m", "humanbench", *words_of]
            sides = {"ours": (ours, here)}
            if against:
                sides["the other checkout"] = (ours, against.resolve())
            if command.peer:
                sides[command.peer_name] = (["-c", command.peer, *theirs], here)
            costs = least(sides)
        for side, spent in costs.items():
            own = costs["ours"]
            ratios = (spent.seconds / own.seconds, spent.clock / own.clock, spent.mb / own.mb)
            table.add_row(
                f"{command.verb} {command.name} ({command.size})" if side == "ours" else "",
                side,
                f"{spent.seconds:.2f} s",
                f"{spent.clock:.2f} s",
                f"{spent.mb:.0f}",
                *(("", "", "") if side == "ours" else (f"{ratio:.1f}x" for ratio in ratios)),
            )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
