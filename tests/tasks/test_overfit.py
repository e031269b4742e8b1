"""A tiny network fits a handful of procedural pictures, and the score of the same pictures says so.

What mixes up coordinates, classes or sizes anywhere between the file and the score cannot reach these marks, which
leave room for another seed or processor.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from bench.overfit import TinyNet, fit, scored
from humanbench.cards import load_card
from humanbench.data.mannequin.suite import synthesize
from humanbench.data.samples import load_samples
from humanbench.metrics import Scores
from humanbench.recipes import load_recipe

PLAIN = {"train.views": 1, "optim.lr": 4e-3, "optim.weight_decay": 0.0, "head.channels": 32, "train.batch_size": 8}
STILL = {
    "augment.shift_chance": 0.0, "augment.flip": 0.0, "augment.half_body": 0.0, "augment.scale": 0.0,
    "augment.rotation_chance": 0.0, "test.flip": False, "input.size": [96, 72],
}  # fmt: skip


def fitted(name: str, split: str, tmp_path: Path, rows: int, iterations: int, stride: int, **more: Any) -> Scores:
    """The score after fitting the first rows of a procedural copy and testing on them."""
    card = load_card(name)
    with ThreadPoolExecutor(1) as pool:
        synthesize(card, tmp_path, pool, scale=0.05)
    table = load_samples(name, split, tmp_path)
    attributes = table.attrs
    table = table.head(rows)
    table.attrs = (
        attributes | {"image_ids": list(dict.fromkeys(table["image_id"]))} if "image_id" in table else attributes
    )
    recipe = load_recipe(card, "full", "mini", overrides=PLAIN | more)
    torch.manual_seed(0)
    backbone = TinyNet(32, stride)
    head, losses = fit(card, {split: table}, recipe, backbone, iterations)
    assert losses[-1] < losses[0] / 3
    return scored(card, {split: table}, recipe, backbone, head, tmp_path)


def test_pose_of_given_people(tmp_path: Path) -> None:
    scores = fitted("mpii", "val", tmp_path, 6, 160, 16, **STILL)
    assert scores["PCKh@0.5"] > 80


def test_pose_of_found_people(tmp_path: Path) -> None:
    scores = fitted("coco_pose", "val", tmp_path, 6, 320, 8, **STILL)
    assert scores["AP"] > 80


def test_parsing(tmp_path: Path) -> None:
    still = {"augment.flip": 0.0, "augment.scale": [1.0, 1.0], "head.norm": "layer"}
    scores = fitted("lip", "val", tmp_path, 3, 120, 8, **still)
    assert scores["pACC"] > 91  # all background: 82


def test_counting(tmp_path: Path) -> None:
    still = {"augment.flip": 0.0, "augment.scale": [0.4, 0.4], "augment.crop": [120, 160], "input.size": [120, 160]}
    scores = fitted("shanghaitech_b", "test", tmp_path, 4, 200, 8, **still)
    assert scores["MAE"] < 8  # their mean for each of them: 15
