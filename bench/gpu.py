"""`python -m bench.gpu`: training of the size of the paper on one GPU; images per second, and what they wait for.

Two rows: pose of ViT-B, `partial`, and parsing of ViT-B, `full`, at the input, batch and precision of the recipes, by
the engine's own fit. Each is run twice: with pictures read from JPEG files by worker processes, and with one batch over
and over, which nothing has to be read for. What the first takes longer is time that the network waits for its input.
The operations of a step are counted by torch and set against the rate of large matrix products on the same card.

Takes some minutes. On a machine without a GPU, `--device cpu` with a small `--backbone` and `--batch` tries it out.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from rich.console import Console
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.input_side import table
from bench.inputs import prepare
from humanbench import load_backbone
from humanbench.cards import load_card
from humanbench.data.collate import normalised
from humanbench.engine.batches import TrainingBatches, with_input_size
from humanbench.engine.context import CellSpec
from humanbench.engine.devices import accelerator_for, rank_of
from humanbench.engine.finetune import Finetune
from humanbench.engine.fit import Fit
from humanbench.engine.prepared import network_of, training_data
from humanbench.recipes import load_recipe
from humanbench.run_log import RunLog
from humanbench.tasks.training import Batch, training_of

ROWS = (("pose", "coco_pose", "partial"), ("parsing", "cihp", "full"))
_MATRIX = {"cuda": 8192, "cpu": 1024}
"""Rows of the square matrices whose product says what the device can do."""


@dataclass
class Spent:
    """Seconds of the steps that count."""

    began: float = 0.0
    seconds: float = 0.0


class Timed(TrainingBatches):
    """Batches of which the first `warm` do not count; with `same`, the first one in place of all."""

    def __init__(self, *given: Any, warm: int, steps: int, same: bool, device: torch.device, **named: Any) -> None:
        super().__init__(*given, **named)
        self._warm, self._steps, self._same, self._device = warm, steps, same, device
        self.spent = Spent()

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of a measurement, which is one epoch."""
        batches = super().epoch(epoch)
        first = next(batches)
        for number in range(self._warm + self._steps):
            if number == self._warm:
                synchronise(self._device)
                self.spent.began = time.perf_counter()
            yield first if self._same or not number else next(batches)
        synchronise(self._device)
        self.spent.seconds = time.perf_counter() - self.spent.began


def synchronise(device: torch.device) -> None:
    """Wait until all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of products of large square matrices, a multiply-add as two."""
    size = _MATRIX[device.type]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    synchronise(device)
    start = time.perf_counter()
    for _ in range(20):
        a @ b
    synchronise(device)
    return 20 * 2 * size**3 / (time.perf_counter() - start)


def operations(accelerator: Accelerator, model: Finetune, batch: Batch) -> int:
    """Of a step, forward and backward, without the optimiser's."""
    model.to(accelerator.device).train()
    moved = normalised(send_to_device(batch, accelerator.device), model.backbone.preprocessing)
    # torch does not count the fused attention of processors; the plain one is counted everywhere.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        with accelerator.autocast():
            losses = model(moved)
        torch.stack([value.float() for value in losses.values()]).sum().backward()
    model.zero_grad()
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class Measured:
    """Images and operations per second of a training, and the share of its time that it waits for pictures."""

    images: float
    operations: float
    waiting: float
    precision: str
    batch: int


def measure(
    folder: Path, row: tuple[str, str, str], backbone: str, device: str, batch: int | None, steps: int, workers: int
) -> Measured:
    """Train by a row, with pictures and without."""
    task, dataset, regime = row
    card, warm = load_card(dataset), max(1, steps // 4)
    own = {} if batch is None else {"train.batch_size": batch}
    precision = {"train.amp": "no"} if device == "cpu" else {}
    asked = {"train.iterations": warm + steps, "schedule.warmup": 0}
    recipe = load_recipe(card, regime, overrides=asked | own | precision)
    files = sorted(folder.glob("*.jpg"))
    needed = (warm + steps + 1) * recipe.train.batch_size
    rows = {"train": table(card, task, [files[number % len(files)] for number in range(needed)])}
    spec = CellSpec(card, recipe, 0)
    accelerator = accelerator_for(device, recipe.train.amp)
    seconds = {}
    for same in (False, True):
        model = network_of(load_backbone(backbone), spec, rows)
        data = training_data(spec, rows, model)
        batches = Timed(
            data, recipe, 0, rank_of(accelerator), training_of(card).collate, workers, device != "cpu",
            warm=warm, steps=steps, same=same, device=accelerator.device,
        )  # fmt: skip
        model.to(accelerator.device)
        Fit(accelerator, model, recipe, 0, batches, RunLog(loud=False), folder / f"{task}-{same}.pt", task).run()
        seconds[same] = batches.spent.seconds
    one = with_input_size(training_of(card).collate([data[index] for index in range(recipe.train.batch_size)]))
    counted = operations(accelerator, model, one)
    spent = seconds[False]
    return Measured(
        images=steps * recipe.train.batch_size / spent,
        operations=counted * steps / spent,
        waiting=max(0.0, 1 - seconds[True] / spent),
        precision=recipe.train.amp,
        batch=recipe.train.batch_size,
    )


@click.command()
@click.option("--device", default="cuda", show_default=True)
@click.option("--backbone", default="random:vit_base_patch16_224", show_default=True)
@click.option("--batch", type=int, help="In place of the recipes'.")
@click.option("--steps", default=60, show_default=True, help="Steps that count, after a quarter that do not.")
@click.option("--workers", default=8, show_default=True, help="Processes that read pictures.")
def main(device: str, backbone: str, batch: int | None, steps: int, workers: int) -> None:
    """Measure training on one GPU."""
    if device != "cpu" and not torch.cuda.is_available():
        raise click.ClickException("torch finds no GPU here; --device cpu with a small --backbone tries this out")
    shown = Table(
        "training", "precision", "batch", "images/s", "TFLOPs/s", "of the matmul rate", "waiting for pictures",
        title=f"{backbone} on {torch.cuda.get_device_name() if device != 'cpu' else 'cpu'}",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        prepare(folder, (640, 480), None)
        for row in ROWS:
            Console(stderr=True).print(f"measuring {row[0]} {row[2]} …")
            found = measure(folder, row, backbone, device, batch, steps, workers)
            dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(found.precision, torch.float32)
            rate = matmul_rate(torch.device(device), dtype)
            shares = [f"{100 * share:.0f} %" for share in (found.operations / rate, found.waiting)]
            speeds = f"{found.images:,.1f}", f"{found.operations / 1e12:.2f}"
            shown.add_row(f"{row[0]}, {row[2]}", found.precision, str(found.batch), *speeds, *shares)
    Console(width=140).print(shown)


if __name__ == "__main__":
    main()
