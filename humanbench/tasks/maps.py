"""Layers that heads share. Those on feature maps make any backbone's map one of the recipe's stride.

A map of stride s has a cell per s x s pixels of the network's input. The backbone pads its input right and bottom with
zeros up to a multiple of its own stride, so a map may cover more than the picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class _OfOneToo(nn.modules.batchnorm._BatchNorm):
    """In training a batch of one value a channel is normalised by the running statistics, which stay as they are.

    One value a channel has no spread, so torch refuses it: with a batch size of 1, where the last batch of an epoch has
    one sample left, or where a process of several gets one.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and x.numel() == x.shape[1]):
            return super().forward(x)
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class BatchNorm1d(_OfOneToo, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` that takes a batch of one."""


class BatchNorm2d(_OfOneToo, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` that takes a single map of one cell."""


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of an N x C x H x W map, at each place by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def doublings(stride: int, wanted: int) -> int:
    """How often a map of `stride` must be doubled until its stride is at most `wanted`.

    >>> [doublings(s, 4) for s in (4, 8, 14, 16, 32)]
    [0, 1, 2, 2, 3]
    """
    return max(0, math.ceil(math.log2(stride / wanted)))


def cells(input_size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Rows and columns of a map of this stride that covers the picture.

    >>> cells((96, 70), 4)
    (24, 18)
    """
    return math.ceil(input_size[0] / stride), math.ceil(input_size[1] / stride)


def cover(x: Tensor, stride: float, wanted: int, input_size: tuple[int, int]) -> Tensor:
    """The part of a map of `stride` that covers the picture, as a map of stride `wanted`.

    Equal strides only cut off the padding; others (patches of 14 pixels) are resampled bilinearly, cell centre by cell
    centre, so that a place in the result is the same place in the picture.
    """
    rows, columns = cells(input_size, wanted)
    if stride == wanted:
        return x[..., :rows, :columns]
    across = columns * wanted / (x.shape[-1] * stride)
    down = rows * wanted / (x.shape[-2] * stride)
    theta = x.new_tensor([[across, 0.0, across - 1.0], [0.0, down, down - 1.0]])
    places = functional.affine_grid(theta.expand(len(x), 2, 3), [len(x), 1, rows, columns], align_corners=False)
    return functional.grid_sample(x, places, mode="bilinear", padding_mode="border", align_corners=False)


def blurred(x: Tensor, kernel: int) -> Tensor:
    """N x C x H x W maps under a Gaussian of `kernel` cells (odd), zeros outside.

    The standard deviation that goes with a kernel is OpenCV's: 0.3 * ((kernel - 1) / 2 - 1) + 0.8, so 11 gives 2.
    """
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    place = torch.arange(kernel, dtype=x.dtype, device=x.device) - (kernel - 1) / 2
    weights = torch.exp(-(place**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(x.shape[1], 1, kernel)
    half = kernel // 2
    x = functional.conv2d(x, weights[:, :, :, None], padding=(half, 0), groups=x.shape[1])
    return functional.conv2d(x, weights[:, :, None, :], padding=(0, half), groups=x.shape[1])
