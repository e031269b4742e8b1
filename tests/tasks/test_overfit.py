"""A tiny network fits a handful of procedural pictures, and the score of the same pictures says so.

What mixes up coordinates, classes or sizes anywhere between the file and the score cannot reach these marks, which
leave room for another seed or processor.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from humanbench.cards import load_card
from humanbench.data.mannequin.suite import synthesize
from humanbench.data.samples import load_samples
from tools.overfit import overfitted, tiny, written_twice

PLAIN = {"optim.lr": 4e-3, "head.channels": 32, "train.batch_size": 8}
STILL = {
    "augment.shift_chance": 0.0, "augment.flip": 0.0, "augment.half_body": 0.0, "augment.scale": 0.0,
    "augment.rotation_chance": 0.0, "test.flip": False, "input.size": [96, 72],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))


def fitted(
    name: str, split: str, tmp_path: Path, rows: int, iterations: int, stride: int, **more: Any
) -> dict[str, float]:
    """The metrics after finetuning on the first rows of a procedural copy and testing on them."""
    card = load_card(name)
    with ThreadPoolExecutor(1) as pool:
        synthesize(card, tmp_path / "whole", pool, scale=0.05)
    table = load_samples(name, split, tmp_path / "whole").head(rows)
    table.attrs = {}
    written_twice(card, table, tmp_path / "twice")
    result = overfitted(tiny(32, stride), card, tmp_path / "twice", iterations, PLAIN | more, "mini")
    assert result.history[-1]["loss"] < result.history[0]["loss"] / 3
    return {metric: found.value for metric, found in result.metrics.items()}


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
