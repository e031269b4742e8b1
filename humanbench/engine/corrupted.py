"""Test pictures through a corruption."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from humanbench.cards import DatasetCard
from humanbench.data.corruptions import Corruption
from humanbench.data.images import opened_through
from humanbench.tasks.base import Tables
from humanbench.tasks.training import Sample, TaskDataset


class CorruptedPictures(TaskDataset):
    """A test set whose pictures are corrupted as they are opened; labels, boxes and order stay.

    A picture is known by its id in the tables (`image_id` where rows are people), so that it is changed alike wherever
    the dataset lies and whoever in it is asked for.
    """

    def __init__(self, data: TaskDataset, corruption: Corruption, card: DatasetCard, tables: Tables) -> None:
        self._data, self._corruption, self._dataset = data, corruption, card.id
        self._ids: dict[str, str] = {}
        for split, table in tables.items():
            column = "image_id" if "image_id" in table else "id"
            for path, name in zip(table["image"], table[column], strict=True):
                self._ids.setdefault(str(path), f"{split}/{name}")

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Sample:
        with opened_through(self._changed):
            return self._data[index]

    def set_epoch(self, epoch: int) -> None:
        self._data.set_epoch(epoch)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        return self._data.batches(batch_size, seed, epoch)

    def _changed(self, image: Image.Image, path: str) -> Image.Image:
        return self._corruption(image, self._dataset, self._ids[path])
