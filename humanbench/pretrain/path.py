"""PATH's projector: a light ladder of attention blocks from a backbone's hidden states to one task's features.

After OpenGVLab/HumanBench, PATH/core/models/necks/ladder_side_attention_fpn.py, with its parameter names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class Projector(nn.Module):
    """Tokens N x L x C from the hidden states f_0 .. f_{n-1} (each N x L x C) of a plain transformer.

    f_0 is the embedding, f_i the output of block i - 1. With reductions R_i to width r = C / `reduction`, scalar gates
    a_i (0 at the start) and pre-norm transformer blocks T_i of width r:

        s_0 = R_0 f_0;   g_i = sigmoid(a_i / `temperature`);   s_i = T_i(g_i s_{i-1} + (1 - g_i) R_i f_i)

    and s_{n-1} is projected back to width C. `blocks` transformers a step, `heads` attention heads each, queries, keys
    and values without bias, layer norm with eps 1e-5.

    The released code makes n + 1 reductions and n gates and blocks; the last of each is used by nothing. They are here
    too, so that state dicts have the same names.
    """

    def __init__(
        self, features: int, dim: int, reduction: int = 8, heads: int = 2, blocks: int = 1, temperature: float = 1.0
    ) -> None:
        super().__init__()
        width = dim // reduction
        if width < 1 or width % heads:
            raise ValueError(f"a width of {dim} reduced {reduction} times is not divisible among {heads} heads")
        norm: Any = partial(nn.LayerNorm, eps=1e-5)
        block = partial(Block, width, heads, qkv_bias=False, norm_layer=norm)
        self.temperature = temperature
        self.reduction_layers = nn.ModuleList(nn.Linear(dim, width) for _ in range(features + 1))
        self.side_gate_params = nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(features))
        self.transformer_blocks = nn.ModuleList(
            nn.Sequential(*(block() for _ in range(blocks))) for _ in range(features)
        )
        self.last_proj = nn.Linear(width, dim)
        self.features = features

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Raises `ValueError` for another number of states than the projector was made for."""
        if len(states) != self.features:
            raise ValueError(f"the projector takes {self.features} hidden states, not {len(states)}")
        side = self.reduction_layers[0](states[0])
        steps = zip(states[1:], self.reduction_layers[1:], self.side_gate_params, self.transformer_blocks, strict=False)
        for state, reduce, gate, block in steps:
            share = torch.sigmoid(gate / self.temperature)
            side = block(share * side + (1 - share) * reduce(state))
        out: Tensor = self.last_proj(side)
        return out
