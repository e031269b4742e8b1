"""The counting head: a density map whose sum is the count.

No head was published with the benchmark's counting results, so this is the field's plain standard: convolutions on the
backbone's map to a density map of stride 8 (as MCNN's quarter and CSRNet's eighth: Li et al., "CSRNet: Dilated
Convolutional Neural Networks for Understanding the Highly Congested Scenes", CVPR 2018), a square error against the
ground truth's density as in both, and the difference of the counts beside it (the counting loss of DM-Count: Wang et
al., "Distribution Matching for Crowd Counting", NeurIPS 2020). Densities are small numbers and are multiplied with 100
(C-3-Framework).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import FeatureLevel, Features
from humanbench.tasks.counting.options import CountingHeadOptions, CountingLossOptions
from humanbench.tasks.maps import cells, cover, doublings
from humanbench.tasks.pooling import Pool
from humanbench.tasks.training import Batch


class CountingHead(nn.Module):
    """Magnified density N x ceil(H / stride) x ceil(W / stride) from a map of any stride.

    3 x 3 convolution and ReLU; the same again after each bilinear doubling, until the stride is at most the recipe's;
    1 x 1 convolution. The last layer is linear, as in MCNN and CSRNet: cells may be below zero, a count may not.
    """

    needs: FeatureLevel = "map"

    def __init__(self, channels: int, stride: int, head: CountingHeadOptions, loss: CountingLossOptions) -> None:
        super().__init__()
        times = doublings(stride, head.stride)
        widths = [channels] + [head.channels] * (times + 1)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(widths)
        )
        self.density = nn.Conv2d(head.channels, 1, 1)
        nn.init.normal_(self.density.weight, std=0.01)  # CSRNet
        nn.init.zeros_(self.density.bias)  # type: ignore[arg-type]
        self.stride, self.reached = head.stride, stride / 2**times
        self.magnify, self.count = loss.magnify, loss.count

    def forward(self, features: Features, batch: Batch) -> Tensor:
        x = features.map
        for number, convolution in enumerate(self.convolutions):
            if number:
                x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = convolution(x).relu()
        density = cover(self.density(x), self.reached, self.stride, batch["input_size"])[:, 0]
        # A resampled cell is still people per cell of the map it came from.
        scaled: Tensor = density * (self.stride / self.reached) ** 2
        return scaled

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Mean square error of the magnified density, and the mean absolute error of the counts times its weight."""
        outputs, density = outputs.float(), batch["density"]
        counts = outputs.sum((1, 2)) / self.magnify
        return {
            "density": (outputs - self.magnify * density).square().mean(),
            "count": self.count * (counts - density.sum((1, 2))).abs().mean(),
        }

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[float]:
        """The sum of the density over the cells of each picture (not of what it was padded with), at least 0."""
        counts = []
        for density, size in zip(outputs[0], batch["size"], strict=True):
            rows, columns = cells(size, self.stride)
            counts.append(max(0.0, float(density[:rows, :columns].double().sum()) / self.magnify))
        return counts


class PooledCountHead(nn.Module):
    """People per cell of `stride` pixels from one vector of the picture, times its cells: no density map is learnt.

    Layer norm and a linear layer over what `pool` gives. The loss is the mean absolute error of the counts. What such a
    head can tell is what the pooled feature holds of a crowd's density: it is for comparing poolings, not for counting
    well.
    """

    def __init__(self, width: int, pool: Pool, stride: int, loss: CountingLossOptions) -> None:
        super().__init__()
        self.pool, self.stride, self.magnify = pool, stride, loss.magnify
        self.needs: FeatureLevel = pool.needs
        self.rate = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, features: Features, batch: Batch) -> Tensor:
        """Magnified people per cell (N)."""
        rate: Tensor = self.rate(self.pool(features))[:, 0]
        return rate

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Mean absolute error of the counts."""
        density = batch["density"]
        counts = outputs.float() * density[0].numel() / self.magnify
        return {"count": (counts - density.sum((1, 2))).abs().mean()}

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[float]:
        """The count of each picture, at least 0."""
        counts = []
        for rate, size in zip(outputs[0], batch["size"], strict=True):
            rows, columns = cells(size, self.stride)
            counts.append(max(0.0, float(rate.double()) * rows * columns / self.magnify))
        return counts
