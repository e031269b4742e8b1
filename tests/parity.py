"""What tests against the reference outputs of released networks share."""

from __future__ import annotations

import torch
from torch import Tensor


def error(a: Tensor, b: Tensor) -> float:
    """The largest difference between two tensors of one shape."""
    assert a.shape == b.shape
    return float((a - b).abs().max())


def normalised(image: Tensor) -> Tensor:
    """PATH's inputs are 0..255 RGB; it normalises by ImageNet's mean and deviation."""
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    return (image - mean) / torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
