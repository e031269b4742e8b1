"""Batches for fitting and for testing, from images or from stored trunk outputs, shared among processes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from humanbench.engine.devices import Rank
from humanbench.engine.shards import Store, StoredSample, stacked
from humanbench.errors import HumanbenchError
from humanbench.recipes import Recipe
from humanbench.tasks.training import Batch, Sample, TaskDataset

Collate = Callable[[Sequence[Sample]], Batch]
Say = Callable[[str], None]
Draws = list[tuple[int, int]]
"""Samples of a batch: (epoch or view, index) of each."""

Item = TypeVar("Item")


def _silent(text: str) -> None:
    """Says nothing."""


TEST_BATCH = 64
"""Largest batch in testing."""

SHARED_MEMORY = Path("/dev/shm")
"""Where processes that read images hand over their batches; a container gives it 64 MB unless told otherwise."""

PREFETCH = 2
"""Batches that each reading process has ready; one more of its is on the way."""

WORKER_TIMEOUT = 600.0
"""Seconds in which the next batch must come from the reading processes; one that is lost would never come."""


class WorkerError(HumanbenchError):
    """The processes that read images do not deliver any more."""

    exit_code = 1


def portion(batch: Sequence[Item], rank: Rank) -> list[Item]:
    """This process's consecutive part of a training batch; all parts are of one size.

    Where the batch does not divide, its first samples fill up the last parts, so that no process waits for another.
    Consecutive, because identity-balanced batches list the pictures of a person side by side.

    >>> [portion([5, 6, 7], Rank(rank, 2)) for rank in (0, 1)]
    [[5, 6], [7, 5]]
    """
    size = -(-len(batch) // rank.processes)
    return [batch[i % len(batch)] for i in range(rank.rank * size, (rank.rank + 1) * size)]


class _Drawn(Dataset[Sample]):
    """A task's data set asked by (epoch or view, index): workers need not be told of a new epoch."""

    def __init__(self, data: TaskDataset) -> None:
        self._data = data

    def __getitem__(self, draw: tuple[int, int]) -> Sample:
        epoch, index = draw
        self._data.set_epoch(epoch)
        return self._data[index]


def loaded(
    data: TaskDataset,
    draws: Sequence[Draws],
    collate: Callable[..., Any],
    workers: int,
    pin: bool,
    *,
    rank: Rank,
    say: Say,
    endless: Iterable[Draws] | None = None,
) -> Iterator[Any]:
    """Batches of draws, read by `workers` processes, or by fewer where they would not find room for their batches.

    `endless`: batches to read in place of `draws`, which are like them. Raises `WorkerError` where no batch comes any
    more.
    """
    workers = affordable_workers(data, collate, workers, max(map(len, draws), default=0), rank, say)
    return read_ahead(_Drawn(data), collate, workers, pin, batch_sampler=draws if endless is None else endless)


def read_ahead(data: Dataset[Any], collate: Callable[..., Any], workers: int, pin: bool, **order: Any) -> Iterator[Any]:
    """Batches read by `workers` processes, in an order in the words of torch's `DataLoader` (`batch_sampler` ...).

    Raises `WorkerError` where no batch comes any more.
    """
    loader = DataLoader(
        data,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator().manual_seed(0),  # so that it takes nothing from the global one
        timeout=WORKER_TIMEOUT if workers else 0,
        prefetch_factor=PREFETCH if workers else None,
        **order,
    )
    return _watched(iter(loader)) if workers else iter(loader)


def _watched(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches, with a sentence in place of torch's words where the processes that read them are lost."""
    while True:
        try:
            yield next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if "DataLoader timed out" in str(error):
                what = f"delivered no batch in {WORKER_TIMEOUT:,.0f} seconds"
            elif any(word in str(error) for word in ("exited unexpectedly", "is killed by signal")):
                what = "ended unexpectedly"
            else:
                raise
            raise WorkerError(
                f"the processes that read images {what}; they may lack memory, or room in {SHARED_MEMORY}: fewer "
                "--workers need less, with --workers 0 images are read without them"
            ) from error


def affordable_workers(
    data: TaskDataset, collate: Callable[..., Any], workers: int, largest: int, rank: Rank, say: Say
) -> int:
    """How many of these processes find room in shared memory for the batches that they have ready.

    The room is judged by one sample; half of it is left to others, the rest shared by all training processes. Says so
    where fewer than asked for find room.
    """
    if not workers or not SHARED_MEMORY.is_dir() or not len(data):
        return workers
    free = shutil.disk_usage(SHARED_MEMORY).free
    if free > workers * rank.processes * 2**30:  # far more than any batch: nothing need be read to know
        return workers
    batch = max(1, largest * _bytes(collate([data[0]])))
    affordable = min(workers, int(free / 2 / rank.processes / ((PREFETCH + 1) * batch)))
    if affordable < workers:
        say(
            f"  {affordable} of {workers} processes read images: {SHARED_MEMORY} has {free / 1e6:,.0f} MB free and a "
            f"batch takes {batch / 1e6:,.0f} MB (docker run --shm-size gives more)"
        )
    return affordable


def _bytes(value: Any) -> int:
    """Bytes of all tensors in a collated batch."""
    if isinstance(value, Tensor):
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(_bytes(inner) for inner in value.values())
    return sum(_bytes(inner) for inner in value) if isinstance(value, list | tuple) else 0


def with_input_size(batch: Batch) -> Batch:
    """The batch with the height and width of its images, which heads may ask for."""
    return {"input_size": tuple(batch["image"].shape[-2:])} | batch


@dataclass(eq=False)
class TrainingBatches:
    """Training batches: from images, whose workers run ahead across epochs, or from stored trunk outputs.

    `length`: batches of an epoch where it is not one pass over the data but as many as it takes, the last one cut: with
    few labels, as many batches as all of them would have made. Each pass has an order and augmentations of its own.
    `stores`: the trunk's outputs, one store per fixed view, in place of the images.
    """

    data: TaskDataset
    recipe: Recipe
    seed: int
    rank: Rank
    collate: Collate
    workers: int
    pin: bool
    say: Say = _silent
    length: int | None = None
    stores: Sequence[Store] = ()
    _stream: Iterator[Batch] | None = field(default=None, init=False)

    def of_epoch(self, epoch: int) -> list[Draws]:
        """This process's batches of an epoch, as draws."""
        if self.length is None:
            return self._of_pass(epoch)
        draws: list[Draws] = []
        for number in range(self.length):
            if len(draws) < self.length and (more := self._of_pass(epoch * self.length + number)):
                draws += more
        return draws[: self.length]

    def _of_pass(self, number: int) -> list[Draws]:
        """This process's batches of a pass over the data."""
        view = number % self.recipe.train.views if self.recipe.train.views else number
        whole = self.data.batches(self.recipe.train.batch_size, self.seed, number)
        return [[(view, index) for index in portion(batch, self.rank)] for batch in whole]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; epochs are asked for in order."""
        draws = self.of_epoch(epoch)
        if self.stores:
            for batch in draws:
                samples = [self.stores[view][index] for view, index in batch]
                yield from_store(samples, self.stores[0], self.collate)["plain"]
            return
        if self._stream is None:
            self._stream = loaded(
                self.data, draws, self.collate, self.workers, self.pin, rank=self.rank, say=self.say,
                endless=self._from(epoch),
            )  # fmt: skip
        for _ in draws:
            yield with_input_size(next(self._stream))

    def _from(self, epoch: int) -> Iterator[Draws]:
        """The batches of this epoch and of all to come, one after another, without end."""
        for number in count(epoch):
            yield from self.of_epoch(number)

    def close(self) -> None:
        """End the workers, which hold a copy of the tables each."""
        self._stream = None


def from_store(samples: Sequence[StoredSample], store: Store, collate: Collate) -> dict[str, Batch]:
    """Stored samples as a batch per view, with `state` in place of pixels (`image` has no channels)."""
    height, width = store.input_size
    blank = torch.empty(0, height, width)
    batch = with_input_size(collate([stored.sample | {"image": blank} for stored in samples]))
    return {view: batch | {"state": stacked([stored.states[view] for stored in samples])} for view in samples[0].states}


def ordered_batches(samples: int, recipe: Recipe) -> list[list[int]]:
    """Testing in order: the same batches however many processes share them, so that results are equal to the bit.

    Where pictures differ in size a batch holds one, so that no prediction depends on the padding its neighbours need.
    """
    alone = recipe.input.fit in ("short_side", "as_is")
    size = 1 if alone else min(recipe.train.batch_size, TEST_BATCH)
    return [list(range(start, min(start + size, samples))) for start in range(0, samples, size)]


def batches_of_rank(batches: Sequence[list[int]], rank: Rank) -> list[list[int]]:
    """This process's batches: whole ones, in turn."""
    return list(batches[rank.rank :: rank.processes])
