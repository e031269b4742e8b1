"""`python -m bench.names`: the names of a pretraining's pictures in memory, and what a worker adds that draws of them.

As many made-up names as PATH's collection has pictures: as `Strings`, and as a list, each in a process of its own. A
worker is forked and reads 100,000 of them at random; what it then has to itself is what its draws cost.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.case import status
from humanbench.data.sampling import shuffled_batches
from humanbench.data.strings import Strings

PICTURES = 11_019_187
DRAWS = 100_000
SIDES = {"ours": Strings, "a list": list}


def names(count: int = PICTURES) -> Iterator[str]:
    """Paths like those under a data root."""
    return (f"/data/pictures/folder_{i // 1000:05d}/{i * 7919 % 10**9:09d}.jpg" for i in range(count))


def private_mb() -> float:
    """What this process shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def draw(paths: Sequence[str], end: Connection) -> None:
    """Read names at random; what that made this process's own goes into the pipe."""
    before = private_mb()
    chosen = np.random.default_rng(0).integers(0, len(paths), DRAWS).tolist()
    total = sum(len(paths[i]) for i in chosen)
    end.send((private_mb() - before, total))


def side(kind: type[Strings] | type[list[str]], end: Connection) -> None:
    """CPU seconds and MB of the names, MB of a worker, the sum that it read, CPU seconds of the first batches."""
    before, start = status("VmRSS"), time.process_time()
    paths: Sequence[str] = kind(names())
    seconds, mb = time.process_time() - start, status("VmRSS") - before
    mine, its = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=draw, args=(paths, its))
    worker.start()
    added, total = mine.recv()
    worker.join()
    start = time.process_time()
    first = shuffled_batches(len(paths), 4096, 0, 3)[0]
    end.send((seconds, mb, added, total, time.process_time() - start, first[0]))


def main() -> None:
    table = Table("names", "CPU", "MB", f"a worker's own after {DRAWS:,} draws, MB", "an epoch's order, CPU")
    totals = set()
    for name, kind in SIDES.items():
        mine, its = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=side, args=(kind, its))
        process.start()
        seconds, mb, added, total, order, _ = mine.recv()
        process.join()
        totals.add(total)
        table.add_row(name, f"{seconds:.1f} s", f"{mb:.0f}", f"{added:.0f}", f"{order:.2f} s")
    assert len(totals) == 1
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
