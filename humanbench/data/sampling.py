"""Randomness of training data that depends on nothing but (seed, epoch, index): no worker, no order, no process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of one sample's augmentations in one epoch (or fixed view)."""
    return np.random.default_rng((seed, epoch, index))


def mixed_seed(*numbers: int) -> int:
    """One seed for torch from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


class Batches(Sequence[list[int]]):
    """Slices of one array of indices as lists, made when they are asked for; batch `i` begins at `starts[i]`."""

    def __init__(self, order: NDArray[np.int64], starts: Sequence[int]) -> None:
        self._order, self._bounds = order, [*starts, len(order)]

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, index: int) -> list[int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[int]]: ...
    def __getitem__(self, index: int | slice) -> list[int] | list[list[int]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        batch: list[int] = self._order[self._bounds[place] : self._bounds[place + 1]].tolist()
        return batch


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> Batches:
    """An epoch in batches of `batch_size`, in an order of its own; every sample once.

    A remainder smaller than half a batch joins the batch before it, so that no batch is too small for batch statistics.

    >>> [len(batch) for batch in shuffled_batches(10, 4, seed=0, epoch=0)]
    [4, 4, 2]
    >>> [len(batch) for batch in shuffled_batches(9, 4, seed=0, epoch=0)]
    [4, 5]
    """
    starts = range(0, count, batch_size)
    if len(starts) > 1 and 2 * (count - starts[-1]) < batch_size:
        starts = starts[:-1]
    return Batches(np.random.default_rng((seed, epoch)).permutation(count), starts)
