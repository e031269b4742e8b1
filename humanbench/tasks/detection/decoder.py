"""The anchor-point DETR decoder of HumanBench (PATH): queries at learned points over one feature map, no encoder.

Names of parameters are those of the released code (`decoder_module.predictor.*`).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from humanbench.tasks.detection.options import DetectionHeadOptions


class LayerOutput(NamedTuple):
    """What a decoder layer says: `logits` N x Q, `boxes` N x Q x 4 (cx, cy, w, h; shares of the image's size)."""

    logits: Tensor
    boxes: Tensor


class CrossAttention(nn.Module):
    """Queries look at the map; post-norm, position added to queries and keys only."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.multihead_attn = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.norm = nn.LayerNorm(hidden)

    def forward(
        self, x: Tensor, x_place: Tensor, memory: Tensor, memory_place: Tensor, padding: Tensor | None
    ) -> Tensor:
        seen, _ = self.multihead_attn(
            x + x_place, memory + memory_place, memory, key_padding_mask=padding, need_weights=False
        )
        out: Tensor = self.norm(x + seen)
        return out


class SelfAttention(nn.Module):
    """Queries look at each other; post-norm, position added to queries and keys only."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor, place: Tensor) -> Tensor:
        seen, _ = self.self_attn(x + place, x + place, x, need_weights=False)
        out: Tensor = self.norm(x + seen)
        return out


class FeedForward(nn.Module):
    """Two linear layers; post-norm."""

    def __init__(self, hidden: int, ffn: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(hidden, ffn)
        self.linear2 = nn.Linear(ffn, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + self.linear2(functional.relu(self.linear1(x))))
        return out


class Mlp(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(functional.relu(x) if number else x)
        return x


class AnchorDecoder(nn.Module):
    """Map N x C x h x w -> what each layer finds, the last layer last.

    Places are shares of each image's own width and height, for anchors, keys and boxes alike; cells that lie outside
    an image (where a batch holds images of different sizes) are not looked at. The released code runs on one image at
    a time and takes the keys' places relative to the padded map, which is the same up to the padding of at most one
    cell.
    """

    def __init__(self, width: int, stride: int, options: DetectionHeadOptions) -> None:
        super().__init__()
        hidden, layers = options.hidden, range(options.layers)
        self.stride, self.sampled = stride, options.content == "sampled"
        self.transformer_cross_attention_layers = nn.ModuleList(CrossAttention(hidden, options.heads) for _ in layers)
        self.transformer_self_attention_layers = nn.ModuleList(SelfAttention(hidden, options.heads) for _ in layers)
        self.transformer_ffn_layers = nn.ModuleList(FeedForward(hidden, options.ffn) for _ in layers)
        self.decoder_norm = nn.LayerNorm(hidden)
        self.query_feat = nn.Embedding(options.contents, hidden)
        self.query_embed = nn.Embedding(options.anchors, 2)
        self.level_embed = nn.Embedding(1, hidden)
        self.input_proj = nn.ModuleList([nn.Conv2d(width, hidden, 1)])
        self.class_embed = nn.Linear(hidden, 1)
        self.bbox_embed = Mlp(hidden, hidden, hidden, 4)
        self.adapt_pos2d = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self._start(options)

    def forward(self, features: Tensor, sizes: Tensor) -> list[LayerOutput]:
        """`sizes` N x 2: height and width in pixels of each image inside the batch's images."""
        places, outside = cells(features.shape[-2:], self.stride, sizes)
        level = self.input_proj[0](features) + self.level_embed.weight[0][:, None, None]
        memory = level.flatten(2).transpose(1, 2)
        memory_place = self.adapt_pos2d(sine(places, memory.shape[-1]))
        points, contents = self.query_embed.weight, self.query_feat.weight
        anchors = points.repeat(len(contents), 1)
        x = contents.repeat_interleave(len(points), dim=0).expand(len(features), -1, -1)
        if self.sampled:
            x = x + sample(level, points, self.stride, sizes).repeat(1, len(contents), 1)
        x_place = self.adapt_pos2d(sine(anchors, memory.shape[-1])).expand(len(features), -1, -1)
        outputs = []
        for across, among, feed in zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        ):
            x = feed(among(across(x, x_place, memory, memory_place, outside), x_place))
            outputs.append(self._output(x, anchors))
        return outputs

    def _output(self, x: Tensor, anchors: Tensor) -> LayerOutput:
        normed = self.decoder_norm(x)
        boxes = self.bbox_embed(normed).float()
        centres = boxes[..., :2] + torch.logit(anchors.float(), eps=1e-5)
        return LayerOutput(
            self.class_embed(normed)[..., 0].float(), torch.cat([centres, boxes[..., 2:]], dim=-1).sigmoid()
        )

    @torch.no_grad()
    def _start(self, options: DetectionHeadOptions) -> None:
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2 and name.startswith("transformer_"):
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        self.query_embed.weight.copy_(start_points(options.anchors, options.anchor_start))
        # Boxes start at their anchors with a fixed size, scores low: Deformable DETR's start (Zhu et al., ICLR 2021).
        last = self.bbox_embed.layers[-1]
        nn.init.zeros_(last.get_parameter("weight"))
        last.get_parameter("bias").copy_(torch.tensor([0.0, 0.0, -2.0, -2.0]))
        nn.init.constant_(self.class_embed.bias, math.log(options.prior / (1 - options.prior)))


def start_points(count: int, how: str) -> Tensor:
    """Anchor points in the unit square (count x 2, x and y): drawn at random, or rows of a grid, evenly spread.

    A grid has about three times as many columns as rows: people are about as much higher than wide.
    """
    if how == "uniform":
        return torch.rand(count, 2)
    rows = max(1, round(math.sqrt(count / 3)))
    points = []
    for row in range(rows):
        columns = count * (row + 1) // rows - count * row // rows
        points += [((column + 0.5) / columns, (row + 0.5) / rows) for column in range(columns)]
    return torch.tensor(points)


def cells(shape: torch.Size, stride: int, sizes: Tensor) -> tuple[Tensor, Tensor | None]:
    """Centres of the cells of a map, row by row, as shares of each image (N x hw x 2, x and y), and which lie outside.

    The second is N x hw, True for cells that begin beyond the image, or None where no image has any.
    """
    rows, columns = shape
    y = torch.arange(rows, device=sizes.device, dtype=torch.float32) * stride
    x = torch.arange(columns, device=sizes.device, dtype=torch.float32) * stride
    corners = torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=-1)
    extents = sizes.flip(1)[:, None].float()
    outside = (corners >= extents).any(dim=-1)
    none = outside.is_meta or not bool(outside.any())  # shapes without numbers, for an estimate, are of one image
    return (corners + stride / 2) / extents, None if none else outside


def sample(level: Tensor, points: Tensor, stride: int, sizes: Tensor) -> Tensor:
    """What a map (N x C x h x w) holds at points (P x 2, shares of each image's size): N x P x C, bilinear.

    Beyond the centre of an image's last cell it is that cell's value, whatever the batch holds behind it.
    """
    extents = sizes.flip(1).float()
    last = (torch.ceil(extents / stride) - 0.5) * stride
    pixels = torch.minimum(points * extents[:, None], last[:, None])
    places = 2 * pixels / pixels.new_tensor([level.shape[-1] * stride, level.shape[-2] * stride]) - 1
    values = functional.grid_sample(level, places[:, None].to(level.dtype), padding_mode="border", align_corners=False)
    return values[:, :, 0].transpose(1, 2)


def sine(points: Tensor, width: int) -> Tensor:
    """Sine embedding (... x width) of points (... x 2: x, y) in the unit square.

    Half of the channels for y, then half for x; angle 2 pi p / 10000^(2 k / (width / 2)), sine and cosine in turn.
    """
    half = width // 2
    scale = 10000.0 ** (2 * (torch.arange(half, device=points.device) // 2) / half)
    angles = points.float()[..., None] * 2 * math.pi / scale
    waves = torch.stack([angles[..., 0::2].sin(), angles[..., 1::2].cos()], dim=-1).flatten(-2)
    return torch.cat([waves[..., 1, :], waves[..., 0, :]], dim=-1)
