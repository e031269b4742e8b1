"""Freezing: which parameters of a network train. The only place that sets `requires_grad`.

What a recipe does differently from its regime is a `Variant` by name, never silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from humanbench.errors import HumanbenchError
from humanbench.hashing import document_sha256
from humanbench.regimes.parameters import owned_parameters
from humanbench.regimes.record import Freezing
from humanbench.regimes.table import REGIMES
from humanbench.schema import problem

if TYPE_CHECKING:
    from torch import nn

    from humanbench.backbones.backbone import Backbone


class Variant(Freezing):
    """What a recipe changes in its regime, and the name of the recipe's variant."""

    name: str = ""


@dataclass(frozen=True)
class FreezeReport:
    """What a regime trains and what it freezes.

    `trainable`, `frozen`: (name, number of values) of every parameter, `backbone.…` and `head.…`. `groups`: name,
    trained values and all values of each layer group. `trained_groups`: indices of the groups that train as a whole
    (open norms do not count). `first_trainable_group`: the first group with any trainable parameter, the number of
    groups when there is none: the trunk before it can be computed once (`backbone.forward_prefix`).
    """

    regime: str
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
            "variant": self.variant.said(self.regime),
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
    regime: str,
    variant: Variant | Mapping[str, Any] | None = None,
) -> FreezeReport:
    """Set `requires_grad` of every parameter of the backbone and the head as the regime says, and say what was done.

    What a regime adds (`lora`) is put into the backbone first. Raises `HumanbenchError` for a regime or a variant key
    that does not exist, and where a backbone has no place for what is to be added.
    """
    chosen, how = REGIMES[regime], _variant(variant)
    if chosen.insert is not None:
        chosen.insert(backbone, how)
    count = len(backbone.layer_groups)
    groups = chosen.groups(backbone, how) if chosen.groups is not None else ()
    trained = tuple(range(count)) if chosen.whole else tuple(groups)
    for name, parameter, owner in owned_parameters(backbone):
        train = chosen.whole or any(backbone.layer_groups[i].holds(name) for i in trained)
        train = train or (chosen.opens is not None and chosen.opens(name, parameter, owner, how))
        fixed = how.freeze_pos_embed and name.rpartition(".")[2] == "pos_embed"
        parameter.requires_grad_(train and not fixed)
    for parameter in head.parameters() if head is not None else ():
        parameter.requires_grad_(chosen.head)
    return _report(backbone, head, regime, how, trained)


def train_mode(backbone: Backbone, head: nn.Module | None, report: FreezeReport) -> None:
    """Training mode for what trains, evaluation mode for what is frozen; call it in place of `.train()`.

    Frozen layer groups use no drop path or dropout and leave running statistics alone. A norm opened by the variant
    trains within its frozen group.
    """
    regime = REGIMES[report.regime]
    backbone.train(regime.whole)
    if not regime.whole:
        prefixes = {prefix for i in report.trained_groups for prefix in backbone.layer_groups[i].prefixes}
        for path, module in backbone.named_modules():
            if path in prefixes or any(p.requires_grad for p in module.parameters(recurse=False)):
                module.train()  # not by setting `training`: some modules drop what they keep for evaluation here
    if head is not None:
        head.train(regime.head)


def _variant(given: Variant | Mapping[str, Any] | None) -> Variant:
    if isinstance(given, Variant):
        return given
    try:
        return Variant.model_validate(dict(given or {}))
    except ValidationError as error:
        raise HumanbenchError(f"variant of a regime: {problem(error)}") from error


def _report(
    backbone: Backbone, head: nn.Module | None, regime: str, variant: Variant, trained: tuple[int, ...]
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
