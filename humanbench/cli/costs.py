"""What cells cost, in words: for `eval --dry-run` and `plan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from humanbench.evaluation.estimate import CostEstimate


def cost(estimated: CostEstimate) -> str:
    """An estimate in a line."""
    e = estimated
    parts = [
        f"{e.name}: {e.train_images:,} training and {e.test_images:,} test images{_by_card(e)}",
        f"{e.iterations:,} iterations ({e.epochs:,} epochs)",
        f"{e.trainable:,} of {e.trainable + e.frozen:,} parameters train",
        f"{e.gflops:.2f} GFLOPs an image, {e.training_gflops:.2f} in training, {e.total_tflops:,.1f} TFLOPs in all",
        f"{e.memory_gb:.1f} GB a process",
    ]
    return "; ".join(parts + ([f"{e.trunk_gb:.1f} GB of trunk outputs to store"] if e.trunk_gb else []))


def _by_card(estimated: CostEstimate) -> str:
    return " by the card" if estimated.counts == "card" else ""


def table(estimates: Sequence[CostEstimate]) -> None:
    """Print a row per cell."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("cell", no_wrap=True)
    for column in ("train", "test", "iterations", "trains M", "of M", "GFLOPs", "GB", "hours"):
        shown.add_column(column, justify="right", no_wrap=True)
    for e in estimates:
        shown.add_row(
            e.name + "*" * (e.counts == "card"),
            f"{e.train_images:,}",
            f"{e.test_images:,}",
            f"{e.iterations:,}",
            f"{e.trainable / 1e6:.1f}",
            f"{(e.trainable + e.frozen) / 1e6:.1f}",
            f"{e.gflops:.1f}",
            f"{e.memory_gb:.1f}",
            f"{e.hours:.2f}",
        )
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(shown)


def total(estimates: Sequence[CostEstimate]) -> str:
    """The sum over all cells, and what the numbers are, in a few lines."""
    from humanbench.evaluation.estimate import DEVICE_TFLOPS

    if not estimates:
        return "no cell"
    hours, trunks = sum(e.hours for e in estimates), sum(e.trunk_gb for e in estimates)
    lines = [
        f"{len(estimates)} cells: {hours:,.1f} hours on a device that sustains {DEVICE_TFLOPS:g} TFLOP/s, "
        f"{max(e.memory_gb for e in estimates):,.1f} GB a process at most, {trunks:,.1f} GB of trunk outputs to store, "
        f"{sum(e.trainable for e in estimates) / 1e6:,.1f} M parameters to train in all"
    ]
    if any(e.counts == "card" for e in estimates):
        lines.append("* not on disk: pictures are counted by the dataset's card, their size is the recipe's")
    return "\n".join(lines)
