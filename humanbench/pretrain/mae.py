"""Masked autoencoding: patches are hidden, and their pixels predicted from the others.

He et al., Masked Autoencoders Are Scalable Vision Learners (CVPR 2022), after facebookresearch/mae with its names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import lcm
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.grouped_forward.base import padded
from humanbench.backbones.grouped_forward.vit import resize_positions
from humanbench.pretrain.recipe import Masking
from humanbench.pretrain.trunk import class_position, embed, outputs, sines

SMALLEST = 8
"""Least side in pixels of a patch that is hidden from a network with finer maps: smaller ones are filled in from their
neighbours without an idea of what is there."""


class MaskedDecoder(nn.Module):
    """Predicts the hidden patches of images from the encoder's tokens of the visible ones."""

    def __init__(self, trunk: Any, options: Masking) -> None:
        super().__init__()
        patch: int = trunk.patch_embed.patch_size[0]
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.options, self.patch, self.size = options, patch, trunk.patch_embed.grid_size
        self.decoder_embed = nn.Linear(trunk.embed_dim, options.dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, options.dim))
        block: Any = partial(Block, options.dim, options.heads, qkv_bias=True, norm_layer=norm)
        self.decoder_blocks = nn.ModuleList(block() for _ in range(options.depth))
        self.decoder_norm = norm(options.dim)
        self.decoder_pred = nn.Linear(options.dim, patch**2 * 3)
        positions = sines(self.size, options.dim).reshape(1, *self.size, -1)
        self.register_buffer("positions", positions, persistent=False)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, trunk: Any, images: Tensor, recompute: bool = False) -> Tensor:
        """Mean squared error over the hidden patches of normalised images N x 3 x H x W, whatever their size."""
        tokens, grid = embed(trunk, images)
        visible, back, hidden = choose(len(images), grid[0] * grid[1], self.options.ratio, images.device)
        predicted = self.decode(encode(trunk, taken(tokens, visible), recompute), back, grid)
        return hidden_error(predicted, patches(images, self.patch), hidden, self.options)

    def decode(self, encoded: Tensor, back: Tensor, grid: tuple[int, int]) -> Tensor:
        """Pixels N x L x (patch^2 * 3) of all patches; `back` N x L is where each one is among visible, then hidden."""
        x = self.decoder_embed(encoded)
        token, visible = x[:, :1], x[:, 1:]
        count = back.shape[1] - visible.shape[1]
        cells = torch.cat([visible, self.mask_token.expand(len(x), count, -1)], dim=1)
        positions: Any = self.positions
        cells = taken(cells, back) + resize_positions(positions, grid).flatten(1, 2)
        x = torch.cat([token, cells], dim=1)
        for block in self.decoder_blocks:
            x = block(x)
        pixels: Tensor = self.decoder_pred(self.decoder_norm(x))[:, 1:]
        return pixels


class MaskedPixels(nn.Module):
    """Predicts the pixels of hidden patches from the map of a network that sees the whole picture without them.

    For networks whose layers need all cells (convolutions, windows): SimMIM (Xie et al., CVPR 2022), with hidden
    patches black after normalisation, a linear layer on each cell of the last map, and MAE's square error. A patch is a
    cell of that map, or several of them where a cell is smaller than `SMALLEST` pixels.

    Running statistics of batch norms are those of whole pictures, which alone the network is used on: black patches
    would shift them.
    """

    def __init__(self, backbone: Backbone, options: Masking) -> None:
        super().__init__()
        self.options, self.stride = options, backbone.stride
        self.cells = -(-SMALLEST // backbone.stride)
        self.decoder_pred = nn.Conv2d(backbone.width, backbone.stride**2 * 3, 1)
        nn.init.xavier_uniform_(self.decoder_pred.weight.flatten(1))
        nn.init.zeros_(self.decoder_pred.bias)  # type: ignore[arg-type]

    def forward(self, backbone: Backbone, images: Tensor, recompute: bool = False) -> Tensor:
        """Mean squared error over the hidden patches of normalised images N x 3 x H x W, whatever their size."""
        patch = self.stride * self.cells
        images = padded(images, lcm(patch, backbone.multiple))
        rows, columns = images.shape[-2] // patch, images.shape[-1] // patch
        hidden = choose(len(images), rows * columns, self.options.ratio, images.device)[2].view(-1, 1, rows, columns)
        black = functional.interpolate(hidden, scale_factor=float(patch), mode="nearest")
        with untracked(backbone) as tracking:
            seen = backbone(images * (1 - black)).map
        if tracking:
            with torch.no_grad():
                backbone(images)
        predicted = self.decoder_pred(seen).flatten(2).transpose(1, 2)
        hidden = functional.interpolate(hidden, scale_factor=float(self.cells), mode="nearest").flatten(1)
        return hidden_error(predicted, patches(images, self.stride), hidden, self.options)


def hidden_error(predicted: Tensor, target: Tensor, hidden: Tensor, options: Masking) -> Tensor:
    """Mean squared error of pixels N x L x P over the patches in which `hidden`, N x L, is 1."""
    if options.norm_pixels:
        variance, mean = torch.var_mean(target, dim=-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6).sqrt()
    error = (predicted.float() - target).square().mean(dim=-1)
    return (error * hidden).sum() / hidden.sum()


@contextmanager
def untracked(network: nn.Module) -> Iterator[bool]:
    """A while in which the network's batch norms leave their running statistics alone; whether any would not have."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield bool(norms)
    finally:
        for norm in norms:
            norm.track_running_stats = True


def encode(trunk: Any, tokens: Tensor, recompute: bool = False) -> Tensor:
    """The trunk's tokens after the final norm, from some embedded patches; the class token comes first."""
    token = trunk.cls_token + class_position(trunk)
    x = trunk.norm_pre(torch.cat([token.expand(len(tokens), -1, -1), tokens], dim=1))
    *_, x = outputs(trunk.blocks, x, recompute)
    normed: Tensor = trunk.norm(x)
    return normed


def choose(count: int, length: int, ratio: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Which patches stay: indices N x L', the way back from (visible, hidden) to their places N x L, and hidden N x L.

    At least one patch stays and at least one is hidden.
    """
    left = min(max(int(length * (1 - ratio)), 1), length - 1)
    order = torch.rand(count, length, device=device).argsort(dim=1)
    back = order.argsort(dim=1)
    return order[:, :left], back, (back >= left).float()


def taken(tokens: Tensor, indices: Tensor) -> Tensor:
    """Tokens N x L x C at indices N x L'."""
    return tokens.gather(1, indices[..., None].expand(-1, -1, tokens.shape[-1]))


def patches(images: Tensor, patch: int) -> Tensor:
    """Pixels N x L x (patch^2 * 3) of the patches, row by row, colours of a pixel side by side."""
    cells = functional.unfold(padded(images, patch), patch, stride=patch)
    return cells.reshape(len(images), 3, patch**2, -1).permute(0, 3, 2, 1).flatten(2)
