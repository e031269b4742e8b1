"""One vector of a picture: by mean over the map, the class token, or attention that is learnt with the head."""

from __future__ import annotations

import torch
from timm.layers.attention_pool import AttentionPoolLatent
from torch import Tensor, nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, Features
from humanbench.errors import RecipeError
from humanbench.tasks.options import Pooling

_HEAD_WIDTH = 64
"""Channels of an attention head, as in plain transformers."""


class Pool(nn.Module):
    """N x C from features.

    `mean`: over the cells of the map. `class_token`: the network's own. `attentive`: a
    learnt query looks at the cells (cross attention, then an MLP with a residual: timm's `AttentionPoolLatent`, after
    Lee et al., Set Transformer, ICML 2019, and Zhai et al., CVPR 2022), which is what probes of masked image models are
    judged with (Chen et al., Context Autoencoder, IJCV 2024; Bardes et al., V-JEPA, 2024).
    """

    def __init__(self, kind: Pooling, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.needs: FeatureLevel = "class_token" if kind == "class_token" else "map"
        heads = max(n for n in range(1, max(1, width // _HEAD_WIDTH) + 1) if width % n == 0)
        self.attention = (
            AttentionPoolLatent(width, num_heads=heads, norm_layer=nn.LayerNorm) if kind == "attentive" else None
        )

    def forward(self, features: Features) -> Tensor:
        """The vector of each picture."""
        if self.kind == "class_token":
            assert features.class_token is not None  # `pool_of` refuses networks without
            return features.class_token
        if self.attention is None:
            return features.pooled
        pooled: Tensor = self.attention(features.tokens)
        return pooled


def pool_of(kind: Pooling, backbone: Backbone) -> Pool:
    """The pooling for a backbone; `RecipeError` for the class token of a network that has none."""
    if kind == "class_token" and not has_class_token(backbone):
        raise RecipeError(
            "this backbone has no class token, so --head class_token is not for it (mean and attentive pool its map)"
        )
    return Pool(kind, backbone.width)


def has_class_token(backbone: Backbone) -> bool:
    """Whether the network has a class token: asked of a picture of its input size."""
    height, width = backbone.preprocessing.input_size
    with torch.no_grad():
        training = backbone.training
        backbone.eval()
        features = backbone(torch.zeros(1, 3, height, width, device=next(backbone.parameters()).device))
        backbone.train(training)
    return features.class_token is not None
