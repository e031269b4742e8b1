"""`python -m bench.inputs [--against CHECKOUT] [--pictures FOLDER] [TASK…]`: pictures per second and core of training.

From JPEG files to the network's input, with the recipe's augmentation, against pipelines of OpenCV and PIL calls as the
field's toolboxes make them (`bench.input_peers`) and, with `--against`, against another checkout of this repository.
Every side is a process on one core; sides take turns, and the least CPU of the turns counts. Pictures are made here, at
640 x 480 and 1,280 x 960, or those of a folder are taken.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.input_side import CARDS

COUNT = 32
TURNS = 3


def picture(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Noise of all scales, of which a JPEG is about as large as of a photograph."""
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (max(2, size[1] // cell), max(2, size[0] // cell), 3), np.uint8))
            .resize(size, Image.Resampling.BICUBIC),
            np.float32,
        )
        for cell in (256, 64, 16, 4)
    ]  # fmt: skip
    return Image.fromarray(np.average(layers, axis=0, weights=(8, 4, 2, 1)).astype(np.uint8))


def prepare(folder: Path, size: tuple[int, int], pictures: Path | None) -> None:
    """The pictures of a bench and part maps for them."""
    rng = np.random.default_rng(0)
    (folder / "maps").mkdir(parents=True)
    given = sorted(pictures.rglob("*.jpg"))[:COUNT] if pictures else []
    for number in range(len(given) or COUNT):
        path = folder / f"{number:04d}.jpg"
        if given:
            path.write_bytes(given[number].read_bytes())
        else:
            picture(size, rng).save(path, quality=92)
        parts = Image.fromarray(rng.integers(0, 20, (12, 9), np.uint8))
        parts.resize(Image.open(path).size, Image.Resampling.NEAREST).save(folder / "maps" / f"{number:04d}.png")


def side(folder: Path, task: str, library: str, checkout: Path) -> dict[str, float]:
    """One measurement of one side."""
    here = Path(__file__).resolve().parents[1]
    paths = [str(checkout), *([str(here)] if library == "peer" else []), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    script = str(here / "bench" / "input_side.py")
    command = [sys.executable, "-P", script, str(folder), task, library]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


@click.command()
@click.argument("tasks", nargs=-1, type=click.Choice(tuple(CARDS)))
@click.option("--against", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Another checkout.")
@click.option("--pictures", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of JPEG files.")
@click.option("--large", is_flag=True, help="1,280 x 960 in place of 640 x 480, where pictures are made.")
def main(tasks: tuple[str, ...], against: Path | None, pictures: Path | None, large: bool) -> None:
    """Measure the input of TASKS, or of all."""
    here = Path(__file__).resolve().parents[1]
    made = "1,280 x 960" if large else "640 x 480"
    table = Table(
        "task", "side", "pictures/s and core", "ms in a worker", "ms after", "our ratio",
        title=f"{pictures.name if pictures else made}: files to the network's input",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        prepare(folder, (1280, 960) if large else (640, 480), pictures)
        for task in tasks or tuple(CARDS):
            sides = {"ours": ("pillow", here), "ours, OpenCV": ("opencv", here)}
            if against:
                sides["the other checkout"] = ("today", against.resolve())
            sides["OpenCV and PIL as toolboxes call them"] = ("peer", here)
            Console(stderr=True).print(f"measuring {task} …")
            runs = [{key: side(folder, task, *how) for key, how in sides.items()} for _ in range(TURNS)]
            least = {key: min((run[key] for run in runs), key=lambda spent: sum(spent.values())) for key in sides}
            for key, spent in least.items():
                total = sum(spent.values())
                table.add_row(
                    task if key == "ours" else "", key, f"{1000 / total:,.0f}",
                    f"{spent['worker']:.2f}", f"{spent['after']:.2f}",
                    "" if key == "ours" else f"{total / sum(least['ours'].values()):.2f}x",
                )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
