"""Pictures on the fly are those on disk, whoever draws them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset

from humanbench.cards import load_card
from humanbench.data.mannequin import suite
from humanbench.data.mannequin.plans import plan
from humanbench.data.mannequin.shots import world_of
from humanbench.data.mannequin.stream import MannequinStream
from humanbench.errors import CardError, WithheldError

EXAMPLES = ("market1501", "pa100k", "cihp", "coco_pose", "crowdhuman", "shanghaitech_b")


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(torch.as_tensor(v), torch.as_tensor(other[k])) for k, v in one.items()
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_first_pictures_are_those_that_are_written(name: str, tmp_path: Any) -> None:
    card = load_card(name)
    world = world_of(card, 0)
    split = "train"
    shots = plan(card, world, 1.0)[split][2:4]
    taken = suite._shoot_all(name, world, shots, tmp_path)
    stream = MannequinStream(name, split)
    for position, shot in enumerate(shots, start=2):
        with Image.open(taken[shot.number].path) as picture:
            np.testing.assert_array_equal(stream[position]["image"].permute(1, 2, 0).numpy(), np.asarray(picture))
        for column, value in stream[position].items():
            if column in ("image", "attributes"):
                continue
            rows = [row[column] for row in taken[shot.number].rows]
            said = rows if card.task in ("pose", "attribute") else rows[0]
            np.testing.assert_array_equal(np.asarray(value), np.asarray(said).reshape(np.shape(value)))


@pytest.mark.parametrize("name", ["market1501", "coco_pose"])
def test_a_longer_stream_goes_on_with_others(name: str) -> None:
    card = load_card(name)
    short = MannequinStream(name, "train", seed=4)
    n = len(short)
    longer = MannequinStream(name, "train", length=3 * n, seed=4)
    assert len(longer) == 3 * n
    assert same(longer[5], short[5])
    assert same(longer[-1], longer[3 * n - 1])
    pictures = [longer[i]["image"] for i in (5, n + 5, 2 * n + 5)]
    assert not any(a.shape == b.shape and torch.equal(a, b) for a, b in ((pictures[0], pictures[1]), pictures[1:]))
    if name == "market1501":
        everybody = {s.pid for listed in plan(card, world_of(card, 4), 1.0).values() for s in listed}
        assert not {longer[i]["pid"] for i in range(n, n + 10)} & everybody
        assert longer[n]["pid"] == longer[n + 1]["pid"]
    with pytest.raises(IndexError):
        short[n]


def test_workers_and_pickling_change_nothing() -> None:
    stream = Subset(MannequinStream("pa100k", "test", length=10**6), [0, 7, 999_999])
    alone = list(DataLoader(stream, batch_size=None))
    spread = list(DataLoader(pickle.loads(pickle.dumps(stream)), batch_size=None, num_workers=2))
    assert len(alone) == 3
    assert all(same(a, b) for a, b in zip(alone, spread, strict=True))


def test_splits_that_are_not_there() -> None:
    with pytest.raises(CardError, match="has no split 'tests'"):
        MannequinStream("pa100k", "tests")
    with pytest.raises(WithheldError, match="not public"):
        MannequinStream("mpii", "test")


def test_only_the_stream_needs_torch() -> None:
    code = "import sys, humanbench.data.mannequin.suite; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
