"""What a network's parameters belong to: the module that holds them, norms, layer groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from humanbench.backbones.backbone import Backbone


def owned_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Name, parameter and the module that holds it directly."""
    owners = dict(module.named_modules())
    for name, parameter in module.named_parameters():
        yield name, parameter, owners[name.rpartition(".")[0]]


def is_norm(module: nn.Module) -> bool:
    """Whether the module is a norm, of whatever kind."""
    return "norm" in type(module).__name__.lower()


def weighty_groups(backbone: Backbone) -> list[int]:
    """Indices of the layer groups that hold more than norms."""
    heavy = [name for name, _, owner in owned_parameters(backbone) if not is_norm(owner)]
    return [i for i, group in enumerate(backbone.layer_groups) if any(group.holds(name) for name in heavy)]
