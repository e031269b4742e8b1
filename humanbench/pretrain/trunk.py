"""The shared backbone of pretraining: its start, its hidden states, and the class tokens that entries own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.grouped_forward.base import State, channels_first, padded
from humanbench.backbones.grouped_forward.vit import Grid, ViTForward, as_cells, cell_positions, patch_tokens


def is_plain(backbone: Backbone) -> bool:
    """Whether a network is a plain vision transformer, which alone has blocks that a projector reads, class tokens of
    entries, and patches that an encoder can leave out."""
    return isinstance(backbone.grouped_forward, ViTForward)


class ClassToken(nn.Module):
    """A class token and its position, 1 x 1 x C each, under the names of the released code."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.cls_token_pos_embed = nn.Parameter(torch.empty(1, 1, dim))
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=0.02)

    def embedded(self) -> Tensor:
        """The token at its position."""
        return self.cls_token + self.cls_token_pos_embed


def init_weights(trunk: Any, seed: int) -> None:
    """The released code's start of a network without weights.

    Truncated normal values (0.02) in linear layers and the class token, the two output layers of block i (from 1)
    divided by sqrt(2 i), positions of sines and cosines (MAE's), torch's own start of the patch convolution.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in trunk.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        trunk.patch_embed.proj.reset_parameters()
        for number, block in enumerate(trunk.blocks, 1):
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.div_(math.sqrt(2.0 * number))
        if trunk.cls_token is not None:
            nn.init.trunc_normal_(trunk.cls_token, std=0.02)
        cells = sines(trunk.patch_embed.grid_size, trunk.embed_dim)
        trunk.pos_embed.zero_()
        trunk.pos_embed[:, trunk.pos_embed.shape[1] - cells.shape[1] :] = cells


def sines(grid: Grid, dim: int) -> Tensor:
    """Positions 1 x (h w) x C of sines and cosines: half of the channels for the column, then those for the row.

    MAE's (facebookresearch/mae, util/pos_embed.py): sines before cosines, temperature 10,000.
    """
    frequency = 1.0 / 10000 ** (torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in grid), indexing="ij")
    parts = []
    for place in (columns, rows):
        angle = place.reshape(-1, 1) * frequency
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1).float()[None]


def class_position(trunk: Any) -> Tensor:
    """Position 1 x 1 x C of the class token of a trunk; zeros where only patches have positions."""
    first: Tensor = trunk.pos_embed[:, :1]
    return torch.zeros_like(first) if trunk.no_embed_class else first


def embed(trunk: Any, images: Tensor) -> tuple[Tensor, Grid]:
    """Patch tokens N x L x C with their positions, and the grid; images are padded right and below to whole patches."""
    patches, grid = patch_tokens(trunk, padded(images, trunk.patch_embed.patch_size[0]))
    return patches + cell_positions(trunk, grid), grid


def states(trunk: Any, images: Tensor, token: ClassToken | None = None, recompute: bool = False) -> Iterator[Tensor]:
    """The embedding, then each block's output as it is asked for: N x L' x C, class token first if there is one."""
    tokens, _ = embed(trunk, images)
    if token is not None:
        tokens = torch.cat([token.embedded().expand(len(tokens), -1, -1), tokens], dim=1)
    tokens = trunk.norm_pre(tokens)
    yield tokens
    yield from outputs(trunk.blocks, tokens, recompute)


def outputs(blocks: Iterable[nn.Module], tokens: Tensor, recompute: bool) -> Iterator[Tensor]:
    """Each block's output; `recompute` keeps no activations inside a block (activation checkpointing)."""
    for block in blocks:
        tokens = checkpoint(block, tokens, use_reentrant=False) if recompute else block(tokens)
        yield tokens


def hidden(trunk: Any, images: Tensor, token: ClassToken | None = None, recompute: bool = False) -> list[Tensor]:
    """The states that a projector takes: the embedding and the outputs of all blocks but the last.

    The last block feeds nothing in PATH, so it is not run (the released code runs it and drops its output).
    """
    return list(islice(states(trunk, images, token, recompute), len(trunk.blocks)))


def projected(
    trunk: Any, images: Tensor, token: ClassToken | None, projector: nn.Module | None, recompute: bool = False
) -> State:
    """What a head sees of images: the projector's tokens, or without one the last block's after the final norm.

    Patch tokens N x h x w x C and, where there is one, the class token N x 1 x C.
    """
    if projector is None:
        *_, last = states(trunk, images, token, recompute)
        tokens = trunk.norm(last)
    else:
        tokens = projector(hidden(trunk, images, token, recompute))
    patch = trunk.patch_embed.patch_size[0]
    return as_cells(tokens, (-(-images.shape[-2] // patch), -(-images.shape[-1] // patch)))


def as_maps(state: State) -> tuple[tuple[Tensor], Tensor | None]:
    """The map N x C x h x w and the class token N x C, if there is one, of what `projected` gives."""
    return (channels_first(state[0]),), state[1][:, 0] if len(state) > 1 else None
