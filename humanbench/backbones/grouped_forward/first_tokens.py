"""A transformer block for its first tokens alone: the last block of a network of which only the class token is used.

Every token is a key and a value, but only the first ones ask, and only they pass the projection and the perceptron:
about a sixth of the block's work.
"""

from __future__ import annotations

from typing import Any

from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional


def first_tokens(block: nn.Module, tokens: Tensor, count: int) -> Tensor:
    """The first `count` tokens of `block(tokens)`, N x count x C, with the same gradients.

    Blocks of another make than timm's usual one compute all tokens.
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
