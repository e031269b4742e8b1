"""From pictures to the board with the task of this package, in a process where the package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import humanbench
from humanbench.cli import main
from humanbench.suites import embedded_root

ARCHITECTURE = {"embed_dim": 16, "depth": 3, "num_heads": 2, "patch_size": 16, "img_size": 32}
REGIMES = ("full", "partial", "head", "none")
SMALL = {"input.size": [32, 32], "train.epochs": 2}


def evaluate(out: Path, regime: str, **architecture: int) -> None:
    """A tiny transformer with random weights on the embedded suite."""
    overrides = SMALL if regime != "none" else {"input.size": [32, 32]}
    results = humanbench.evaluate(
        "vit", regime, suite="mini", datasets="street_heads", set=overrides, out=out, device="cpu",
        architecture=ARCHITECTURE | architecture, workers=0,
    )  # fmt: skip
    assert not results.failed, [result.reason for result in results]


def commands(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Every command by the name of what it shows."""
    data, run, other = ("--data-root", embedded_root()), folder / "run", folder / "other"
    store, site = ("--submissions", folder / "store"), folder / "site"
    dataset = "street_heads"
    (predictions,) = (run / "predictions").glob("street_heads-head-*.csv")
    return {
        "list": ("datasets", "list", "--task", "heading", "--json"),
        "show": ("datasets", "show", dataset),
        "verify": ("datasets", "verify", dataset, *data, "--every", 1, "--json"),
        "preview": ("datasets", "preview", dataset, *data, "--out", folder),
        "score": ("score", dataset, "--predictions", predictions, *data, "--json"),
        "compare": ("compare", run, other, *data, "--json"),
        "submit": ("submit", run, "--out", folder / "run.zip", *data),
        "accept": ("leaderboard", "accept", folder / "run.zip", *store, *data, "--json"),
        "build": ("leaderboard", "build", other, *store, "--out", site),
        "markdown": ("export", run, "--format", "markdown"),
        "latex": ("export", run, "--format", "latex"),
        "csv": ("export", run, "--format", "csv"),
        "model-card": ("export", run, "--format", "model-card"),
        "slip": ("eval", "--backbone", "vit", "--suite", "mini", "--datasets", dataset, "--set", "loss.smoothin=0"),
    }  # fmt: skip


def command(*words: Any) -> Result:
    """One command in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


def walk(folder: Path) -> dict[str, Result]:
    """The whole way; runs and pages stay in the folder, what every command said is returned."""
    for regime in REGIMES:
        evaluate(folder / "run", regime)
    evaluate(folder / "other", "head", depth=2)
    return {name: command(*words) for name, words in commands(folder).items()}
