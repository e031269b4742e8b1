"""Batches for fitting and for testing, from images or from stored trunk outputs, shared among processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from humanbench.engine.shards import Kept, Store, stacked
from humanbench.recipes import Recipe
from humanbench.tasks.training import Batch, Sample, TaskDataset

Collate = Callable[[Sequence[Sample]], Batch]
Draws = list[tuple[int, int]]
"""Samples of a batch: (epoch or view, index) of each."""

Item = TypeVar("Item")

TEST_BATCH = 64
"""Largest batch in testing."""


@dataclass(frozen=True)
class Share:
    """Which process this is, of how many."""

    rank: int = 0
    processes: int = 1


def portion(batch: Sequence[Item], share: Share) -> list[Item]:
    """This process's consecutive part of a training batch; all parts are of one size.

    Where the batch does not divide, its first samples fill up the last parts, so that no process waits for another.
    Consecutive, because identity-balanced batches list the pictures of a person side by side.

    >>> [portion([5, 6, 7], Share(rank, 2)) for rank in (0, 1)]
    [[5, 6], [7, 5]]
    """
    size = -(-len(batch) // share.processes)
    return [batch[i % len(batch)] for i in range(share.rank * size, (share.rank + 1) * size)]


class _Drawn(Dataset[Sample]):
    """A task's data set asked by (epoch or view, index): workers need not be told of a new epoch."""

    def __init__(self, data: TaskDataset) -> None:
        self._data = data

    def __getitem__(self, draw: tuple[int, int]) -> Sample:
        epoch, index = draw
        self._data.set_epoch(epoch)
        return self._data[index]


def loader(data: TaskDataset, batches: Any, collate: Callable[..., Any], workers: int, pin: bool) -> DataLoader[Any]:
    """A torch loader over batches of draws."""
    return DataLoader(
        _Drawn(data), batch_sampler=batches, collate_fn=collate, num_workers=workers, pin_memory=pin, generator=_still()
    )


def _still() -> torch.Generator:
    """A generator for the loader's own seed, so that it takes nothing from the global one."""
    return torch.Generator().manual_seed(0)


def with_input_size(batch: Batch) -> Batch:
    """The batch with the height and width of its images, which heads may ask for."""
    return {"input_size": tuple(batch["image"].shape[-2:])} | batch


class FreshFeed:
    """Training batches from images; workers run ahead across epochs."""

    def __init__(
        self, data: TaskDataset, recipe: Recipe, seed: int, share: Share, collate: Collate, workers: int, pin: bool
    ) -> None:
        self._data, self._recipe, self._seed, self._share = data, recipe, seed, share
        self._loader = (collate, workers, pin)
        self._stream: Iterator[Batch] | None = None

    def batches(self, epoch: int) -> list[Draws]:
        """This process's batches of an epoch."""
        view = epoch % self._recipe.train.views if self._recipe.train.views else epoch
        whole = self._data.batches(self._recipe.train.batch_size, self._seed, epoch)
        return [[(view, index) for index in portion(batch, self._share)] for batch in whole]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; epochs are asked for in order."""
        if self._stream is None:
            collate, workers, pin = self._loader
            self._stream = iter(loader(self._data, _Ahead(self, epoch), collate, workers, pin))
        for _ in self.batches(epoch):
            yield with_input_size(next(self._stream))

    def close(self) -> None:
        """End the workers, which hold a copy of the tables each."""
        self._stream = None


class _Ahead:
    """The batches of all epochs to come, one after another, without end."""

    def __init__(self, feed: FreshFeed, start: int) -> None:
        self._feed, self._start = feed, start

    def __iter__(self) -> Iterator[Draws]:
        for epoch in count(self._start):
            yield from self._feed.batches(epoch)


class StoredFeed(FreshFeed):
    """Training batches from stored trunk outputs, one store per view."""

    def __init__(
        self, data: TaskDataset, recipe: Recipe, seed: int, share: Share, collate: Collate, stores: Sequence[Store]
    ) -> None:
        super().__init__(data, recipe, seed, share, collate, workers=0, pin=False)
        self._collate, self._stores = collate, stores

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        for draws in self.batches(epoch):
            yield from_store([self._stores[view][index] for view, index in draws], self._stores[0], self._collate)[
                "plain"
            ]


def from_store(kept: Sequence[Kept], store: Store, collate: Collate) -> dict[str, Batch]:
    """Stored samples as a batch per view, with `state` in place of pixels (`image` has no channels)."""
    height, width = store.input_size
    blank = torch.empty(0, height, width)
    batch = with_input_size(collate([one.sample | {"image": blank} for one in kept]))
    return {view: batch | {"state": stacked([one.states[view] for one in kept])} for view in kept[0].states}


def ordered_batches(count: int, recipe: Recipe) -> list[list[int]]:
    """Testing in order: the same batches however many processes share them, so that results are equal to the bit.

    Where pictures differ in size a batch holds one, so that no prediction depends on the padding its neighbours need.
    """
    alone = recipe.input.fit in ("short_side", "as_is")
    size = 1 if alone else min(recipe.train.batch_size, TEST_BATCH)
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]


def share_batches(batches: Sequence[list[int]], share: Share) -> list[list[int]]:
    """This process's batches: whole ones, in turn."""
    return list(batches[share.rank :: share.processes])
