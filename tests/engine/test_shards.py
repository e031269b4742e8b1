"""Samples and trunk outputs come back from disk as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from humanbench.engine.shards import INDEX, Store, write_shard


def test_samples_and_states_come_back_equal_to_the_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    samples = [
        {
            "image": torch.zeros(3, 4, 4),
            "index": i,
            "boxes": torch.rand(i, 4),
            "name": f"picture {i}",
            "size": (4, 3 + i),
            "matrix": np.eye(2, 3, dtype=np.float32) * i,
            "weight": np.float64(0.1 * i),
            "nothing": None,
            "flags": [True, False],
        }
        for i in range(5)
    ]
    tokens = torch.randn(5, 7, 8).to(torch.bfloat16)
    token = torch.randn(5, 1, 8)
    states = {"plain": [(tokens[:3], token[:3]), (tokens[3:], token[3:])], "flip": [(tokens.flip(0), token)]}
    write_shard(tmp_path / "a.safetensors", [10, 11, 12, 13, 14], samples, states)
    (tmp_path / INDEX).write_text(json.dumps({"input_size": [4, 4]}))
    store = Store(tmp_path)
    assert len(store) == 5
    for i, sample in enumerate(samples):
        stored = store[10 + i]
        assert stored.sample.keys() == sample.keys() - {"image"}
        assert torch.equal(stored.sample["boxes"], sample["boxes"])
        assert stored.sample["matrix"].dtype == np.float32
        assert np.array_equal(stored.sample["matrix"], sample["matrix"])
        for name in ("index", "name", "size", "weight", "nothing", "flags"):
            assert stored.sample[name] == sample[name]
            assert type(stored.sample[name]) is type(sample[name]) or name == "weight"
        assert torch.equal(stored.states["plain"][0], tokens[i])
        assert stored.states["plain"][0].dtype == torch.bfloat16
        assert torch.equal(stored.states["plain"][1], token[i])
        assert torch.equal(stored.states["flip"][0], tokens[4 - i])


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"0\.thing is a set"):
        write_shard(tmp_path / "a.safetensors", [0], [{"image": torch.zeros(3, 1, 1), "thing": {1}}], {})
