"""A cell made ready: its tables read, its identity known, its network built and frozen as the regime says."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from humanbench._version import __version__
from humanbench.backbones.backbone import Backbone
from humanbench.cards import DatasetCard, load_card
from humanbench.data.corruptions import CorruptedAsOpened, Corruption
from humanbench.data.few_labels import FewLabels, drawn_tables
from humanbench.data.frames import check_pictures
from humanbench.data.identity import FileHashes, data_sha256
from humanbench.data.images import opened_through
from humanbench.data.samples import load_samples
from humanbench.engine.context import CellSpec, ReadyHeads, RunContext
from humanbench.engine.finetune import Finetune
from humanbench.hashing import file_sha256, key
from humanbench.recipes import Recipe
from humanbench.regimes import Variant, freeze
from humanbench.results import Cell
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import Sample, TaskDataset, TaskTraining, training_of


@dataclass(frozen=True)
class Tables:
    """Sample tables of a cell: `train` by split (`dataset/split` for other datasets' splits), `test` by split.

    `few`: which part of `train` is trained on, `drawn`; None for all of it.
    """

    train: dict[str, pd.DataFrame]
    test: dict[str, pd.DataFrame]
    file_hashes: FileHashes
    few: FewLabels | None = None

    @cached_property
    def drawn(self) -> dict[str, pd.DataFrame]:
        """The rows of `train` that are trained on; `DataError` where they are too few."""
        return self.train if self.few is None else drawn_tables(self.few, self.train)

    @property
    def synthetic(self) -> bool:
        return any(t.attrs["synthetic"] for t in (*self.train.values(), *self.test.values()))

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Identity of the labels and pictures of `train` and of `test`, whole."""
        return {"train": self._content(self.train), "test": self._content(self.test)}

    def _content(self, tables: Mapping[str, pd.DataFrame]) -> str:
        """Identity of tables that may be of several datasets."""
        by_dataset: dict[str, dict[str, pd.DataFrame]] = {}
        for split, table in tables.items():
            by_dataset.setdefault(table.attrs["dataset"], {})[split] = table
        hashed = {n: data_sha256(load_card(n), listed, self.file_hashes) for n, listed in by_dataset.items()}
        return key(hashed)


@dataclass(frozen=True)
class PreparedCell:
    """A cell with its data read and its network built."""

    spec: CellSpec
    tables: Tables
    key: Cell
    model: Finetune

    @property
    def recipe(self) -> Recipe:
        return self.spec.recipe

    @property
    def card(self) -> DatasetCard:
        return self.spec.card

    @property
    def task(self) -> TaskTraining:
        return training_of(self.spec.card)

    @property
    def name(self) -> str:
        """Name of the cell's artefacts."""
        return artefact_name(self.spec, self.key)


def artefact_name(spec: CellSpec, key: Cell) -> str:
    """The name of everything that a cell leaves in the run folder: what it is, and the start of its identity."""
    return f"{spec.name}-{key.id[:12]}"


def read_tables(context: RunContext, spec: CellSpec) -> Tables:
    """Read the tables that the recipe trains on and those that are tested.

    Without finetuning none are trained on, but nearest neighbours are looked for in the training tables.
    """
    card, recipe = spec.card, spec.recipe
    assert card.evaluation is not None
    hashes = FileHashes(remember=context.cache, say=context.log.info)
    test = {s: _table(card, s, context, context.subset) for s in card.evaluation.test}
    train: dict[str, pd.DataFrame] = {}
    if recipe.fits or (context.heads is None and task_for(card).answers_untrained):
        if not recipe.train.on:
            train = {s: _table(card, s, context, context.subset) for s in card.evaluation.train}
        for other in map(load_card, recipe.train.on):
            train |= {f"{other.id}/{s}": _table(other, s, context, None) for s in training_splits(other)}
    return Tables(train, test, hashes, spec.few)


def _table(card: DatasetCard, split: str, context: RunContext, subset: Path | None) -> pd.DataFrame:
    """A sample table whose labels are of the pictures that are there."""
    table = load_samples(card, split, context.data_root, subset)
    check_pictures(card, table)
    return table


def training_splits(card: DatasetCard) -> tuple[str, ...]:
    """The splits that a dataset is trained on: those of its evaluation, else those of its pretraining."""
    if card.evaluation is not None:
        return card.evaluation.train
    return card.pretraining.splits if card.pretraining is not None else ()


def cell_key(context: RunContext, spec: CellSpec, tables: Tables | None) -> Cell:
    """The identity of a cell: hashes of all that decides its numbers.

    Without tables it is that of a cell whose data could not be read, for the record of its failure.
    """
    backbone = context.backbone_for(spec.card)
    hashes = {"train": key({}), "test": key({})} if tables is None else tables.hashes
    content: dict[str, Any] = {
        "dataset": spec.card.id,
        "data_sha256": key(hashes),
        "weights_sha256": backbone.weights_sha256,
        "architecture": architecture_sha256(backbone),
        "recipe_sha256": spec.recipe.sha256,
        "seed": spec.seed,
        "subset": context.subset.stem if context.subset else None,
        "inputs": {name: file_sha256(path) for name, path in context.inputs.items()},
        "humanbench": __version__.split(".")[0],
        "fraction": spec.few.fraction if spec.few else None,
        "draw": spec.few.draw if spec.few else None,
        "corruption": spec.corruption.text if spec.corruption else None,
    }
    cell = Cell(id="", **content)
    return cell.model_copy(update={"id": key(cell.content)} | ({"data_sha256": ""} if tables is None else {}))


_STATES = ("training", "grad_checkpointing", "fused_attn")
"""Attributes of modules that change no output: training or not, how memory is saved, which kernel is used."""


def architecture_sha256(backbone: Backbone) -> str:
    """Hash of what makes of a picture what it does beside the weights: structure and preprocessing.

    The structure as printed (layers, sizes, activations, epsilons), and the modules' plain attributes, for not all of
    them are printed (the number of heads is not).
    """
    preprocessing = backbone.preprocessing
    attributes = [(name, _plain_attributes(module)) for name, module in backbone.trunk.named_modules()]
    pixels = (preprocessing.mean, preprocessing.std, preprocessing.interpolation)
    return key(repr(backbone.trunk), attributes, backbone.grouped_forward.identity, pixels)


def _plain_attributes(module: nn.Module) -> dict[str, Any]:
    """Numbers and words of a module that say how it computes; not the states it is in."""
    return {
        name: value
        for name, value in sorted(vars(module).items())
        if isinstance(value, bool | int | float | str) and name not in _STATES and not name.startswith("_")
    }


def prepare(context: RunContext, spec: CellSpec, tables: Tables, cell: Cell) -> PreparedCell:
    """A cell with a fresh copy of the backbone and a fresh head, frozen as the regime says."""
    model = build_network(context, spec, tables.drawn or tables.test)
    return PreparedCell(spec, tables, cell, model)


def blank_table(card: DatasetCard, split: str, rows: int, people: int) -> pd.DataFrame:
    """As much of a sample table as a head asks for: how many people there are, and columns of attributes."""
    table = pd.DataFrame({"pid": [row % people for row in range(max(rows, people))]})
    for name in card.labels.attributes:
        table[name] = 0
    table.attrs |= {"dataset": card.id, "split": split, "synthetic": False}
    return table


def build_network(context: RunContext, spec: CellSpec, tables: Mapping[str, pd.DataFrame]) -> Finetune:
    """What a cell fits; its head is for the classes, identities and ratios of these tables."""
    return network_of(copy.deepcopy(context.backbone_for(spec.card)), spec, tables, context.heads)


def network_of(
    backbone: Backbone, spec: CellSpec, tables: Mapping[str, pd.DataFrame], heads: ReadyHeads | None = None
) -> Finetune:
    """This backbone with a head for these tables, a fresh one or a ready-made one, frozen as the recipe says."""
    recipe = spec.recipe
    backbone.set_drop_path(recipe.train.drop_path)
    torch.manual_seed(spec.seed)
    head = training_of(spec.card).build_head(spec.card, tables, recipe, backbone)
    if heads is not None:
        heads.fill(spec.card, head)
    variant = Variant(name=recipe.variant or "", **recipe.freezing.model_dump())
    report = freeze(backbone, head, recipe.regime, variant)
    return Finetune(backbone, head, report)


def training_data(spec: CellSpec, tables: Mapping[str, pd.DataFrame], model: Finetune) -> TaskDataset:
    """What of these tables is trained on, as the recipe says."""
    return training_of(spec.card).training_data(spec.card, tables, spec.recipe, model.backbone.preprocessing, spec.seed)


def test_data(context: RunContext, spec: CellSpec, tables: Mapping[str, pd.DataFrame], model: Finetune) -> TaskDataset:
    """The pictures of these tables as they are tested, but for a corruption."""
    preprocessing = model.backbone.preprocessing
    return training_of(spec.card).test_data(spec.card, tables, spec.recipe, preprocessing, context.inputs)


class CorruptedPictures(TaskDataset):
    """A test set whose pictures are corrupted as they are opened; labels, boxes and order stay."""

    def __init__(self, data: TaskDataset, corruption: Corruption, card: DatasetCard, tables: Mapping[str, Any]) -> None:
        self._data, self._changed = data, CorruptedAsOpened(corruption, card.id, tables)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Sample:
        with opened_through(self._changed):
            return self._data[index]

    def set_epoch(self, epoch: int) -> None:
        self._data.set_epoch(epoch)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        return self._data.batches(batch_size, seed, epoch)
