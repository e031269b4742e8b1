"""Optimiser groups: the rate and the weight decay of every parameter that trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from humanbench.errors import HumanbenchError
from humanbench.regimes.parameters import is_norm, owned_parameters, weighty_groups

if TYPE_CHECKING:
    from torch import nn

    from humanbench.backbones.backbone import Backbone
    from humanbench.regimes.freezing import FreezeReport

_POSITIONS = (
    "pos_embed", "cls_token", "cls_token_pos_embed", "reg_token", "dist_token", "mask_token",
    "relative_position_bias_table",
)  # fmt: skip
"""Last components of names that weight decay leaves alone, beside norms, biases and embeddings (as timm has it)."""

_UNSCALED = ("pos_embed", "cls_token", "reg_token", "dist_token")
"""Parameters of the embeddings that layer decay leaves at the full rate (PATH: position embedding x 1)."""


def parameter_groups(
    backbone: Backbone,
    head: nn.Module | None,
    report: FreezeReport,
    lr: float,
    *,
    backbone_scale: float = 1.0,
    layer_decay: float = 1.0,
    weight_decay: float = 0.0,
    head_weight_decay: float | None = None,
) -> list[dict[str, Any]]:
    """Optimiser groups of the trainable parameters: dicts of `params`, `names`, `lr`, `weight_decay`.

    The head learns at `lr`, the backbone at `lr * backbone_scale` times a power of `layer_decay`: block i of D has
    D - 2 - i (so the last has -1 and learns fastest), the embeddings D - 1, position embedding, class token and final
    norm 0: the rule of PATH's released code. Blocks are the layer groups after the first that hold more than norms.
    No decay on norms, biases, position embeddings, class tokens and embeddings. `head_weight_decay` defaults to
    `weight_decay`.
    """
    powers = _powers(backbone)
    listed = getattr(backbone.trunk, "no_weight_decay", None)
    spared = set(listed()) if listed is not None else set()  # by the architecture itself, as timm has it
    collected: dict[tuple[float, float], dict[str, Any]] = {}

    def put(name: str, parameter: nn.Parameter, rate: float, decay: float) -> None:
        group = collected.setdefault((rate, decay), {"params": [], "names": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
        group["names"].append(name)

    for name, parameter, owner in owned_parameters(backbone):
        exempt = _exempt(name, parameter, owner) or name.removeprefix("trunk.") in spared
        rate = lr * backbone_scale * layer_decay ** _power(backbone, powers, name)
        if parameter.requires_grad:
            put(f"backbone.{name}", parameter, rate, 0.0 if exempt else weight_decay)
    head_decay = weight_decay if head_weight_decay is None else head_weight_decay
    for name, parameter, owner in owned_parameters(head) if head is not None else ():
        if parameter.requires_grad:
            put(f"head.{name}", parameter, lr, 0.0 if _exempt(name, parameter, owner) else head_decay)
    named = [name for group in collected.values() for name in group["names"]]
    if sorted(named) != sorted(name for name, _ in report.trainable):
        raise HumanbenchError("requires_grad was changed after freeze(): the report no longer says what trains")
    return list(collected.values())


def _exempt(name: str, parameter: nn.Parameter, owner: nn.Module) -> bool:
    """Whether weight decay leaves the parameter alone."""
    from torch import nn

    leaf = name.rpartition(".")[2]
    return parameter.ndim <= 1 or is_norm(owner) or isinstance(owner, nn.Embedding) or leaf in _POSITIONS


def _powers(backbone: Backbone) -> dict[int, int]:
    """Exponent of the layer decay of each layer group."""
    blocks = [i for i in weighty_groups(backbone) if i > 0]
    depth = len(blocks)
    return {0: depth - 1} | {group: depth - 2 - place for place, group in enumerate(blocks)}


def _power(backbone: Backbone, powers: dict[int, int], name: str) -> int:
    if name.rpartition(".")[2] in _UNSCALED:
        return 0
    index = next((i for i, group in enumerate(backbone.layer_groups) if group.holds(name)), None)
    return 0 if index is None else powers.get(index, 0)
