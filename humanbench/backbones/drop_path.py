"""Stochastic depth, set on a network that is already built."""

from __future__ import annotations

from timm.layers.drop import DropPath
from torch import nn

_NAMES = ("drop_path", "drop_path1", "drop_path2")
"""Attributes under which timm's blocks keep their drop path: a `DropPath`, an `Identity` or None."""


def set_drop_path(trunk: nn.Module, rate: float) -> None:
    """Drop whole blocks of a sample with a probability from 0 (first block) to `rate` (last), linear in between."""
    if not 0 <= rate < 1:
        raise ValueError(f"a drop path rate lies in [0, 1), not {rate}")
    blocks = [module for module in trunk.modules() if any(_has(module, name) for name in _NAMES)]
    for index, block in enumerate(blocks):
        own = rate * index / max(len(blocks) - 1, 1)
        for name in _NAMES:
            if _has(block, name):
                setattr(block, name, DropPath(own) if own else nn.Identity())


def _has(module: nn.Module, name: str) -> bool:
    missing = object()
    found = getattr(module, name, missing)
    return found is None or isinstance(found, DropPath | nn.Identity)
