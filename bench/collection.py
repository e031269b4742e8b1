"""`python -m bench.collection [PICTURES]`: a pretraining of 11 million pictures until its first batch, and at its end.

The entry of LUPerson-NL is opened with lists of made-up names, as many as PATH's whole collection has pictures
(11,019,187) and identities in the same ratio; the pictures themselves need not be there. What is measured, in a process
of its own: reading and hashing until the entry is ready, the first batch, and the batch that a run interrupted one step
before its end goes on with; the memory of the parent at its peak and when it is ready, imports included; what a
worker has to itself after 100,000 draws.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.case import status
from bench.names import DRAWS, PICTURES, private_mb
from humanbench.backbones.features import Preprocessing
from humanbench.cards import load_card
from humanbench.data_root import find_data
from humanbench.pretrain.entries import EntryData, open_entries
from humanbench.pretrain.recipe import load_pretrain_recipe

DATASET = "luperson_nl"


def write_lists(folder: Path, count: int) -> None:
    """The two list files of the card, with `count` names in folders by video."""
    card = load_card(DATASET)
    split = card.splits["train"]
    images, labels = card.reader.options["lists"]["train"]
    people = max(2, count * (split.identities or 0) // (split.samples or 1))
    folder.mkdir(parents=True)
    with (folder / images).open("w") as names, (folder / labels).open("w") as numbers:
        numbers.write(f"{count} {people}\n")
        for i in range(count):
            person = i * people // count
            names.write(f"Country{person % 17:02d}/City{person % 311:03d}/video{person % 21000:06d}/{i:011d}_00.jpg\n")
            numbers.write(f"{person}\n")


def draw(entry: EntryData, end: Connection) -> None:
    """Read names and labels at random; what that made this process's own goes into the pipe."""
    samples: Any = entry.samples
    before = private_mb()
    chosen = np.random.default_rng(0).integers(0, len(samples), DRAWS).tolist()
    _ = sum(len(samples.paths[i]) + int(samples.labels[i]) for i in chosen)
    end.send(private_mb() - before)


def opened(root: str, end: Connection) -> None:
    """Everything that is measured, in the order of the columns."""
    warnings.simplefilter("ignore")  # the pictures are not there
    recipe = load_pretrain_recipe("path").only([DATASET])
    half = (0.5, 0.5, 0.5)
    start = time.process_time()
    (entry,) = open_entries(recipe, find_data(root), Preprocessing(half, half, "bilinear", (224, 224)), 0)
    ready = time.process_time() - start
    peak, rest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, status("VmRSS")
    times = []
    for step in (0, recipe.iterations - 1):
        start = time.process_time()
        next(entry.steps(0, step))
        times.append(time.process_time() - start)
    mine, its = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=draw, args=(entry, its))
    worker.start()
    own = mine.recv()
    worker.join()
    end.send((ready, *times, peak, rest, own))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    with TemporaryDirectory() as folder:
        write_lists(Path(folder) / DATASET / "lup-nl", count)
        mine, its = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=opened, args=(folder, its))
        process.start()
        ready, first, last, peak, rest, own = mine.recv()
        process.join()
    table = Table("pictures", "ready, CPU", "first batch", "last batch", "peak, MB", "ready, MB", "a worker's own, MB")
    seconds = (f"{value:.0f} s" for value in (ready, first, last))
    table.add_row(f"{count:,}", *seconds, *(f"{value:,.0f}" for value in (peak, rest, own)))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
