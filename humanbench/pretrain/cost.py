"""What a pretraining costs, before it starts."""

from __future__ import annotations

import time
from typing import Any

import torch

from humanbench.backbones.backbone import Backbone
from humanbench.errors import HumanbenchError
from humanbench.pretrain.recipe import PretrainRecipe
from humanbench.pretrain.trunk import is_plain

PATIENCE = 24 * 3600.0
"""Seconds on a processor from which on a pretraining is taken for one that was meant for a GPU."""


def operations(recipe: PretrainRecipe, backbone: Backbone) -> float:
    """Floating-point operations of a step: 6 per parameter of the blocks and token, forward and backward.

    Of a network that is no plain transformer it is 6 per parameter and cell of its last map, a rough guess.

    Heads, projectors and the attention itself are left out, and of a masked autoencoding the hidden patches.
    """
    trunk: Any = backbone.trunk
    weights = sum(p.numel() for p in (trunk.blocks if is_plain(backbone) else trunk).parameters())
    patch = backbone.stride
    total = 0.0
    for entry in recipe.entries.values():
        size = entry.recipe(recipe.suite).input
        height, width = size.size
        total += 6.0 * weights * entry.images * (height / patch) * (width / patch)
    return total * (1 - recipe.masking.ratio if recipe.masking else 1)


def speed(device: torch.device, side: int = 1024, repeats: int = 3) -> float:
    """Measured operations per second of a float32 matrix product."""
    a = torch.randn(side, side, device=device)
    a @ a
    started = time.perf_counter()
    for _ in range(repeats):
        a @ a
    return 2.0 * side**3 * repeats / (time.perf_counter() - started)


def check_affordable(recipe: PretrainRecipe, backbone: Backbone, device: torch.device, asked: str | None) -> None:
    """Refuse a pretraining that would take days on the processor, unless the processor was asked for by name."""
    if device.type != "cpu" or asked == "cpu":
        return
    seconds = recipe.iterations * operations(recipe, backbone) / speed(device)
    if seconds > PATIENCE:
        raise HumanbenchError(
            f"no GPU here: on this processor {recipe.iterations:,} steps would take about {seconds / 86400:,.0f} days "
            "(--device cpu starts all the same; --suite mini is made for a processor)"
        )
