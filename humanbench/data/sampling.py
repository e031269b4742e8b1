"""Randomness of training data that depends on nothing but (seed, epoch, index): no worker, no order, no process."""

from __future__ import annotations

import numpy as np


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of one sample's augmentations in one epoch (or fixed view)."""
    return np.random.default_rng((seed, epoch, index))


def mixed_seed(*numbers: int) -> int:
    """One seed for torch from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def shuffled_batches(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """An epoch in batches of `batch_size`, in an order of its own; every sample once.

    A remainder smaller than half a batch joins the batch before it, so that no batch is too small for batch statistics.

    >>> [len(batch) for batch in shuffled_batches(10, 4, seed=0, epoch=0)]
    [4, 4, 2]
    >>> [len(batch) for batch in shuffled_batches(9, 4, seed=0, epoch=0)]
    [4, 5]
    """
    order = np.random.default_rng((seed, epoch)).permutation(count).tolist()
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    if len(batches) > 1 and 2 * len(batches[-1]) < batch_size:
        batches[-2:] = [batches[-2] + batches[-1]]
    return batches
