"""Plain vision transformers: one resolution, absolute position embeddings, blocks that see all tokens."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import GroupedForward, State, Visit, channels_first, prune

Grid = tuple[int, int]


def resize_positions(grid: Tensor, size: Grid) -> Tensor:
    """A grid of position embeddings 1 x h x w x C resized to `size`, unchanged at equal size.

    Bicubic, corners not aligned, no antialiasing: what MAE, CLIP, DINO and PATH models were finetuned with. (timm's
    own default antialiases, which moves the final features of a small PATH model by 2e-2.)
    """
    if tuple(grid.shape[1:3]) == tuple(size):
        return grid
    moved = channels_first(grid.float())
    resized = functional.interpolate(moved, size=size, mode="bicubic", align_corners=False, antialias=False)
    return resized.permute(0, 2, 3, 1).to(grid.dtype)


def patch_tokens(trunk: Any, images: Tensor) -> tuple[Tensor, Grid]:
    """Tokens N x L x C of images in whole patches, without positions, and the grid h, w."""
    patches = trunk.patch_embed.proj(images)
    return trunk.patch_embed.norm(patches.flatten(2).transpose(1, 2)), (patches.shape[-2], patches.shape[-1])


def cell_positions(trunk: Any, grid: Grid) -> Tensor:
    """Position embeddings 1 x L x C of the patches of a grid, resized where they were stored for another one."""
    first = trunk.pos_embed.shape[1] - trunk.patch_embed.num_patches
    cells = trunk.pos_embed[:, first:].reshape(1, *trunk.patch_embed.grid_size, -1)
    return resize_positions(cells, grid).flatten(1, 2)


def as_cells(tokens: Tensor, grid: Grid) -> State:
    """Tokens N x L' x C as patch tokens N x h x w x C and, where there are more, those before them N x P x C."""
    first = tokens.shape[1] - grid[0] * grid[1]
    cells = tokens[:, first:].reshape(len(tokens), *grid, tokens.shape[-1])
    return (cells, tokens[:, :first]) if first else (cells,)


class ViTForward(GroupedForward):
    """timm's `VisionTransformer`: embeddings, blocks, final norm; any image size.

    The state between groups is the patch tokens N x h x w x C and, where there are any, the class and register
    tokens N x P x C. A model whose only norm follows the pooling (`fc_norm`) has it applied to every token.
    Where only the class token is wanted there are no patch tokens after the last block (h = w = 0).
    """

    identity = "PlainRoute"

    def __init__(self, trunk: VisionTransformer) -> None:
        patch = trunk.patch_embed.patch_size
        depth = len(trunk.blocks)
        embeddings = ("cls_token", "reg_token", "pos_embed", "patch_embed", "pos_drop", "patch_drop", "norm_pre")
        self.groups = (
            LayerGroup("embeddings", tuple(f"trunk.{name}" for name in embeddings)),
            *(LayerGroup(f"blocks.{i}", (f"trunk.blocks.{i}",)) for i in range(depth)),
            LayerGroup("norm", ("trunk.norm", "trunk.fc_norm")),
        )
        prune(trunk, self.groups)
        self.strides = (int(patch[0]),)
        self.channels = (int(trunk.embed_dim),)
        self.multiple = int(patch[0])
        self.has_class_token = trunk.cls_token is not None
        self.prefix = int(trunk.num_prefix_tokens)

    @staticmethod
    def fits(trunk: Any) -> bool:
        """Whether the trunk is exactly that class (its subclasses change the forward pass) with square patches."""
        return (
            type(trunk) is VisionTransformer
            and type(trunk.patch_embed) is PatchEmbed
            and trunk.patch_embed.patch_size[0] == trunk.patch_embed.patch_size[1]
        )

    def run(self, trunk: Any, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None) -> State:
        tokens, grid = self._embed(trunk, state[0]) if start == 0 else self._join(state)
        for index in range(max(start, 1), stop):
            if index == len(self.groups) - 1:
                tokens = trunk.fc_norm(trunk.norm(tokens))
            elif index == len(self.groups) - 2 and level == "class_token" and self.has_class_token:
                tokens, grid = first_tokens(trunk.blocks[index - 1], tokens, self.prefix), (0, 0)
            else:
                tokens = trunk.blocks[index - 1](tokens)
                if visit is not None:
                    visit(tokens)
        return as_cells(tokens, grid)

    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        class_token = state[1][:, 0] if self.has_class_token else None
        return ((channels_first(state[0]),) if state[0].shape[1] else ()), class_token

    def _embed(self, trunk: Any, images: Tensor) -> tuple[Tensor, Grid]:
        tokens, grid = patch_tokens(trunk, images)
        prefix = [p.expand(len(tokens), -1, -1) for p in (trunk.cls_token, trunk.reg_token) if p is not None]
        stored = trunk.pos_embed
        if stored is not None and trunk.no_embed_class:
            tokens = tokens + cell_positions(trunk, grid)
        tokens = torch.cat([*prefix, tokens], dim=1)
        if stored is not None and not trunk.no_embed_class:
            tokens = tokens + torch.cat([stored[:, : self.prefix], cell_positions(trunk, grid)], dim=1)
        return trunk.norm_pre(trunk.patch_drop(trunk.pos_drop(tokens))), grid

    def _join(self, state: State) -> tuple[Tensor, tuple[int, int]]:
        cells = state[0]
        tokens = torch.cat([state[1], cells.flatten(1, 2)], dim=1) if self.prefix else cells.flatten(1, 2)
        return tokens, (cells.shape[1], cells.shape[2])


def first_tokens(block: nn.Module, tokens: Tensor, count: int) -> Tensor:
    """The first `count` tokens of `block(tokens)`, N x count x C, with the same gradients.

    Every token is a key and a value, but only the first ones ask, and only they pass the projection and the
    perceptron: about a sixth of the block's work. Blocks of another make than timm's usual one compute all tokens.
    """
    if not _usual(block):
        return block(tokens)[:, :count]  # type: ignore[no-any-return]
    usual: Any = block
    first = tokens[:, :count]
    first = first + usual.drop_path1(usual.ls1(_attended(usual.attn, usual.norm1(tokens), count)))
    result: Tensor = first + usual.drop_path2(usual.ls2(usual.mlp(usual.norm2(first))))
    return result


def _usual(block: Any) -> bool:
    return (
        type(block) is Block
        and type(block.attn).__name__ == "Attention"  # timm's, whose module is another one in older versions
        and type(block.attn.qkv) is nn.Linear
        and getattr(block.attn, "gate", None) is None
    )


def _attended(attention: Any, tokens: Tensor, count: int) -> Tensor:
    """The first `count` tokens of `attention(tokens)`."""
    weight, bias = attention.qkv.weight, attention.qkv.bias
    width = len(weight) // 3

    def part(x: Tensor, start: int, stop: int) -> Tensor:
        return functional.linear(x, weight[start:stop], None if bias is None else bias[start:stop])

    def heads(x: Tensor) -> Tensor:  # N x L x width to N x heads x L x width / heads
        return x.reshape(*x.shape[:2], attention.num_heads, -1).transpose(1, 2)

    keys, values = part(tokens, width, 3 * width).chunk(2, dim=-1)
    seen = functional.scaled_dot_product_attention(
        attention.q_norm(heads(part(tokens[:, :count], 0, width))),
        attention.k_norm(heads(keys)),
        heads(values),
        dropout_p=attention.attn_drop.p if attention.training else 0.0,
    )
    norm = getattr(attention, "norm", nn.Identity())  # newer versions of timm have one
    result: Tensor = attention.proj_drop(attention.proj(norm(seen.transpose(1, 2).flatten(2))))
    return result
