"""Entries with their data: tables read, label spaces joined, batches drawn in an order that depends on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pandas as pd
from torch.utils.data import Dataset

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard, Labels, load_card
from humanbench.data.frames import check_pictures
from humanbench.data.identity import data_sha256
from humanbench.data.samples import dataset_folder, load_samples
from humanbench.data_root import DataRoot
from humanbench.engine.batches import portion, with_input_size
from humanbench.engine.devices import Rank
from humanbench.errors import DataError
from humanbench.hashing import key
from humanbench.pretrain.recipe import PretrainingEntry, PretrainRecipe
from humanbench.recipes import Recipe
from humanbench.suites import Suite
from humanbench.tasks.pictures import has_each_once
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import Batch, Sample, TaskDataset, TaskTraining, training_of

Row = tuple[int, int]
"""Epoch of an entry's data, row."""

PlannedBatch = tuple[int, tuple[Row, ...]]
"""Number of the entry, its rows: one microbatch of a step."""

Cards = Sequence[DatasetCard]

NAMES = ["id", "image", "label"]
"""Columns of sample tables that name samples and files."""


@dataclass(frozen=True)
class EntryData:
    """An entry with its data. `card` has the joint label space; `tables` are keyed by `dataset/split`.

    Of the tables only labels are kept: names of files, of which there may be millions, are in `samples` alone.
    `sha256`: identity of the whole tables and of the files.
    """

    name: str
    entry: PretrainingEntry
    card: DatasetCard
    tables: Mapping[str, pd.DataFrame]
    recipe: Recipe
    samples: TaskDataset
    sha256: str

    @property
    def task(self) -> TaskTraining:
        return training_of(self.card)

    @property
    def synthetic(self) -> bool:
        return any(table.attrs["synthetic"] for table in self.tables.values())

    def steps(self, seed: int, start: int = 0) -> Iterator[list[Row]]:
        """The rows of each step from `start` on, epoch after epoch without end.

        All steps have as many: what an epoch leaves over begins the next one's first. Whole batches, which are of
        one size by themselves, stay whole. What stands before `start` is not drawn where an epoch has each sample once;
        elsewhere its epochs are, to see how long they are.
        """
        size = 1 if self.task.whole_batches else self.entry.images
        first, passed = self._epoch_of(start * size, seed)
        waiting: list[Row] = []
        for epoch in count(first):
            batches = self.samples.batches(self.entry.images, seed, epoch)
            for rows in batches[passed:] if self.task.whole_batches else batches:
                if self.task.whole_batches:
                    yield [(epoch, row) for row in rows]
                    continue
                waiting += [(epoch, row) for row in rows[passed:]]
                passed = max(0, passed - len(rows))
                while len(waiting) >= size:
                    yield waiting[:size]
                    waiting = waiting[size:]
            passed = 0

    def _epoch_of(self, number: int, seed: int) -> tuple[int, int]:
        """The epoch of this row of all (this batch, where they are whole), and how many of the epoch are before it."""
        if has_each_once(self.samples) and not self.task.whole_batches:
            return divmod(number, max(1, len(self.samples)))
        for epoch in count():
            batches = self.samples.batches(self.entry.images, seed, epoch)
            length = len(batches) if self.task.whole_batches else sum(map(len, batches))
            if number < length or not number:
                return epoch, number
            number -= length
        raise AssertionError("counting has no end")


def missing(recipe: PretrainRecipe, data_root: DataRoot) -> list[str]:
    """Ids of the recipe's datasets that have no folder under the data root."""
    return [card.id for card in recipe.datasets if not dataset_folder(card, data_root).is_dir()]


def open_entries(
    recipe: PretrainRecipe, data_root: DataRoot, preprocessing: Preprocessing, seed: int
) -> list[EntryData]:
    """The entries in the recipe's order; `DataError` where a dataset is not what its card says."""
    return [
        _entry_data(name, entry, recipe.suite, data_root, preprocessing, seed) for name, entry in recipe.entries.items()
    ]


def _entry_data(
    name: str, entry: PretrainingEntry, suite: Suite, data_root: DataRoot, preprocessing: Preprocessing, seed: int
) -> EntryData:
    tables = {
        f"{card.id}/{split}": load_samples(card, split, data_root)
        for card in entry.cards()
        for split in (card.pretraining.splits if card.pretraining else ())
    }
    for table in tables.values():
        check_pictures(load_card(table.attrs["dataset"]), table)
    if not any(len(table) for table in tables.values()):
        raise DataError(f"{name}: {', '.join(entry.datasets)} hold no sample to pretrain on under {data_root}")
    recipe = entry.recipe(suite)
    card, tables = joined(name, entry.cards(), tables)
    task = training_of(card)
    task.check(recipe)
    samples = task.training_data(card, tables, recipe, preprocessing, seed)
    sha256 = data_sha256(card, tables)
    labels = {where: table.drop(columns=NAMES, errors="ignore") for where, table in tables.items()}
    return EntryData(name, entry, card, labels, recipe, samples, sha256)


def joined(name: str, cards: Cards, tables: Mapping[str, pd.DataFrame]) -> tuple[DatasetCard, dict[str, pd.DataFrame]]:
    """One card and tables with one label space for all datasets of an entry.

    Attributes stand side by side as `dataset: attribute`, -1 (unknown) for the people of other datasets. Identities and
    boxes need no joining: heads tell identities by dataset and number, and a person is a person.
    """
    if len(cards) == 1:
        return cards[0], dict(tables)
    card = cards[0].model_copy(update={"id": name, "name": " + ".join(c.name for c in cards)})
    if not task_for(card).attribute_columns:
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
    present = {name: table[name.removeprefix(prefix)] for name in names if name.startswith(prefix)}
    columns = {name: present[name].to_numpy() if name in present else -1 for name in names}
    wide = pd.DataFrame({"id": table["id"], "image": table["image"], **columns}).astype(dict.fromkeys(names, "int8"))
    wide.attrs = dict(table.attrs)
    return wide


def content(entries: Sequence[EntryData]) -> str:
    """Identity of the data of all entries."""
    return key({data.name: data.sha256 for data in entries})


def batch_plan(
    entries: Sequence[EntryData], microbatches: Sequence[tuple[int, int]], seed: int, start: int, stop: int
) -> Iterator[PlannedBatch]:
    """The samples of these microbatches (entry, number) for the steps `start` .. `stop - 1`, in order."""
    needed = sorted({entry for entry, _ in microbatches})
    streams = {entry: entries[entry].steps(seed, start) for entry in needed}
    for _ in range(start, stop):
        drawn = {entry: next(stream) for entry, stream in streams.items()}
        for entry, number in microbatches:
            yield entry, tuple(portion(drawn[entry], Rank(number, entries[entry].entry.parts)))


class Microbatches(Dataset[Batch]):
    """Batches as they are planned, for a loader whose workers run ahead."""

    def __init__(self, entries: Sequence[EntryData]) -> None:
        self._samples = [data.samples for data in entries]
        self._collate: list[Callable[..., Any]] = [data.task.collate for data in entries]

    def __getitem__(self, planned: PlannedBatch) -> Batch:
        entry, rows = planned
        return with_input_size(self._collate[entry]([self._sample(entry, *row) for row in rows]))

    def _sample(self, entry: int, epoch: int, row: int) -> Sample:
        samples = self._samples[entry]
        samples.set_epoch(epoch)
        return samples[row]
