"""Regimes: which parameters a finetuning trains. The only place that sets `requires_grad`.

`full` trains everything, `partial` the last two layer groups that hold more than norms, the final norm and the head,
`head` the head alone, `none` nothing. What a recipe does differently is a `Variant` by name, never silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, ValidationError

from humanbench.errors import HumanbenchError
from humanbench.hashing import document_sha256
from humanbench.schema import Record, problem
from humanbench.text import nearest

if TYPE_CHECKING:
    from torch import nn

    from humanbench.backbones.backbone import Backbone

Regime = Literal["full", "partial", "head", "none"]
REGIMES: tuple[Regime, ...] = get_args(Regime)

_POSITIONS = (
    "pos_embed", "cls_token", "cls_token_pos_embed", "reg_token", "dist_token", "mask_token",
    "relative_position_bias_table",
)  # fmt: skip
"""Last components of names that weight decay leaves alone, beside norms, biases and embeddings (as timm has it)."""

_UNSCALED = ("pos_embed", "cls_token", "reg_token", "dist_token")
"""Parameters of the embeddings that layer decay leaves at the full rate (PATH: position embedding x 1)."""


class Variant(Record):
    """What a recipe changes in its regime, as data of the recipe.

    `last`: how many layer groups `partial` trains. `open_norms`: norms of frozen groups train too (PATH's attribute
    recipes). `freeze_pos_embed`: the position embedding stays fixed even in `full` (PATH's detection recipes).
    """

    name: str = ""
    last: int = Field(default=2, ge=1)
    open_norms: bool = False
    freeze_pos_embed: bool = False


@dataclass(frozen=True)
class FreezeReport:
    """What a regime trains and what it freezes.

    `trainable`, `frozen`: (name, number of values) of every parameter, `backbone.…` and `head.…`. `groups`: name,
    trained values and all values of each layer group. `trained_groups`: indices of the groups that train as a whole
    (open norms do not count). `first_trainable_group`: the first group with any trainable parameter, the number of
    groups when there is none: the trunk before it can be computed once (`backbone.forward_prefix`).
    """

    regime: Regime
    variant: Variant
    trainable: tuple[tuple[str, int], ...]
    frozen: tuple[tuple[str, int], ...]
    groups: tuple[tuple[str, int, int], ...]
    trained_groups: tuple[int, ...]
    first_trainable_group: int

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {
            "regime": self.regime,
            "variant": self.variant.model_dump(),
            "trainable": [list(entry) for entry in self.trainable],
            "frozen": [list(entry) for entry in self.frozen],
            "first_trainable_group": self.first_trainable_group,
        }

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON of `as_dict`."""
        return document_sha256(self.as_dict())

    @property
    def trainable_values(self) -> int:
        return sum(count for _, count in self.trainable)

    @property
    def frozen_values(self) -> int:
        return sum(count for _, count in self.frozen)

    def to_text(self) -> str:
        """A table for people: groups, counts, the names that train, the hash."""
        head = sum(count for name, count in self.trainable if name.startswith("head."))
        head_all = head + sum(count for name, count in self.frozen if name.startswith("head."))
        rows = [*self.groups, *([("head", head, head_all)] if head_all else [])]
        width = max((len(name) for name, _, _ in rows), default=0)
        lines = [f"regime {self.regime}{self._variant_text()}"]
        for name, trained, total in rows:
            state = "frozen" if not trained else "trains" if trained == total else f"trains {trained:,} of it"
            lines.append(f"  {name:<{width}}  {total:>12,}  {state}")
        everything = self.trainable_values + self.frozen_values
        lines.append(f"trainable: {self.trainable_values:,} of {everything:,} values in {len(self.trainable)} tensors")
        lines.extend(f"  {name}  {count:,}" for name, count in self.trainable)
        lines.append(f"frozen: {self.frozen_values:,} values in {len(self.frozen)} tensors")
        lines.extend(f"  {name}  {count:,}" for name, count in self.frozen)
        return "\n".join([*lines, f"sha256 {self.sha256}"])

    def _variant_text(self) -> str:
        changed = {k: v for k, v in self.variant.model_dump(exclude_defaults=True).items() if k != "name"}
        words = ", ".join(f"{key} = {str(value).lower()}" for key, value in changed.items())
        return f", variant {self.variant.name or 'unnamed'} ({words})" if changed else ""


def freeze(
    backbone: Backbone,
    head: nn.Module | None,
    regime: Regime | str,
    variant: Variant | Mapping[str, Any] | None = None,
) -> FreezeReport:
    """Set `requires_grad` of every parameter of the backbone and the head, and say what was done.

    `partial` trains the last `variant.last` layer groups that hold more than norms, the norms after them and the
    head. In `none` the head is frozen too. Raises `HumanbenchError` for a regime or a variant key that does not exist.
    """
    chosen = _regime(regime)
    how = _variant(variant)
    trained = _trained_groups(backbone, chosen, how)
    owners = dict(backbone.named_modules())
    for name, parameter in backbone.named_parameters():
        owner, _, leaf = name.rpartition(".")
        train = chosen == "full" or any(backbone.layer_groups[i].holds(name) for i in trained)
        train = train or (how.open_norms and chosen == "partial" and _is_norm(owners[owner]))
        parameter.requires_grad_(train and not (how.freeze_pos_embed and leaf == "pos_embed"))
    for parameter in head.parameters() if head is not None else ():
        parameter.requires_grad_(chosen != "none")
    return _report(backbone, head, chosen, how, trained)


def train_mode(backbone: Backbone, head: nn.Module | None, report: FreezeReport) -> None:
    """Training mode for what trains, evaluation mode for what is frozen; call it in place of `.train()`.

    Frozen layer groups use no drop path or dropout and leave running statistics alone. A norm opened by the variant
    trains within its frozen group.
    """
    backbone.train(report.regime == "full")
    if report.regime != "full":
        prefixes = {prefix for i in report.trained_groups for prefix in backbone.layer_groups[i].prefixes}
        for path, module in backbone.named_modules():
            if path in prefixes or any(p.requires_grad for p in module.parameters(recurse=False)):
                module.train()  # not by setting `training`: some modules drop what they keep for evaluation here
    if head is not None:
        head.train(report.regime != "none")


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
    spared = _spared(backbone.trunk)
    collected: dict[tuple[float, float], dict[str, Any]] = {}

    def put(name: str, parameter: nn.Parameter, rate: float, decay: float) -> None:
        group = collected.setdefault((rate, decay), {"params": [], "names": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
        group["names"].append(name)

    for name, parameter, owner in _parameters(backbone):
        exempt = _exempt(name, parameter, owner) or name.removeprefix("trunk.") in spared
        rate = lr * backbone_scale * layer_decay ** _power(backbone, powers, name)
        if parameter.requires_grad:
            put(f"backbone.{name}", parameter, rate, 0.0 if exempt else weight_decay)
    own = weight_decay if head_weight_decay is None else head_weight_decay
    for name, parameter, owner in _parameters(head) if head is not None else ():
        if parameter.requires_grad:
            put(f"head.{name}", parameter, lr, 0.0 if _exempt(name, parameter, owner) else own)
    named = [name for group in collected.values() for name in group["names"]]
    if sorted(named) != sorted(name for name, _ in report.trainable):
        raise HumanbenchError("requires_grad was changed after freeze(): the report no longer says what trains")
    return list(collected.values())


def _regime(name: str) -> Regime:
    for regime in REGIMES:
        if regime == name:
            return regime
    raise HumanbenchError(f"no regime is called {name!r}; there are {', '.join(REGIMES)}{nearest(name, list(REGIMES))}")


def _variant(given: Variant | Mapping[str, Any] | None) -> Variant:
    if isinstance(given, Variant):
        return given
    try:
        return Variant.model_validate(dict(given or {}))
    except ValidationError as error:
        raise HumanbenchError(f"variant of a regime: {problem(error)}") from error


def _trained_groups(backbone: Backbone, regime: Regime, variant: Variant) -> tuple[int, ...]:
    count = len(backbone.layer_groups)
    if regime == "full":
        return tuple(range(count))
    if regime != "partial":
        return ()
    first = _weighty(backbone)[-variant.last :][0]
    return tuple(range(first, count))  # groups of norms alone, between and after, train with them


def _weighty(backbone: Backbone) -> list[int]:
    """Indices of the layer groups that hold more than norms."""
    heavy = [name for name, _, owner in _parameters(backbone) if not _is_norm(owner)]
    return [i for i, group in enumerate(backbone.layer_groups) if any(group.holds(name) for name in heavy)]


def _parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module]]:
    """Name, parameter and the module that holds it directly."""
    owners = dict(module.named_modules())
    for name, parameter in module.named_parameters():
        yield name, parameter, owners[name.rpartition(".")[0]]


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower()


def _exempt(name: str, parameter: nn.Parameter, owner: nn.Module) -> bool:
    """Whether weight decay leaves the parameter alone."""
    from torch import nn

    leaf = name.rpartition(".")[2]
    return parameter.ndim <= 1 or _is_norm(owner) or isinstance(owner, nn.Embedding) or leaf in _POSITIONS


def _spared(trunk: nn.Module) -> set[str]:
    """Names that the architecture itself spares from weight decay (timm's `no_weight_decay`)."""
    method = getattr(trunk, "no_weight_decay", None)
    return set(method()) if method is not None else set()


def _powers(backbone: Backbone) -> dict[int, int]:
    """Exponent of the layer decay of each layer group."""
    blocks = [i for i in _weighty(backbone) if i > 0]
    depth = len(blocks)
    return {0: depth - 1} | {group: depth - 2 - place for place, group in enumerate(blocks)}


def _power(backbone: Backbone, powers: dict[int, int], name: str) -> int:
    if name.rpartition(".")[2] in _UNSCALED:
        return 0
    index = next((i for i, group in enumerate(backbone.layer_groups) if group.holds(name)), None)
    return 0 if index is None else powers.get(index, 0)


def _report(
    backbone: Backbone, head: nn.Module | None, regime: Regime, variant: Variant, trained: tuple[int, ...]
) -> FreezeReport:
    named = [(f"backbone.{name}", p) for name, p in backbone.named_parameters()]
    named += [(f"head.{name}", p) for name, p in head.named_parameters()] if head is not None else []
    sizes = {name: (p.numel(), p.requires_grad) for name, p in backbone.named_parameters()}
    groups = []
    for group in backbone.layer_groups:
        members = [entry for name, entry in sizes.items() if group.holds(name)]
        groups.append((group.name, sum(n for n, train in members if train), sum(n for n, _ in members)))
    first = next((i for i, (_, count, _) in enumerate(groups) if count), len(groups))
    return FreezeReport(
        regime=regime,
        variant=variant,
        trainable=tuple((name, p.numel()) for name, p in named if p.requires_grad),
        frozen=tuple((name, p.numel()) for name, p in named if not p.requires_grad),
        groups=tuple(groups),
        trained_groups=trained,
        first_trainable_group=first,
    )
