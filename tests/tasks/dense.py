"""What tests of the dense heads share: features without a backbone, reference tensors, small pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from humanbench.backbones.features import Features, Preprocessing
from tests.samples import SAMPLES

PARITY = SAMPLES.parent / "parity"
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason=f"no reference tensors of the official heads at {PARITY}")

IDENTITY = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear", (224, 224))
"""Input tensors hold the pixels as they are, 0..1."""


def features(x: Tensor) -> Features:
    """Features whose coarsest map is `x`."""
    return Features((x,))


def backbone(width: int = 8, stride: int = 16) -> Any:
    """What `build_head` asks of a backbone."""
    return SimpleNamespace(width=width, stride=stride)


def official(head: nn.Module, name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """The head in evaluation mode with the official weights under their official names, and the reference tensors."""
    weights = load_file(PARITY / "path_heads_weights.safetensors")
    head.load_state_dict({k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(f"{name}.")})
    return head.eval(), load_file(PARITY / "path_heads_io.safetensors")


def save(path: Path, pixels: np.ndarray) -> str:
    """A PNG file, so that the pixels come back exactly."""
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return str(path)


def check_repeatable(draw: Callable[[int], Any]) -> Any:
    """Of training data by seed (two samples or more): a sample depends on the seed, the epoch and its index alone.

    Returns the data of seed 5, in epoch 1.
    """
    data, again = draw(5), draw(5)
    first, second = data[0], data[1]
    data.set_epoch(1)
    assert same(again[1], second)
    assert same(again[0], first)
    assert not same(data[0], first)
    assert not same(draw(6)[0], first)
    return data


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two samples are equal to the bit."""
    return all(torch.equal(v, other[k]) if isinstance(v, Tensor) else v == other[k] for k, v in one.items())
