"""What cells cost, in words: for `eval --dry-run` and `plan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from humanbench.cli.options import FiniteRange

if TYPE_CHECKING:
    from humanbench.evaluation.estimate import CostEstimate


def cost(cell: CostEstimate) -> str:
    """An estimate in a line."""
    source = " by the card" if cell.counts == "card" else ""
    parts = [
        f"{cell.name}: {cell.train_images:,} training and {cell.test_images:,} test images{source}",
        f"{cell.iterations:,} iterations ({cell.epochs:,} epochs)",
        f"{cell.trainable:,} of {cell.trainable + cell.frozen:,} parameters train",
        f"{cell.gflops:.2f} GFLOPs an image, {cell.training_gflops:.2f} in training, "
        f"{cell.total_tflops:,.1f} TFLOPs in all",
        f"{cell.memory_gb:.1f} GB a process, {cell.disk_gb:.1f} GB on disk",
    ]
    if cell.trunk_gb:
        parts[-1] += f", of them {cell.trunk_gb:.1f} GB of stored trunk outputs"
    return "; ".join([*parts, f"{cell.hours:.2f} hours at {cell.tflops_per_second:.3g} TFLOP/s"])


def table(estimates: Sequence[CostEstimate]) -> str:
    """A row per cell, and the sum: of memory the most that a cell takes, of all else the total."""
    from io import StringIO

    from rich.console import Console

    from humanbench.cli.tables import plain_table

    numbers = ["train", "test", "iterations", "trains M", "of M", "GFLOPs", "TFLOPs", "GB", "disk GB", "hours"]
    shown = plain_table(["cell"], numbers)
    for column in shown.columns:
        column.no_wrap = True
    for e in estimates:
        shown.add_row(
            e.name + "*" * (e.counts == "card"),
            *_counts(e.train_images, e.test_images, e.iterations),
            f"{e.trainable / 1e6:.1f}",
            f"{(e.trainable + e.frozen) / 1e6:.1f}",
            f"{e.gflops:.1f}",
            *_amounts(e.total_tflops, e.memory_gb, e.disk_gb, e.hours),
        )
    if len(estimates) > 1:
        images = [sum(e.train_images for e in estimates), sum(e.test_images for e in estimates)]
        sums = [sum(getattr(e, name) for e in estimates) for name in ("total_tflops", "disk_gb", "hours")]
        shown.add_section()
        shown.add_row(
            f"{len(estimates)} cells",
            *_counts(*images, sum(e.iterations for e in estimates)),
            f"{sum(e.trainable for e in estimates) / 1e6:.1f}", "", "",
            *_amounts(sums[0], max(e.memory_gb for e in estimates), sums[1], sums[2]),
            style="bold",
        )  # fmt: skip
    file = StringIO()
    width = max(len(e.name) for e in estimates) + 100 if estimates else 100
    Console(file=file, width=width).print(shown)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _counts(*numbers: int) -> list[str]:
    return [f"{number:,}" for number in numbers]


def _amounts(*numbers: float) -> list[str]:
    return [f"{number:,.0f}" if number >= 100 else f"{number:.2f}" for number in numbers]


def total(estimates: Sequence[CostEstimate]) -> str:
    """What the numbers of the table are, in a few lines."""
    if not estimates:
        return "no cell"
    rates = sorted({round(e.tflops_per_second, 4) for e in estimates})
    rate = " to ".join(f"{r:.3g}" for r in dict.fromkeys((rates[0], rates[-1])))
    hours = sum(e.hours for e in estimates)
    number = f"{len(estimates)} cell{'s' * (len(estimates) != 1)}"
    lines = [
        f"{number}: {hours:,.1f} hours on a device that sustains {rate} TFLOP/s (--rate), "
        f"{max(e.memory_gb for e in estimates):,.1f} GB a process at most, "
        f"{sum(e.disk_gb for e in estimates):,.1f} GB on disk, "
        f"{sum(e.trainable for e in estimates) / 1e6:,.1f} M parameters to train in all"
    ]
    if any(e.counts == "card" for e in estimates):
        lines.append("* not on disk: pictures are counted by the dataset's card, their size is the recipe's")
    return "\n".join(lines)


class TflopsOrMeasured(FiniteRange):
    """A number of TFLOP/s above 0, or `measured`, which is None."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is None or value == MEASURED:
            return None
        return super().convert(value, param, ctx)


MEASURED = "measured"

rate_option: Callable[[Any], Any] = click.option(
    "--rate", type=TflopsOrMeasured(), default="20", show_default=True, metavar=f"TFLOPS|{MEASURED}",
    help="What hours are given for: operations a second (10^12) of the device, or those of a forward of each cell's "
    "network on this one.",
)  # fmt: skip
