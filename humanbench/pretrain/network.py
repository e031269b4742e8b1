"""What is pretrained: one backbone, and what entries share on top of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import Features
from humanbench.errors import RecipeError
from humanbench.pretrain.entries import EntryData
from humanbench.pretrain.mae import MaskedDecoder, MaskedPixels
from humanbench.pretrain.path import Projector
from humanbench.pretrain.recipe import Masking, PretrainingEntry, PretrainRecipe, Projection
from humanbench.pretrain.trunk import ClassToken, as_maps, is_plain, projected
from humanbench.tasks.training import Batch

TRUNK = "trunk"


class Heads(nn.Module):
    """Everything above the backbone: class tokens by entry, projectors by group, heads by name."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.ModuleDict()
        self.projectors = nn.ModuleDict()
        self.heads = nn.ModuleDict()


class Network(nn.Module, ABC):
    """A backbone and what is above it, in units: gradients of a unit are summed over the entries that share it."""

    def __init__(self, backbone: Backbone, recipe: PretrainRecipe) -> None:
        super().__init__()
        self.backbone = backbone
        self.upper = Heads()
        self.recompute = recipe.recompute

    @property
    def trunk(self) -> Any:
        return self.backbone.trunk

    @abstractmethod
    def unit_names(self, data: EntryData) -> tuple[str, ...]:
        """Names of the units that the entry's batches train."""

    @abstractmethod
    def losses(self, data: EntryData, batch: Batch) -> dict[str, Tensor]:
        """Named loss terms of a batch of the entry, each a scalar."""

    def unit(self, name: str) -> nn.Module:
        """The module of a unit's name."""
        if name == TRUNK:
            return self.backbone
        module: nn.Module = self.upper.get_submodule(name)
        return module


def head_name(name: str, entry: PretrainingEntry) -> str:
    """Name of the head of an entry."""
    return entry.head or name


def projector_name(name: str, entry: PretrainingEntry, options: Projection) -> str:
    """Name of the projector of an entry."""
    return {"hierarchical": entry.group, "flat": "all", "separate": name}[options.sharing]


class PathNetwork(Network):
    """PATH: backbone shared by all entries, projectors by task, heads by dataset, class tokens by entry.

    A network that is no plain transformer has neither projectors nor class tokens of entries: heads see its features as
    they do in finetuning, and ReID's its class token or else its pooled vector.
    """

    def __init__(
        self, backbone: Backbone, recipe: PretrainRecipe, entries: Sequence[EntryData], start: Tensor | None = None
    ) -> None:
        """`start`: 2 x C, the backbone's class token and its position, where it has them."""
        super().__init__(backbone, recipe)
        assert recipe.projector is not None
        self.options, self.plain = recipe.projector, is_plain(backbone)
        depth = len(self.trunk.blocks) if self.plain else 0
        for data in entries:
            entry, width = data.entry, backbone.width
            if entry.class_token and self.plain:
                self.upper.tokens[data.name] = _token(width, start)
            name = projector_name(data.name, entry, self.options)
            if self.options.enabled and name not in self.upper.projectors:
                chosen = self.options
                self.upper.projectors[name] = Projector(
                    depth, width, chosen.reduction, chosen.heads, chosen.blocks, chosen.temperature
                )
            name = head_name(data.name, entry)
            if name not in self.upper.heads:
                head = data.task.build_head(data.card, data.tables, data.recipe, backbone)
                if entry.batch < 2 and any(isinstance(module, nn.BatchNorm1d) for module in head.modules()):
                    raise RecipeError(f"entry {data.name}: its head normalises over the batch: give 2 pictures or more")
                self.upper.heads[name] = head

    def unit_names(self, data: EntryData) -> tuple[str, ...]:
        names = [TRUNK, f"heads.{head_name(data.name, data.entry)}"]
        if self.options.enabled:
            names.append(f"projectors.{projector_name(data.name, data.entry, self.options)}")
        return (*names, *([f"tokens.{data.name}"] if data.name in self.upper.tokens else []))

    def features(self, data: EntryData, images: Tensor) -> Features:
        """What the entry's head sees of normalised images."""
        if not self.plain:
            whole: Features = self.backbone(images)
            return whole
        token: Any = self.upper.tokens[data.name] if data.entry.class_token else None
        name = projector_name(data.name, data.entry, self.options)
        projector = self.upper.projectors[name] if self.options.enabled else None
        return Features(*as_maps(projected(self.trunk, images, token, projector, self.recompute)))

    def losses(self, data: EntryData, batch: Batch) -> dict[str, Tensor]:
        self.backbone.set_drop_path(data.entry.drop_path)
        head: Any = self.upper.heads[head_name(data.name, data.entry)]
        terms: dict[str, Tensor] = head.loss(head(self.features(data, batch["image"]), batch), batch)
        return terms


class MaeNetwork(Network):
    """Masked autoencoding: backbone and decoder shared by all entries.

    The encoder of a plain transformer leaves the hidden patches out; any other network sees them as black.
    """

    def __init__(self, backbone: Backbone, recipe: PretrainRecipe, masking: Masking) -> None:
        super().__init__(backbone, recipe)
        plain = is_plain(backbone)
        self.upper.heads["decoder"] = MaskedDecoder(self.trunk, masking) if plain else MaskedPixels(backbone, masking)
        self.encoder: Any = self.trunk if plain else backbone

    def unit_names(self, data: EntryData) -> tuple[str, ...]:
        return (TRUNK, "heads.decoder")

    def losses(self, data: EntryData, batch: Batch) -> dict[str, Tensor]:
        self.backbone.set_drop_path(data.entry.drop_path)
        return {"pixels": self.upper.heads["decoder"](self.encoder, batch["image"], self.recompute)}


def _token(width: int, start: Tensor | None) -> ClassToken:
    made = ClassToken(width)
    if start is not None:
        with torch.no_grad():
            made.cls_token.copy_(start[0])
            made.cls_token_pos_embed.copy_(start[1])
    return made
