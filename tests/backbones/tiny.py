"""Tiny plain transformers for tests: their keywords, random weights, and an independent forward pass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TINY = {"embed_dim": 32, "depth": 3, "num_heads": 4, "patch_size": 8, "img_size": 32}
"""4 x 4 patches of 8 pixels."""

Tensors = dict[str, Tensor]


def weights(class_token: bool = True, pre_norm: bool = False, seed: int = 0) -> Tensors:
    """Random weights of a transformer of the size of `TINY` under timm's names, no value at its default."""
    draw = torch.Generator().manual_seed(seed)
    width, positions = 32, 16 + class_token

    def normal(*shape: int, around: float = 0.0) -> Tensor:
        return around + 0.1 * torch.randn(shape, generator=draw)

    tensors = {"pos_embed": normal(1, positions, width), "patch_embed.proj.weight": normal(width, 3, 8, 8)}
    if class_token:
        tensors["cls_token"] = normal(1, 1, width)
    norms = ["norm", *(f"blocks.{i}.norm{n}" for i in range(3) for n in (1, 2))]
    if pre_norm:
        norms.append("norm_pre")
    else:
        tensors["patch_embed.proj.bias"] = normal(width)
    for name in norms:
        tensors |= {f"{name}.weight": normal(width, around=1.0), f"{name}.bias": normal(width)}
    for i in range(3):
        for name, rows, columns in (
            ("attn.qkv", 96, 32),
            ("attn.proj", 32, 32),
            ("mlp.fc1", 128, 32),
            ("mlp.fc2", 32, 128),
        ):
            tensors |= {f"blocks.{i}.{name}.weight": normal(rows, columns), f"blocks.{i}.{name}.bias": normal(rows)}
    return tensors


def run(w: Tensors, images: Tensor, heads: int, eps: float = 1e-6, quick: bool = False) -> list[Tensor]:
    """Tokens after each block (no norm), then the normed tokens of the last: the plain transformer written out.

    `w` has timm's names; a class token is used when `w` has one, and the position grid is resized bicubically without
    antialiasing. Independent of timm's classes; held against the released code's outputs in `test_parity.py`.
    """
    patch = w["patch_embed.proj.weight"].shape[-1]
    cells = functional.conv2d(images, w["patch_embed.proj.weight"], w.get("patch_embed.proj.bias"), stride=patch)
    size, x = cells.shape[-2:], cells.flatten(2).transpose(1, 2)
    first_tokens = 1 if "cls_token" in w else 0
    side = round((w["pos_embed"].shape[1] - first_tokens) ** 0.5)
    grid = w["pos_embed"][:, first_tokens:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if tuple(size) != (side, side):
        grid = functional.interpolate(grid, size=size, mode="bicubic", align_corners=False, antialias=False)
    x = x + grid.flatten(2).transpose(1, 2)
    if first_tokens:
        x = torch.cat([(w["cls_token"] + w["pos_embed"][:, :1]).expand(len(x), -1, -1), x], dim=1)
    if "norm_pre.weight" in w:
        x = _norm(x, w, "norm_pre", eps)
    seen = []
    for i in range(1 + max(int(k.split(".")[1]) for k in w if k.startswith("blocks."))):
        name = f"blocks.{i}"
        x = x + _attention(_norm(x, w, f"{name}.norm1", eps), w, f"{name}.attn", heads)
        h = functional.linear(_norm(x, w, f"{name}.norm2", eps), *_pair(w, f"{name}.mlp.fc1"))
        h = h * torch.sigmoid(1.702 * h) if quick else functional.gelu(h)
        x = x + functional.linear(h, *_pair(w, f"{name}.mlp.fc2"))
        seen.append(x)
    return [*seen, _norm(x, w, "norm", eps)]


def _pair(w: Tensors, name: str) -> tuple[Tensor, Tensor]:
    return w[f"{name}.weight"], w[f"{name}.bias"]


def _norm(x: Tensor, w: Tensors, name: str, eps: float) -> Tensor:
    return functional.layer_norm(x, (x.shape[-1],), *_pair(w, name), eps)


def _attention(x: Tensor, w: Tensors, name: str, heads: int) -> Tensor:
    n, length, width = x.shape
    q, k, v = functional.linear(x, *_pair(w, f"{name}.qkv")).reshape(n, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    scores = (q @ k.transpose(-2, -1)) / (width // heads) ** 0.5
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)
    return functional.linear(mixed, *_pair(w, f"{name}.proj"))
