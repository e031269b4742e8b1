"""Batch normalisation that also takes a batch of one."""

from __future__ import annotations

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
