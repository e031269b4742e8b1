"""Entries with their data: tables read, label spaces joined, batches drawn in an order that depends on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pandas as pd
from torch.utils.data import Dataset

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard, Labels
from humanbench.data.identity import data_sha256
from humanbench.data.samples import dataset_folder, load_samples
from humanbench.data_root import DataRoot
from humanbench.engine.feeds import Share, portion, with_input_size
from humanbench.errors import DataError
from humanbench.hashing import key
from humanbench.pretrain.recipe import Entry, PretrainRecipe
from humanbench.recipes import Recipe
from humanbench.suites import Suite
from humanbench.tasks.training import Batch, Sample, TaskDataset, TaskModel, model_for

Row = tuple[int, int]
"""Epoch of an entry's data, row."""

Draw = tuple[int, tuple[Row, ...]]
"""Number of the entry, its rows: one part of a step."""

Cards = Sequence[DatasetCard]


@dataclass(frozen=True)
class Source:
    """An entry with its data. `card` has the joint label space; `tables` are keyed by `dataset/split`."""

    name: str
    entry: Entry
    card: DatasetCard
    tables: Mapping[str, pd.DataFrame]
    recipe: Recipe
    data: TaskDataset

    @property
    def task(self) -> TaskModel:
        return model_for(self.card)

    @property
    def synthetic(self) -> bool:
        return any(table.attrs["synthetic"] for table in self.tables.values())

    def steps(self, seed: int) -> Iterator[list[Row]]:
        """The rows of each step, epoch after epoch without end.

        All steps have as many: what an epoch leaves over begins the next one's first. Identity-balanced batches, which
        are of one size by themselves, stay whole.
        """
        held: list[Row] = []
        for epoch in count():
            for rows in self.data.batches(self.entry.images, seed, epoch):
                held += [(epoch, row) for row in rows]
                size = len(rows) if self.card.task == "reid" else self.entry.images
                while len(held) >= size:
                    yield held[:size]
                    held = held[size:]


def missing(recipe: PretrainRecipe, data_root: DataRoot) -> list[str]:
    """Ids of the recipe's datasets that have no folder under the data root."""
    return [card.id for card in recipe.datasets if not dataset_folder(card, data_root).is_dir()]


def open_sources(recipe: PretrainRecipe, data_root: DataRoot, preprocessing: Preprocessing, seed: int) -> list[Source]:
    """The entries in the recipe's order; `DataError` where a dataset is not what its card says."""
    return [
        _source(name, entry, recipe.suite, data_root, preprocessing, seed) for name, entry in recipe.entries.items()
    ]


def _source(
    name: str, entry: Entry, suite: Suite, data_root: DataRoot, preprocessing: Preprocessing, seed: int
) -> Source:
    tables = {
        f"{card.id}/{split}": load_samples(card, split, data_root)
        for card in entry.cards()
        for split in (card.pretraining.splits if card.pretraining else ())
    }
    if not any(len(table) for table in tables.values()):
        raise DataError(f"{name}: {', '.join(entry.datasets)} hold no sample to pretrain on under {data_root}")
    recipe = entry.recipe(suite)
    card, tables = joined(name, entry.cards(), tables)
    task = model_for(card)
    task.check(recipe)
    return Source(name, entry, card, tables, recipe, task.training_data(card, tables, recipe, preprocessing, seed))


def joined(name: str, cards: Cards, tables: Mapping[str, pd.DataFrame]) -> tuple[DatasetCard, dict[str, pd.DataFrame]]:
    """One card and tables with one label space for all datasets of an entry.

    Attributes stand side by side as `dataset: attribute`, -1 (unknown) for the people of other datasets. Identities and
    boxes need no joining: heads tell identities by dataset and number, and a person is a person.
    """
    if len(cards) == 1:
        return cards[0], dict(tables)
    card = cards[0].model_copy(update={"id": name, "name": " + ".join(c.name for c in cards)})
    if card.task != "attribute":
        return card, dict(tables)
    labels = joint_attributes(cards)
    return card.model_copy(update={"labels": labels}), {
        where: _spread(table, labels.attributes) for where, table in tables.items()
    }


def joint_attributes(cards: Cards) -> Labels:
    """The attributes of all cards one after the other, and their left-right pairs."""
    names: list[str] = []
    pairs: list[tuple[int, int]] = []
    for card in cards:
        pairs += [(left + len(names), right + len(names)) for left, right in card.labels.flip_pairs]
        names += [f"{card.id}: {attribute}" for attribute in card.labels.attributes]
    return Labels(attributes=tuple(names), flip_pairs=tuple(pairs))


def _spread(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    prefix = f"{table.attrs['dataset']}: "
    own = {name: table[name.removeprefix(prefix)] for name in names if name.startswith(prefix)}
    columns = {name: own[name].to_numpy() if name in own else -1 for name in names}
    wide = pd.DataFrame({"id": table["id"], "image": table["image"], **columns}).astype(dict.fromkeys(names, "int8"))
    wide.attrs = dict(table.attrs)
    return wide


def content(sources: Sequence[Source]) -> str:
    """Identity of the data of all entries."""
    return key({s.name: data_sha256(s.card, dict(s.tables)) for s in sources})


def draws(
    sources: Sequence[Source], parts: Sequence[tuple[int, int]], seed: int, start: int, stop: int
) -> Iterator[Draw]:
    """Draws of these (entry, part) pairs for the steps `start` .. `stop - 1`, in order."""
    needed = sorted({entry for entry, _ in parts})
    streams = {entry: sources[entry].steps(seed) for entry in needed}
    for step in range(stop):
        drawn = {entry: next(stream) for entry, stream in streams.items()}
        if step < start:
            continue
        for entry, part in parts:
            yield entry, tuple(portion(drawn[entry], Share(part, sources[entry].entry.parts)))


class Parts(Dataset[Batch]):
    """Batches by draw, for a loader whose workers run ahead."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._data = [source.data for source in sources]
        self._collate: list[Callable[..., Any]] = [source.task.collate for source in sources]

    def __getitem__(self, draw: Draw) -> Batch:
        entry, rows = draw
        return with_input_size(self._collate[entry]([self._sample(entry, *row) for row in rows]))

    def _sample(self, entry: int, epoch: int, row: int) -> Sample:
        data = self._data[entry]
        data.set_epoch(epoch)
        return data[row]
