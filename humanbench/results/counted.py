"""How many cells of a column each one lies surely above and below, as `humanbench.results.apart` has it.

Pairs are as many as the square of the cells: of a thousand a million, of five thousand 25 million. So cells that are
like each other are put into blocks, and two blocks are judged first, by bounds of the differences of all their cells
and of what these must reach. Pair by pair are judged only cells of blocks for which the bounds leave it open. The
counts are those of judging every pair.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from humanbench.arrays import Bools, Ints
from humanbench.results.apart import ColumnNumbers

BLOCK = 16
"""Cells of a block."""
_STEPS = np.linspace(0, 1, 17)
"""Quantiles of the size of the intervals, between which cells are sorted by value."""
_AT_ONCE = 1 << 19
"""Pairs that are judged in one go: what memory they take does not grow with the cells."""


def surely_counts(numbers: ColumnNumbers) -> tuple[Ints, Ints]:
    """By cell, above how many others it lies surely, and below how many."""
    size = len(numbers.values)
    above, below = np.zeros(size, np.int64), np.zeros(size, np.int64)
    if size:
        order = _alike(numbers)
        starts = np.arange(0, size, BLOCK)
        sizes = np.diff(np.append(starts, size))
        of_block = np.zeros((2, len(starts)), np.int64)
        for more, less, sure in _blocks_judged(numbers, order, starts):
            np.add.at(of_block[0], more[sure], sizes[less[sure]])
            np.add.at(of_block[1], less[sure], sizes[more[sure]])
            _count_pairs(numbers, order, more[~sure], less[~sure], above, below)
        above[order] += np.repeat(of_block[0], sizes)
        below[order] += np.repeat(of_block[1], sizes)
    return above, below


def _alike(numbers: ColumnNumbers) -> Ints:
    """Cells so that neighbours are like each other: in few steps by how far another of its kind must lie from it,
    then by value."""
    every = np.arange(len(numbers.values))
    reach = numbers.least(every, every)
    steps = np.searchsorted(np.quantile(reach, _STEPS, method="nearest"), reach)
    return np.lexsort((numbers.values, steps))


def _blocks_judged(numbers: ColumnNumbers, order: Ints, starts: Ints) -> Iterator[tuple[Ints, Ints, Bools]]:
    """Pairs of blocks in which a cell of the first may lie surely above one of the second, and whether all do."""
    values = numbers.values[order]
    lowest, highest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    wide, narrow = numbers.bounds(order, starts, wide=True), numbers.bounds(order, starts, wide=False)
    every = np.arange(len(starts))
    rows = max(1, _AT_ONCE // len(starts))
    for first in range(0, len(starts), rows):
        here = every[first : first + rows, None]
        with np.errstate(over="ignore"):
            more, less = np.nonzero(highest[here] - lowest > narrow.least(every[None, :], here))
            more += first
            sure = lowest[more] - highest[less] > wide.least(less, more)
        yield more, less, sure


def _count_pairs(numbers: ColumnNumbers, order: Ints, more: Ints, less: Ints, above: Ints, below: Ints) -> None:
    """Add to `above` and `below` what pairs of blocks come to, cell by cell."""
    places = np.full(-(-len(order) // BLOCK) * BLOCK, -1)  # -1: no cell
    places[: len(order)] = order
    blocks = places.reshape(-1, BLOCK)
    for first in range(0, len(more), _AT_ONCE // BLOCK**2):
        part = slice(first, first + _AT_ONCE // BLOCK**2)
        high, low = blocks[more[part]], blocks[less[part]]
        surely = numbers.surely_above(high[:, :, None], low[:, None, :])
        surely &= (high >= 0)[:, :, None] & (low >= 0)[:, None, :]
        np.add.at(above, high, surely.sum(axis=2))
        np.add.at(below, low, surely.sum(axis=1))
