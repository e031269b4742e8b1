"""The parsing head: two convolutions, doubled, and a class per cell (the paper's ViT_SimpleUpSampling)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import FeatureLevel, Features
from humanbench.data.labels import IGNORE, Map
from humanbench.tasks.maps import BatchNorm2d, ChannelNorm, doublings
from humanbench.tasks.parsing.options import ParsingHeadOptions
from humanbench.tasks.training import Batch


@dataclass(frozen=True)
class PackedMap:
    """An H x W map of class indices, packed for keeping: ten thousand of them take a few kilobytes each."""

    shape: tuple[int, int]
    data: bytes

    @classmethod
    def of(cls, classes: Map) -> PackedMap:
        """Pack a map."""
        rows, columns = classes.shape
        return cls((rows, columns), zlib.compress(classes.tobytes(), 1))

    def unpack(self) -> Map:
        """The map again."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


class ParsingHead(nn.Module):
    """Class scores N x C x H x W at the size of the input, from a map of any stride.

    3 x 3 convolution, norm, ReLU, twice; the map is enlarged bilinearly until its stride is at most the recipe's (once
    doubled from patches of 16 pixels to stride 8, as in the paper; twice from stride 32); 3 x 3 convolution to classes;
    bilinear to the input size. All resizing keeps corners on corners (align_corners), as in the paper. What the
    backbone padded is cut off.
    """

    needs: FeatureLevel = "map"

    def __init__(
        self, channels: int, stride: int, classes: int, mirrored: Sequence[int], head: ParsingHeadOptions
    ) -> None:
        super().__init__()
        width = head.channels
        norm = ChannelNorm if head.norm == "layer" else BatchNorm2d

        def block(inputs: int) -> nn.Sequential:
            normed = nn.Sequential(norm(width), nn.ReLU(inplace=True))
            return nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), normed)

        self.conv3x3 = block(channels)
        self.upsample1_conv = block(width)
        self.upsample2_conv = nn.Conv2d(width, classes, 3, padding=1)
        self.stride = stride
        self.factor = 2 ** doublings(stride, head.stride)
        self.mirrored = list(mirrored)

    def forward(self, features: Features, batch: Batch) -> Tensor:
        x = self.upsample1_conv(self.conv3x3(features.map))
        rows, columns = x.shape[-2:]
        scores = self.upsample2_conv(_resize(x, (rows * self.factor, columns * self.factor)))
        height, width = batch["input_size"]
        whole = _resize(scores, (max(height, rows * self.stride), max(width, columns * self.stride)))
        return whole[..., :height, :width]

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Mean cross entropy over the pixels that have a class; 0 where none has."""
        label = batch["label"].long()
        counted = (label != IGNORE).sum().clamp_min(1)
        total = functional.cross_entropy(outputs.float(), label, ignore_index=IGNORE, reduction="sum")
        return {"cross_entropy": total / counted}

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[PackedMap]:
        """The likeliest class of every pixel of the ground truth's map.

        Of two views the second is of the mirrored picture; their probabilities are averaged.
        """
        scores = outputs[0].float()
        if len(outputs) > 1:
            other = outputs[1].float().flip(-1)[:, self.mirrored]
            scores = (scores.softmax(1) + other.softmax(1)) / 2
        maps = (_resize(one[None], size)[0].argmax(0) for one, size in zip(scores, batch["map_size"], strict=True))
        return [PackedMap.of(classes.byte().cpu().numpy().astype(np.uint8)) for classes in maps]


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if torch.Size(size) == x.shape[-2:]:
        return x
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)
