"""Batch normalisation that also takes a batch of one."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def _normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """By the running statistics, which stay as they are."""
    return functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


class BatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d`, but in training a batch of one is normalised by the running statistics.

    One value a channel has no spread, so torch refuses it: with a batch size of 1, where the last batch of an epoch has
    one sample left, or where a process of several gets one.
    """

    def forward(self, x: Tensor) -> Tensor:
        alone = self.training and x.numel() == x.shape[1]
        return _normalised(self, x) if alone else super().forward(x)


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` in the same way, for a single map of one cell."""

    def forward(self, x: Tensor) -> Tensor:
        alone = self.training and x.numel() == x.shape[1]
        return _normalised(self, x) if alone else super().forward(x)
