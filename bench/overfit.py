"""Whether the dense tasks can learn at all: a tiny network fitted to a few real pictures, and tested on the same ones.

`python -m bench.overfit [NAME …]` prints a line per set of samples (in `HUMANBENCH_SAMPLES`, see tests/samples.py):
COCO, MPII and AI Challenger people, CIHP maps, crowds in ShanghaiTech's format. A pipeline that mixes up coordinates,
classes or sizes anywhere between the file and the score cannot reach these marks.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from humanbench.backbones.features import Features, Preprocessing
from humanbench.cards import DatasetCard, load_card
from humanbench.data.samples import load_samples
from humanbench.metrics import Scores
from humanbench.recipes import Recipe, load_recipe
from humanbench.tasks import task_for
from humanbench.tasks.maps import ChannelNorm
from humanbench.tasks.training import model_for

PREPROCESSING = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", (224, 224))
Tables = Mapping[str, pd.DataFrame]


class TinyNet(nn.Module):
    """A convolutional network of stride 16: four halvings, then two layers; what heads ask of a backbone, no more."""

    stride = 16

    def __init__(self, width: int = 64, stride: int = 16) -> None:
        super().__init__()
        self.width, self.stride = width, stride
        widths = [3]
        while 2 ** (len(widths) - 1) < stride:
            widths.append(min(width, 8 * 2 ** len(widths)))
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, [*widths[1:], width], strict=True):
            down = len(layers) < 3 * (len(widths) - 1)
            layers += [nn.Conv2d(inputs, outputs, 3, 2 if down else 1, 1), ChannelNorm(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Features:
        bottom, right = (-side % self.stride for side in images.shape[-2:])
        x = self.layers(nn.functional.pad(images, (0, right, 0, bottom)))
        return Features((x,))


def fit(
    card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Any, iterations: int, seed: int = 0
) -> tuple[nn.Module, list[float]]:
    """A head fitted together with the backbone, and the loss of each iteration.

    Samples of the recipe's fixed views are kept, so pictures are decoded once per view and not once per epoch.
    """
    task = model_for(card)
    task.check(recipe)
    torch.manual_seed(seed)
    head: Any = task.build_head(card, tables, recipe, backbone)
    data = task.training_data(card, tables, recipe, PREPROCESSING, seed)
    parameters = [*backbone.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, recipe.optim.lr, weight_decay=recipe.optim.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.optim.lr, iterations, pct_start=0.1)
    losses: list[float] = []
    kept: dict[tuple[int, int], Any] = {}
    epoch = 0
    backbone.train()
    head.train()
    while len(losses) < iterations:
        view = epoch % recipe.train.views if recipe.train.views else epoch
        data.set_epoch(view)
        for indices in data.batches(recipe.train.batch_size, seed, epoch):
            draws = [(view, index) for index in indices]
            samples = [kept.get(draw) or data[draw[1]] for draw in draws]
            if recipe.train.views:
                kept.update(zip(draws, samples, strict=True))
            batch = task.collate(samples)
            loss = sum(head.loss(head(backbone(batch["image"]), batch), batch).values())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if len(losses) == iterations:
                break
        epoch += 1
    return head, losses


@torch.no_grad()
def scored(card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Any, head: Any, folder: Path) -> Scores:
    """The score of what is predicted, through the predictions file."""
    task, module = model_for(card), task_for(card)
    data = task.test_data(card, tables, recipe, PREPROCESSING, {})
    backbone.eval()
    head.eval()
    decoded: list[Any] = []
    size = 1 if recipe.input.fit == "as_is" else recipe.train.batch_size
    for start in range(0, len(data), size):
        batch = task.collate([data[i] for i in range(start, min(start + size, len(data)))])
        views = {"plain": batch["image"], "flip": batch["image"].flip(-1)}
        decoded += head.decode([head(backbone(views[v]), batch) for v in task.test_views(recipe)], batch)
    suffix = {"pose": ".json", "counting": ".csv", "parsing": ""}[card.task]
    path = folder / f"predictions{suffix}"
    module.write_predictions(card, tables, task.predictions(card, tables, decoded), path)
    return module.score(card, tables, module.read_predictions(card, tables, path))


@dataclass(frozen=True)
class Pictures:
    """A set of sample pictures: where they are, and the mark that fitting them must reach."""

    name: str
    dataset: str
    split: str
    folder: str
    metric: str
    reached: Callable[[float, pd.DataFrame], bool]
    mark: str
    iterations: int
    settings: Mapping[str, Any]
    stride: int = 16

    def table(self, samples: Path, root: Path) -> pd.DataFrame:
        """The sample table, read through a data root of links."""
        (root / self.dataset).symlink_to(samples / self.folder, target_is_directory=True)
        table = load_samples(self.dataset, self.split, root)
        if "headbox" in table:  # the sample has none; head size = upper neck to head top
            table["headbox"] = [_head(keypoints) for keypoints in table["keypoints"]]
        return table


def _head(keypoints: Any) -> Any:
    """A head box whose size as PCKh takes it (0.6 times the diagonal) is the distance from upper neck to head top."""
    neck, top = keypoints[8, :2], keypoints[9, :2]
    return [neck, neck + (top - neck) / 0.6]


PLAIN = {"train.batch_size": 8, "train.views": 6, "optim.lr": 2e-3, "optim.weight_decay": 0.0}
POSE = PLAIN | {
    "augment.shift_chance": 0.0, "augment.flip": 0.5, "augment.half_body": 0.0, "augment.scale": 0.0,
    "augment.rotation_chance": 0.0, "head.channels": 64, "train.batch_size": 16, "input.size": [192, 144],
}  # fmt: skip
SETS = (
    Pictures("COCO", "coco_pose", "val", "COCO", "AP", lambda v, _: v > 90, "AP > 90", 800, POSE),
    Pictures("MPII", "mpii", "val", "MPII", "PCKh@0.5", lambda v, _: v > 95, "PCKh > 95", 200, POSE),
    Pictures(
        "AIC", "aic", "val", "AIC", "AP", lambda v, _: v > 90, "AP > 90", 1400,
        POSE | {"optim.lr": 4e-3},  # its similarity is several times stricter than that of COCO
    ),
    Pictures(
        "CIHP", "cihp", "val", "CIHP", "mIoU", lambda v, _: v > 80, "mIoU > 80", 450,
        PLAIN | {"input.size": [240, 240], "augment.scale": [1.0, 1.0], "head.channels": 64, "train.batch_size": 5},
        stride=8,
    ),
    Pictures(
        "ShanghaiTech form", "shanghaitech_b", "test", "ShanghaiTech-format_IndianMini", "MAE",
        lambda v, table: v < 0.1 * table["count"].mean(), "MAE < 10 % of the mean count", 300,
        # Pictures are 1024 x 768, and are shown whole at three eighths of that.
        PLAIN | {"input.size": [288, 384], "augment.crop": [288, 384], "augment.scale": [0.375, 0.375],
                 "head.channels": 64},
    ),
)  # fmt: skip


def run(pictures: Pictures, samples: Path) -> tuple[float, bool, float]:
    """The metric, whether it reaches the mark, and seconds."""
    card = load_card(pictures.dataset)
    recipe = load_recipe(card, "full", overrides=pictures.settings)
    with TemporaryDirectory() as folder:
        tables = {pictures.split: pictures.table(samples, Path(folder))}
        started = time.perf_counter()
        torch.manual_seed(0)
        backbone = TinyNet(stride=pictures.stride)
        head, _ = fit(card, tables, recipe, backbone, pictures.iterations)
        value = scored(card, tables, recipe, backbone, head, Path(folder))[pictures.metric]
        return value, pictures.reached(value, tables[pictures.split]), time.perf_counter() - started


def main(words: list[str]) -> None:
    """Print a line per set; end with 1 where a mark is not reached."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "samples"
    samples = Path(os.environ.get("HUMANBENCH_SAMPLES") or beside)
    missed = 0
    for pictures in SETS:
        if words and not any(word.lower() in pictures.name.lower() for word in words):
            continue
        value, reached, seconds = run(pictures, samples)
        missed += not reached
        print(
            f"{pictures.name:18} {pictures.metric} {value:.2f} after {pictures.iterations} iterations in "
            f"{seconds:.0f} s: {pictures.mark} {'reached' if reached else 'MISSED'}",
            flush=True,
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
