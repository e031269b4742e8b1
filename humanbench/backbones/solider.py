"""SOLIDER's Swin: timm's, with windows that are padded before they shift, and a semantic weight folded into it.

After every merging of patches SOLIDER multiplies and shifts the channels by what two layers make of the semantic weight
and of one minus it. At a given weight that is a scale and a bias of the merging's projection, which is how it is kept
here: so the projection has a bias, and finetuning trains what came out, not the layers. Source: tinyvision/SOLIDER,
`swin_transformer.py` (arXiv 2303.17602, section 3.3).
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.translation import Tensors
from humanbench.errors import BackboneError


class _Block(SwinTransformerBlock):
    """A block of mmcv's Swin: pads to whole windows, then shifts, where timm's shifts first."""

    def _attn(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        right, bottom = -width % self.window_size[1], -height % self.window_size[0]
        attended: Tensor = super()._attn(functional.pad(x, (0, 0, 0, right, 0, bottom)))  # type: ignore[no-untyped-call]
        return attended[:, :height, :width]


class SoliderSwin(SwinTransformer):
    """The network; `semantic_weight` is what its checkpoint is folded with, None where that is to be asked."""

    def __init__(self, semantic_weight: float | None, **keywords: Any) -> None:
        super().__init__(num_classes=0, dynamic_img_size=True, always_partition=True, drop_path_rate=0.0, **keywords)
        self.semantic_weight = semantic_weight
        stages: Any = self.layers
        for stage in stages:
            for block in stage.blocks:
                block.__class__ = _Block
            reduction = getattr(stage.downsample, "reduction", None)
            if reduction is not None:
                stage.downsample.reduction = nn.Linear(reduction.in_features, reduction.out_features)

    def folded(self, tensors: Tensors, source: str) -> Tensors:
        """A translated checkpoint with the semantic layers folded into the merging of patches."""
        rest = {name: value for name, value in tensors.items() if not name.startswith("semantic_embed_")}
        if len(rest) == len(tensors):
            raise BackboneError(f"{source}: is a Swin of mmcv without SOLIDER's semantic layers; give timm's network")
        if self.semantic_weight is None:
            raise BackboneError(
                f"{source}: which semantic weight is meant is not said: give --arch semantic_weight=W, from 0 "
                "(appearance) to 1 (parts of people); SOLIDER's own re-identification has 0.2, its parsing 0.8"
            )
        share = torch.tensor([self.semantic_weight, 1 - self.semantic_weight])
        for index in range(len(self.layers) - 1):
            scale, shift = (
                functional.linear(
                    share, *(tensors[f"semantic_embed_{kind}.{index}.{leaf}"].float() for leaf in ("weight", "bias"))
                )
                for kind in "wb"
            )
            projection = f"layers.{index + 1}.downsample.reduction"
            rest[f"{projection}.weight"] = functional.softplus(scale)[:, None] * rest[f"{projection}.weight"]
            rest[f"{projection}.bias"] = shift
        return rest


def build(semantic_weight: float | None = None, **keywords: Any) -> SoliderSwin:
    """SOLIDER's Swin by timm's keywords (`embed_dim, depths, num_heads, window_size, img_size` ...)."""
    if semantic_weight is not None and not 0 <= semantic_weight <= 1:
        raise BackboneError(f"semantic_weight={semantic_weight}: is a number from 0 to 1")
    return SoliderSwin(semantic_weight, **keywords)
