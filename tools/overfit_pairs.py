"""The engine beside an independent plain loop: what it cannot learn that a page of code can is a fault.

`python -m tools.overfit_pairs [TASK …]` fits the mini pyramid, random at the start, to a few procedural pictures and
tests it on the same ones, once through `humanbench.evaluate` and once in a loop of `tools/plain_loops.py`, which shares
with it the network, the sample tables and the metrics, and nothing else: windows, targets, heads, losses, matching,
rates and decoding are written anew from the papers. Both have the same pictures, input size, batch and number of
iterations. It prints the table of docs/checks.md and ends with 1 where the engine misses a mark or stays behind.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

import humanbench
from humanbench.cards import DatasetCard, load_card
from humanbench.data.samples import load_samples
from humanbench.run_log import RunLog
from humanbench.suites import synthesized
from tools import plain_loops
from tools.overfit import written_twice
from tools.plain_loops import Length

BACKBONE = "mini_pyramid_random"
WHOLE = {
    "optim.name": "adamw", "optim.weight_decay": 0.0, "optim.layer_decay": 1.0, "optim.clip": 1.0,
    "schedule.name": "cosine", "schedule.start": 0.1, "schedule.end": 0.01, "train.drop_path": 0.0, "train.views": 0,
}  # fmt: skip
"""Everything trains at one rate, beside what the task's mini recipe says."""


@dataclass(frozen=True)
class Pair:
    """A task's pictures, what both fits have in common, and the mark that the engine must reach.

    `rows` of the `split` are the pictures; `margin` is how far the engine may stay behind the loop.
    """

    task: str
    dataset: str
    split: str
    rows: int
    metric: str
    mark: float
    margin: float
    size: tuple[int, int]
    length: Length
    loop: Callable[[DatasetCard, pd.DataFrame, tuple[int, int], Length], float]
    settings: Mapping[str, Any]
    lower_is_better: bool = False

    def reached(self, value: float, beside: float) -> bool:
        """Whether the engine's value reaches the mark and keeps up with the loop's."""
        sign = -1 if self.lower_is_better else 1
        return sign * (value - self.mark) > 0 and sign * (value - beside) > -self.margin


PAIRS = (
    Pair(
        "reid", "market1501", "train", 24, "mAP", 95, 3, (64, 32), Length(60, 24, 1e-3), plain_loops.reid,
        {"augment.pad": 0, "augment.flip": 0.0, "augment.erase": 0.0, "optim.backbone_scale": 1.0},
    ),
    Pair(
        "pose", "coco_pose", "val", 6, "AP", 90, 5, (64, 48), Length(250, 6, 2e-3), plain_loops.pose,
        {
            "augment.shift_chance": 0.0, "augment.flip": 0.0, "augment.scale": 0.0, "augment.rotation_chance": 0.0,
            "augment.half_body": 0.0, "test.flip": False, "optim.backbone_scale": 0.5,
        },
    ),
    Pair(
        "parsing", "cihp", "val", 2, "mIoU", 80, 5, (128, 128), Length(250, 2, 3e-3), plain_loops.parsing,
        {"augment.flip": 0.0, "augment.scale": [1.0, 1.0], "head.stride": 2, "optim.backbone_scale": 0.5},
    ),
    Pair(
        "attribute", "pa100k", "train", 32, "mA", 80, 3, (64, 48), Length(60, 32, 2e-3), plain_loops.attribute,
        {"augment.pad": 0, "augment.flip": 0.0, "optim.backbone_scale": 0.5},
    ),
    Pair(
        "detection", "crowdhuman", "val", 4, "AP50", 95, 3, (96, 128), Length(300, 4, 1e-3), plain_loops.detection,
        {"augment.flip": 0.0, "augment.crop": 0.0, "optim.backbone_scale": 0.5},
    ),
    Pair(
        "counting", "shanghaitech_a", "test", 3, "MAE", 10, 4, (96, 128), Length(100, 3, 2e-3), plain_loops.counting,
        {
            "augment.flip": 0.0, "augment.scale": [0.32, 0.32], "augment.crop": [96, 128], "optim.backbone_scale": 0.5,
        },
        lower_is_better=True,
    ),
)  # fmt: skip


def pictures(pair: Pair, root: Path) -> tuple[DatasetCard, pd.DataFrame]:
    """The first rows of a split of the embedded suite, with a label each."""
    card = load_card(pair.dataset)
    table = load_samples(pair.dataset, pair.split, synthesized([card], RunLog(loud=False)))
    if pair.task == "pose":
        table = table[table["num_keypoints"] > 0]
    table = table.head(pair.rows).reset_index(drop=True)
    table.attrs = {}
    written_twice(card, table, root)
    return card, load_samples(card.id, pair.split, root)


def engine(pair: Pair, root: Path) -> float:
    """The metric after `humanbench.evaluate`."""
    length = pair.length
    given = {
        "input.size": list(pair.size), "train.iterations": length.iterations, "train.batch_size": length.batch,
        "optim.lr": length.rate, "schedule.warmup": length.warmup,
    }  # fmt: skip
    (result,) = humanbench.evaluate(
        BACKBONE, "full", pair.dataset, suite="mini", data_root=root, out=root / "run", device="cpu",
        set=WHOLE | given | dict(pair.settings),
    )  # fmt: skip
    if result.status != "done":
        raise RuntimeError(f"{pair.dataset}: {result.reason}")
    return result.metrics[pair.metric].value


def main(words: list[str]) -> None:
    """Print a row per task; end with 1 where a mark is not reached."""
    print("| task | pictures | iterations | engine | plain loop | mark | seconds of each |")
    print("|---|---|---:|---:|---:|---|---:|")
    missed = 0
    for pair in PAIRS:
        if words and pair.task not in words:
            continue
        with TemporaryDirectory() as folder:
            card, table = pictures(pair, Path(folder))
            started = time.process_time()
            value = engine(pair, Path(folder))
            between = time.process_time()
            print(f"{pair.task}: {pair.metric} {value:.1f} by the engine", file=sys.stderr, flush=True)
            beside = pair.loop(card, table, pair.size, pair.length)
            ended = time.process_time()
        missed += not pair.reached(value, beside)
        sign = "<" if pair.lower_is_better else ">"
        print(
            f"| {pair.task} | {len(table)} of `{pair.dataset}` | {pair.length.iterations} | {pair.metric} {value:.1f} "
            f"| {beside:.1f} | {sign} {pair.mark:g} | {between - started:.0f}, {ended - between:.0f} |",
            flush=True,
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
