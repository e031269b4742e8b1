"""Low-rank adaptation: each adapted weight W becomes W + (alpha / rank) B A, and A and B alone are trained.

The sum is a parametrisation of the weight itself (`torch.nn.utils.parametrize`), so that it counts wherever a network
reads its weight: timm's fused projections of EVA and BEiT and torch's own attention take it past the layer, where a
wrapped layer would lose it without a word. Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models (ICLR
2022), section 4.1; A and B start as in the library peft, so that W is unchanged in the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from humanbench.errors import HumanbenchError
from humanbench.regimes.record import Freezing

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone

Place = Literal["attention", "mlp"]

_CLASSES: dict[Place, tuple[str, ...]] = {
    "attention": ("attention", "attn"),
    "mlp": ("mlp", "feedforward", "ffn", "glu", "intermediate"),
}
"""Parts of the class names of modules, in small letters, whose projections a place means."""


class LowRank(nn.Module):
    """The parametrisation of a weight of shape out x in: `down` is A (rank x in), `up` is B (out x rank)."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.down = nn.Parameter(weight.new_empty(rank, weight.shape[1]))
        self.up = nn.Parameter(weight.new_zeros(weight.shape[0], rank))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.up @ self.down)


def insert(backbone: Backbone, freezing: Freezing) -> None:
    """Adapt the projections of every layer group of the backbone in the places that the recipe names.

    Raises `HumanbenchError` for a network in which there are none of a kind, or that is adapted already.
    """
    for weights in projections(backbone, freezing).values():
        for module, name in weights:
            if parametrize.is_parametrized(module, name):
                raise HumanbenchError("lora: the network is adapted already")
            low_rank = LowRank(getattr(module, name), freezing.lora_rank, freezing.lora_alpha)
            parametrize.register_parametrization(module, name, low_rank)


def projections(backbone: Backbone, freezing: Freezing) -> dict[Place, list[tuple[nn.Module, str]]]:
    """By place the weights that `insert` adapts. Raises `HumanbenchError` for a place in which there are none."""
    places = [place for place in _CLASSES if place in freezing.lora_places]
    by_place = {place: list(_projections(backbone.trunk, place)) for place in places}
    for place, weights in by_place.items():
        if not weights:
            mend = "; --set freezing.lora_places=attention" if by_place.get("attention") else "; take another regime"
            raise HumanbenchError(f"lora: {backbone.name or 'the network'} has no projections of {place}{mend}")
    return by_place


def merge(network: nn.Module) -> int:
    """Put every adaptation into its weight, so that the network is one of plain layers again; how many there were."""
    merged = 0
    for module in list(network.modules()):
        for name, applied in list(getattr(module, "parametrizations", {}).items()):
            if any(isinstance(one, LowRank) for one in applied):
                with torch.no_grad():
                    parametrize.remove_parametrizations(module, name, leave_parametrized=True)
                merged += 1
    return merged


def _projections(trunk: nn.Module, place: Place) -> Iterator[tuple[nn.Module, str]]:
    """Weights of linear layers, and of torch's own attention, in modules of the place; each once."""
    seen: set[int] = set()
    for module in trunk.modules():
        kind = type(module).__name__.lower()
        if not any(word in kind for word in _CLASSES[place]):
            continue
        for inner in module.modules():
            for name in ("weight",) if isinstance(inner, nn.Linear) else ("in_proj_weight",):
                weight = getattr(inner, name, None)
                if isinstance(weight, Tensor) and weight.ndim == 2 and id(inner) not in seen:
                    seen.add(id(inner))
                    yield inner, name
