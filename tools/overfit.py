"""Whether the dense tasks can learn at all: a tiny network fitted to a few real pictures, and tested on the same ones.

`python -m tools.overfit [NAME …]` prints a line per set of samples (in `HUMANBENCH_SAMPLES`, see tests/samples.py):
COCO, MPII and AI Challenger people, CIHP maps, crowds in ShanghaiTech's format. Each is read in its official form,
written in it once more with the same pictures for training and testing, and goes through `humanbench.evaluate`. A
pipeline that mixes up coordinates, classes or sizes anywhere between the file and the score cannot reach these marks.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

import humanbench
from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import Preprocessing
from humanbench.backbones.grouped_forward import find_forward
from humanbench.backbones.weights import tensors_sha256
from humanbench.cards import DatasetCard, load_card
from humanbench.data.labels import load_label
from humanbench.data.samples import load_samples
from humanbench.data.writers import writer_for
from humanbench.results import Result
from humanbench.suites import Suite
from humanbench.tasks.maps import ChannelNorm

SIZE = 224, 224
PREPROCESSING = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", SIZE)


class TinyNet(nn.Module):
    """A convolutional network that halves its maps until `stride`, then two layers."""

    def __init__(self, width: int = 64, stride: int = 16) -> None:
        super().__init__()
        widths = [3]
        while 2 ** (len(widths) - 1) < stride:
            widths.append(min(width, 8 * 2 ** len(widths)))
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, [*widths[1:], width], strict=True):
            down = len(layers) < 3 * (len(widths) - 1)
            layers += [nn.Conv2d(inputs, outputs, 3, 2 if down else 1, 1), ChannelNorm(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward_features(self, images: Tensor) -> Tensor:
        """Maps N x C x h x w of N x 3 x H x W."""
        maps: Tensor = self.layers(images)
        return maps

    forward = forward_features


def tiny(width: int = 64, stride: int = 16, seed: int = 0) -> Backbone:
    """The tiny network at random, as a backbone."""
    torch.manual_seed(seed)
    trunk = TinyNet(width, stride)
    digest = tensors_sha256(trunk.state_dict())
    return Backbone(
        trunk, find_forward(trunk, SIZE), PREPROCESSING, name="tiny", pretrained_on=(), weights_sha256=digest
    )


def written_twice(card: DatasetCard, table: pd.DataFrame, data_root: Path) -> None:
    """The pictures of a table as a dataset in official form, whose training and test split they both are."""
    assert card.evaluation is not None
    table = table.copy()
    if "size" not in table:
        table["size"] = [Image.open(path).size for path in table["image"]]
    if card.task == "parsing":
        table["label"] = [load_label(card, label) for label in table["label"]]
    root = data_root / card.id / card.reader.roots[0]
    root.mkdir(parents=True)
    splits = (*card.evaluation.train, *card.evaluation.test)
    writer_for(card).write(card, root, dict.fromkeys(splits, table), _copy)


def _copy(image: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, to)


def overfitted(
    backbone: Backbone,
    card: DatasetCard,
    data_root: Path,
    iterations: int,
    settings: Mapping[str, Any],
    suite: Suite = "humanbench-v1",
) -> Result:
    """The result of finetuning everything on a dataset that was `written_twice`; the run lies beside the data."""
    whole = {
        "optim.name": "adamw", "optim.weight_decay": 0.0, "optim.layer_decay": 1.0, "optim.backbone_scale": 1.0,
        "schedule.name": "cosine", "schedule.warmup": iterations // 10, "schedule.start": 0.04, "schedule.end": 0.0,
        "train.iterations": iterations, "train.drop_path": 0.0, "train.views": 0, "train.amp": "no", "train.ema": 0.0,
    }  # fmt: skip
    (result,) = humanbench.evaluate(
        backbone, "full", card.id, suite=suite, data_root=data_root, out=data_root / "run", device="cpu",
        set=whole | dict(settings),
    )  # fmt: skip
    if result.status != "done":
        raise RuntimeError(f"{card.id}: {result.reason}")
    return result


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


PLAIN = {"train.batch_size": 8, "optim.lr": 2e-3}
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
    with TemporaryDirectory() as links, TemporaryDirectory() as root:
        table = pictures.table(samples, Path(links))
        written_twice(card, table, Path(root))
        started = time.perf_counter()
        result = overfitted(tiny(stride=pictures.stride), card, Path(root), pictures.iterations, pictures.settings)
        value = result.metrics[pictures.metric].value
        return value, pictures.reached(value, table), time.perf_counter() - started


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
