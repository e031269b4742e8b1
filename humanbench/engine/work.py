"""A cell made ready: its tables read, its identity known, its network built and frozen as the regime says."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from humanbench._version import __version__
from humanbench.cards import DatasetCard, load_card
from humanbench.data.identity import data_sha256
from humanbench.data.samples import load_samples
from humanbench.data_root import DataRoot
from humanbench.engine.finetune import Finetune
from humanbench.engine.folder import RunFolder
from humanbench.engine.jobs import Job
from humanbench.hashing import file_sha256, key
from humanbench.recipes import Recipe
from humanbench.regimes import Variant, freeze
from humanbench.results import Cell
from humanbench.run_log import RunLog
from humanbench.tasks.training import TaskModel, model_for

if TYPE_CHECKING:
    import pandas as pd

    from humanbench.backbones.backbone import Backbone
    from humanbench.pretrain.direct import Direct


@dataclass(frozen=True)
class Setting:
    """What all cells of a run share. `inputs`: the declared files of protocols, by name.

    `direct`: dumps of a pretraining, whose projectors and heads are tested as they are.
    """

    backbone: Backbone
    checkpoint: str | None
    folder: RunFolder
    log: RunLog
    data_root: DataRoot
    subset: Path | None = None
    inputs: Mapping[str, Path] | None = None
    device: str | None = None
    workers: int = 0
    cache: bool = True
    command: str = ""
    direct: Direct | None = None

    def network(self, card: DatasetCard) -> Backbone:
        """The backbone of a dataset's cells: the run's, or with dumps that of the dataset's entry."""
        return self.backbone if self.direct is None else self.direct.backbone(card)

    @property
    def files(self) -> Mapping[str, Path]:
        return self.inputs or {}


@dataclass(frozen=True)
class Tables:
    """Sample tables of a cell: `train` by split (`dataset/split` for other datasets' splits), `test` by split."""

    train: dict[str, pd.DataFrame]
    test: dict[str, pd.DataFrame]

    @property
    def synthetic(self) -> bool:
        return any(t.attrs["synthetic"] for t in (*self.train.values(), *self.test.values()))

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Identity of the labels and pictures of `train` and of `test`."""
        return {"train": _content(self.train), "test": _content(self.test)}


@dataclass(frozen=True)
class Work:
    """A job with its data read and its network built."""

    job: Job
    tables: Tables
    cell: Cell
    model: Finetune

    @property
    def recipe(self) -> Recipe:
        return self.job.recipe

    @property
    def card(self) -> DatasetCard:
        return self.job.card

    @property
    def task(self) -> TaskModel:
        return model_for(self.job.card)

    @property
    def name(self) -> str:
        """Name of the cell's artefacts."""
        return f"{self.job.name}-{self.cell.id[:12]}"


def tables_for(setting: Setting, job: Job) -> Tables:
    """Read the tables that the recipe trains on and those that are tested.

    Without finetuning none are trained on, but nearest neighbours are looked for in the training tables.
    """
    card, recipe = job.card, job.recipe
    assert card.evaluation is not None
    test = {split: load_samples(card, split, setting.data_root, setting.subset) for split in card.evaluation.test}
    if not recipe.fits and (setting.direct is not None or card.task != "attribute"):
        return Tables({}, test)
    if not recipe.train.on:
        own = {split: load_samples(card, split, setting.data_root, setting.subset) for split in card.evaluation.train}
        return Tables(own, test)
    others = [(load_card(name), split) for name in recipe.train.on for split in _training_splits(load_card(name))]
    return Tables({f"{c.id}/{split}": load_samples(c, split, setting.data_root) for c, split in others}, test)


def _training_splits(card: DatasetCard) -> tuple[str, ...]:
    if card.evaluation is not None:
        return card.evaluation.train
    return card.pretraining.splits if card.pretraining is not None else ()


def cell_of(setting: Setting, job: Job, tables: Tables) -> Cell:
    """The cell with its identity."""
    network = setting.network(job.card)
    content: dict[str, Any] = {
        "dataset": job.card.id,
        "data_sha256": key(tables.hashes),
        "weights_sha256": network.weights_sha256,
        "architecture": architecture(network),
        "recipe_sha256": job.recipe.sha256,
        "seed": job.seed,
        "subset": setting.subset.stem if setting.subset else None,
        "inputs": {name: file_sha256(path) for name, path in setting.files.items()},
        "humanbench": __version__.split(".")[0],
    }
    return Cell(id=key(content), **content)


def unread_cell(setting: Setting, job: Job) -> Cell:
    """A cell whose data could not be read, for the record of its failure."""
    blank = Tables({}, {})
    return cell_of(setting, job, blank).model_copy(update={"data_sha256": ""})


_STATES = ("training", "grad_checkpointing", "fused_attn")
"""Attributes of modules that change no output: training or not, how memory is saved, which kernel is used."""


def architecture(backbone: Backbone) -> str:
    """Hash of what makes of a picture what it does beside the weights: structure and preprocessing.

    The structure as printed (layers, sizes, activations, epsilons), and the modules' plain attributes, for not all of
    them are printed (the number of heads is not).
    """
    own = backbone.preprocessing
    attributes = [(name, _plain_attributes(module)) for name, module in backbone.trunk.named_modules()]
    pixels = (own.mean, own.std, own.interpolation)
    return key(repr(backbone.trunk), attributes, type(backbone.grouped_forward).__name__, pixels)


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    """Numbers and words of a module that say how it computes; not the states it is in."""
    return {
        name: value
        for name, value in sorted(vars(module).items())
        if isinstance(value, bool | int | float | str) and name not in _STATES and not name.startswith("_")
    }


def _content(tables: Mapping[str, pd.DataFrame]) -> str:
    """Identity of tables that may be of several datasets."""
    by_dataset: dict[str, dict[str, pd.DataFrame]] = {}
    for split, table in tables.items():
        by_dataset.setdefault(table.attrs["dataset"], {})[split] = table
    return key({name: data_sha256(load_card(name), listed) for name, listed in by_dataset.items()})


def build(setting: Setting, job: Job, tables: Tables, cell: Cell) -> Work:
    """A fresh copy of the backbone with a fresh head, frozen as the regime says."""
    recipe = job.recipe
    backbone = copy.deepcopy(setting.network(job.card))
    backbone.set_drop_path(recipe.train.drop_path)
    torch.manual_seed(job.seed)
    head = model_for(job.card).build_head(job.card, tables.train or tables.test, recipe, backbone)
    if setting.direct is not None:
        setting.direct.fill(job.card, head)
    variant = Variant(name=recipe.variant or "", **recipe.freezing.model_dump())
    report = freeze(backbone, head, recipe.regime, variant)
    return Work(job, tables, cell, Finetune(backbone, head, report))
