"""Direct evaluation: backbone, projector and head as a pretraining left them, tested without finetuning.

From dumps of a pretraining (ours, or the released code's: a folder of `ckpt_task{N}_iter_….pth.tar` or one of them). A
dataset is tested by the entry that was trained on it; of a joint attribute head its own columns are taken.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import State, Visit, WholeForward
from humanbench.backbones.loading import load_backbone
from humanbench.backbones.translation import Tensors
from humanbench.backbones.weights import tensors_sha256
from humanbench.cards import DatasetCard
from humanbench.engine.context import ReadyHeads
from humanbench.errors import BackboneError
from humanbench.hashing import key
from humanbench.pretrain.entries import joint_attributes
from humanbench.pretrain.entry_checkpoints import (
    BACKBONE,
    FILE,
    HEAD,
    NECK,
    listed,
    one_step,
    read_entry_checkpoint,
)
from humanbench.pretrain.path import Projector
from humanbench.pretrain.recipe import PretrainingEntry, Projection, load_pretrain_recipe
from humanbench.pretrain.trunk import ClassToken, as_maps, is_plain, projected
from humanbench.tasks.registry import task_for

_POSITIONS = "cls_token_pos_embed"


class Projected(nn.Module):
    """A plain transformer without class token, with a class token of an entry and a projector where there are any."""

    def __init__(self, vit: nn.Module, token: ClassToken | None, projector: Projector | None) -> None:
        super().__init__()
        self.vit, self.token, self.projector = vit, token, projector


class ProjectedForward(WholeForward):
    """All of it at once: a projector reads every block, so there is no place to split the network.

    The state is the patch tokens N x h x w x C and, where there is one, the class token N x 1 x C.
    """

    identity = "ProjectedRoute"

    def __init__(self, trunk: Projected) -> None:
        vit: Any = trunk.vit
        embeddings = ("trunk.token", "trunk.vit.pos_embed", "trunk.vit.patch_embed", "trunk.vit.norm_pre")
        blocks = (LayerGroup(f"blocks.{i}", (f"trunk.vit.blocks.{i}",)) for i in range(len(vit.blocks)))
        self.groups = (
            LayerGroup("embeddings", embeddings),
            *blocks,
            LayerGroup("projector", ("trunk.projector", "trunk.vit.norm")),
        )
        self.strides = (int(vit.patch_embed.patch_size[0]),)
        self.channels = (int(vit.embed_dim),)
        self.multiple = self.strides[0]

    def run(self, trunk: Any, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None) -> State:
        return projected(trunk.vit, state[0], trunk.token, trunk.projector)

    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        return as_maps(state)


@dataclass(frozen=True)
class EntryCheckpoint:
    """A dump: its file, the entry it is of, and what a projector's weights do not say."""

    path: Path
    entry: PretrainingEntry
    projection: Projection
    step: int
    released: bool
    """Whether it comes from the released code, which says nothing of the entry."""

    def tensors(self) -> Tensors:
        """All its weights, mapped from the file."""
        return cast("Tensors", read_entry_checkpoint(self.path, mapped=True)["state_dict"])


class Direct(ReadyHeads):
    """Dumps by dataset, on a network of this architecture (`start`; a plain transformer without class token).

    They are one set of weights with one hash (`start.weights_sha256`), because one pretraining made them.
    """

    def __init__(self, path: Path, start: Backbone) -> None:
        self.start = start
        self.dumps: dict[str, EntryCheckpoint] = {}
        dumps = _dumps(path)
        start.weights_sha256 = key(*(tensors_sha256(dump.tensors()) for dump in dumps))
        for dump in dumps:
            for dataset in dump.entry.datasets:
                if dataset in self.dumps:
                    raise BackboneError(f"{dump.path} and {self.dumps[dataset].path.name} are both of {dataset}")
                self.dumps[dataset] = dump
        self._built: dict[Path, tuple[Backbone, Tensors]] = {}

    @property
    def datasets(self) -> tuple[str, ...]:
        """Ids of the datasets that the entries were trained on."""
        return tuple(self.dumps)

    def overrides(self, card: DatasetCard) -> dict[str, Any]:
        """What the entry changes in the task's recipe: the head that was trained, its input."""
        return self.dumps[card.id].entry.set

    def backbone(self, card: DatasetCard) -> Backbone:
        """Backbone with the entry's class token and projector; `BackboneError` where the dump is of another network."""
        return self._parts(self.dumps[card.id])[0]

    def fill(self, card: DatasetCard, head: nn.Module) -> None:
        """Put the entry's head into a fresh one for this dataset, unless the test takes features from under it."""
        dump, task = self.dumps[card.id], task_for(card)
        if task.answers_headless:
            return
        _, tensors = self._parts(dump)
        if task.attribute_columns and len(dump.entry.datasets) > 1:
            columns = _columns(dump, card)
            tensors = {name: t[columns] if t.ndim else t for name, t in tensors.items()}
        _loaded(head, tensors, f"{dump.path}: its head")

    def _parts(self, dump: EntryCheckpoint) -> tuple[Backbone, Tensors]:
        """The backbone of a dump, and the tensors of its head; its file is read once."""
        if dump.path not in self._built:
            tensors = dump.tensors()
            self._built[dump.path] = (self._assembled(dump, tensors), _under(HEAD, tensors))
        return self._built[dump.path]

    def _assembled(self, dump: EntryCheckpoint, tensors: Tensors) -> Backbone:
        weights = _under(BACKBONE, tensors)
        if not is_plain(self.start):
            whole = copy.deepcopy(self.start)
            _loaded(whole.trunk, weights, f"{dump.path}: its backbone")
            return whole.eval()
        vit: Any = copy.deepcopy(self.start.trunk)
        token: ClassToken | None = None
        first = {name: weights.pop(name) for name in ("cls_token", _POSITIONS) if name in weights}
        if _POSITIONS in first:
            token = ClassToken(int(vit.embed_dim))
            _loaded(token, first, f"{dump.path}: its class token")
        _loaded(vit, weights, f"{dump.path}: its backbone")
        projector = _projector(dump, _under(NECK, tensors), int(vit.embed_dim))
        trunk = Projected(vit, token, projector)
        return Backbone(
            trunk, ProjectedForward(trunk), self.start.preprocessing, name=self.start.name, card=self.start.card,
            pretrained_on=self.start.pretrained_on, weights_sha256=self.start.weights_sha256,
        ).eval()  # fmt: skip


def _columns(dump: EntryCheckpoint, card: DatasetCard) -> list[int]:
    """Where a joint head has the dataset's attributes; `BackboneError` where nobody says in which order they are."""
    names = joint_attributes(dump.entry.cards()).attributes
    columns = [names.index(f"{card.id}: {name}") for name in card.labels.attributes]
    if not dump.released:
        return columns
    order = card.pretraining.released_order if card.pretraining else ()
    if not order:
        raise BackboneError(f"{dump.path}: the order of {card.id}'s attributes in a released head is not known")
    return [columns[0] + order.index(number) for number in range(len(columns))]


def _under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin so, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _projector(dump: EntryCheckpoint, tensors: Tensors, dim: int) -> Projector | None:
    if not tensors:
        return None
    features = sum(name.startswith("side_gate_params.") for name in tensors)
    blocks = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("transformer_blocks.0."))
    chosen = dump.projection
    reduction = dim // tensors["reduction_layers.0.weight"].shape[0]
    made = Projector(features, dim, reduction, chosen.heads, blocks, chosen.temperature)
    _loaded(made, tensors, f"{dump.path}: its projector")
    return made


def _loaded(module: nn.Module, tensors: dict[str, Tensor], what: str) -> None:
    state = module.state_dict()
    fit = [name for name in state if name in tensors and tensors[name].shape == state[name].shape]
    if len(fit) < len(state) or len(tensors) > len(state):
        raise BackboneError(f"{what} is of another architecture: {len(fit)} of {len(state)} tensors fit")
    module.load_state_dict(tensors)


def _dumps(path: Path) -> list[EntryCheckpoint]:
    """The dumps of a folder, or the one of a file; `BackboneError` where there is none."""
    files = [path] if path.is_file() else listed(path)
    if not files:
        raise BackboneError(f"{path}: holds no dump of a pretraining (ckpt_taskN_iter_newest.pth.tar)")
    dumps = [_described(file) for file in files]
    one_step({dump.path: dump.step for dump in dumps})
    return dumps


def _described(path: Path) -> EntryCheckpoint:
    """A dump with its entry: what it says itself (ours), or the entry of the released recipe by its number."""
    content = read_entry_checkpoint(path, mapped=True)
    step = int(content.get("step", 0))
    if "about" in content:
        origin = content["about"]
        return EntryCheckpoint(
            path, PretrainingEntry.model_validate(origin["entry"]), Projection(**origin["projector"]), step, False
        )
    matched, recipe = FILE.fullmatch(path.name), load_pretrain_recipe("path")
    entries = list(recipe.entries.values())
    if matched is None or int(matched[1]) >= len(entries) or recipe.projector is None:
        raise BackboneError(f"{path}: its name does not say which entry it is of (ckpt_taskN_iter_….pth.tar)")
    return EntryCheckpoint(path, entries[int(matched[1])], recipe.projector, step, True)


def is_entry_checkpoint(path: Path) -> bool:
    """Whether a checkpoint is a folder of dumps, or the file of one."""
    return path.is_dir() or path.name.endswith(".pth.tar")


def open_direct(name: str, checkpoint: Path, architecture: dict[str, Any]) -> Direct:
    """The dumps of a checkpoint on the network of a backbone's name; what it has seen is what its card says."""
    if not checkpoint.exists():
        raise BackboneError(f"{checkpoint}: there is no such dump or folder of dumps")
    with torch.random.fork_rng(devices=[]):
        start = load_backbone(name, random=True, **architecture)
        if is_plain(start) and start.trunk.cls_token is not None:
            start = load_backbone(name, random=True, **(architecture | {"class_token": False}))
    direct = Direct(checkpoint, start)
    start.pretrained_on = start.card.datasets() if start.card is not None else direct.datasets
    return direct
