"""Test pictures through a corruption."""

from __future__ import annotations

from collections.abc import Sequence

from humanbench.cards import DatasetCard
from humanbench.data.corruptions import CorruptedAsOpened, Corruption
from humanbench.data.images import opened_through
from humanbench.tasks.base import Tables
from humanbench.tasks.training import Sample, TaskDataset


class CorruptedPictures(TaskDataset):
    """A test set whose pictures are corrupted as they are opened; labels, boxes and order stay."""

    def __init__(self, data: TaskDataset, corruption: Corruption, card: DatasetCard, tables: Tables) -> None:
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
