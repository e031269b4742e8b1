"""Few labels: which people, identities or pictures a fraction of the training data holds.

The lists are fixed: they are a function of the dataset's id, the draw and the ids in the training splits, by SHA-256,
and of the labels where they are drawn in their shares. No generator, no order of files and no machine has a part in
them. The fractions of a draw are nested: the 1 % lies in its 10 %, those in its 25 %.

Shares of labels are kept by dealing units out as iterative stratification does (Sechidis, Tsoumakas and Vlahavas, On
the Stratification of Multi-Label Data, ECML PKDD 2011): the label that is left least often comes first. Other than
there, the size of a list is exact; a unit is taken where its labels together, rare ones counting more, have been taken
less often than their share of those dealt out, which keeps the shares of many labels nearer; and units come in the
order of their hashes instead of at random. All arithmetic is in whole numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from humanbench.arrays import Bools
from humanbench.cards import DatasetCard, load_card
from humanbench.data import Table
from humanbench.errors import DataError, HumanbenchError
from humanbench.tasks.registry import task_for

FRACTIONS = (0.01, 0.1, 0.25)
DRAWS = (0, 1, 2)

_PERCENT = tuple(round(100 * fraction) for fraction in FRACTIONS)
_ONE = 2**32
"""What weights of labels are parts of; with a million units and a thousand labels sums stay below 2^63."""


@dataclass(frozen=True, order=True)
class FewLabels:
    """A fraction of the training data, and which of its lists.

    >>> FewLabels(0.1, 2).text, FewLabels(0.1, 2).name
    ('10 % of the labels, draw 2', 'few10-2')
    """

    fraction: float
    draw: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.fraction, bool) or self.fraction not in FRACTIONS:
            known = ", ".join(f"{fraction:g}" for fraction in FRACTIONS)
            raise HumanbenchError(f"--fraction {self.fraction}: lists are drawn for {known}; leave it out for all")
        if type(self.draw) is not int or self.draw not in DRAWS:
            raise HumanbenchError(f"--draw {self.draw}: lists are drawn {len(DRAWS)} times, 0 to {DRAWS[-1]}")

    @property
    def percent(self) -> int:
        return _PERCENT[FRACTIONS.index(self.fraction)]

    @property
    def text(self) -> str:
        return f"{self.percent} % of the labels, draw {self.draw}"

    @property
    def name(self) -> str:
        """As a part of names of files."""
        return f"few{self.percent}-{self.draw}"


def drawn_tables(few: FewLabels, tables: Mapping[str, Table]) -> dict[str, Table]:
    """Of training tables the rows that a draw holds, each dataset's drawn on its own.

    Raises `DataError` where they are too few to train on: fewer than two units, or a label that all of the tables have
    and the drawn ones have not.
    """
    drawn: dict[str, Table] = {}
    for name in dict.fromkeys(str(table.attrs["dataset"]) for table in tables.values()):
        dataset_tables = {split: table for split, table in tables.items() if table.attrs["dataset"] == name}
        drawn |= _of_dataset(load_card(name), few, dataset_tables)
    return {split: drawn[split] for split in tables}


def unit_names(tables: Mapping[str, Table]) -> list[str]:
    """The units of training tables as they are drawn, sorted, each under its dataset's id."""
    named: set[str] = set()
    for table in tables.values():
        card = load_card(str(table.attrs["dataset"]))
        named |= {f"{card.id}/{unit}" for unit in task_for(card).labels.units(card, table)}
    return sorted(named)


def _of_dataset(card: DatasetCard, few: FewLabels, tables: Mapping[str, Table]) -> dict[str, Table]:
    labels = task_for(card).labels
    by_row = {split: labels.units(card, table) for split, table in tables.items()}
    every = sorted({unit for units in by_row.values() for unit in units})
    marks = _marks(every, [(by_row[split], labels.strata(card, table)) for split, table in tables.items()])
    places = dict(zip(_PERCENT, lists(card.id, few.draw, every, marks), strict=True))

    def chosen(percent: int) -> dict[str, Table]:
        units = {every[place] for place in places[percent]}
        return {split: _only(table, [unit in units for unit in by_row[split]]) for split, table in tables.items()}

    def problem(percent: int) -> str:
        count = len(places[percent])
        if count < 2:
            return f"are {count} of {len(every):,}, and training needs 2"
        lack = labels.lack(card, chosen(percent), tables)
        return f"({count:,} of {len(every):,}) show {lack}" if lack else ""

    if reason := problem(few.percent):
        larger = [p for p in _PERCENT if p > few.percent and not problem(p)]
        mend = f"give --fraction {larger[0] / 100:g}" if larger else "leave --fraction out"
        raise DataError(f"{card.id}: {few.percent} % of the training {labels.unit} {reason}; {mend}")
    return chosen(few.percent)


def _only(table: Table, keep: Sequence[bool]) -> Table:
    """Some rows of a table, with what it says of itself."""
    part = table[np.array(keep, bool)].reset_index(drop=True)
    part.attrs = dict(table.attrs)
    if "image_ids" in part.attrs:
        there = set(part["image_id"])
        part.attrs["image_ids"] = [name for name in part.attrs["image_ids"] if name in there]
    return part


def _marks(every: Sequence[str], parts: Sequence[tuple[Sequence[str], Bools]]) -> Bools:
    """Units x labels: which labels any row of a unit has."""
    place = {unit: number for number, unit in enumerate(every)}
    marks = np.zeros((len(every), parts[0][1].shape[1] if parts else 0), bool)
    for units, rows in parts:
        for unit, row in zip(units, rows, strict=True):
            marks[place[unit]] |= row
    return marks


def lists(dataset: str, draw: int, units: Sequence[str], marks: Bools) -> list[list[int]]:
    """Places of the units that each fraction holds; a smaller one is drawn from the next larger, the largest from all.

    `units`: N different names, in sorted order. `marks`: N x L, the labels of each. Lists hold 1 %, 10 % and 25 % of N,
    rounded half up. Without labels the units come in the order of their hashes.
    """
    hashes = [(hashlib.sha256(f"{dataset}\n{draw}\n{unit}".encode()).hexdigest(), unit) for unit in units]
    places = sorted(range(len(units)), key=hashes.__getitem__)
    drawn: list[list[int]] = []
    for percent in reversed(_PERCENT):
        places = _part(places, marks, (percent * len(units) + 50) // 100)
        drawn.append(places)
    return drawn[::-1]


def _part(order: Sequence[int], marks: Bools, size: int) -> list[int]:
    """So many of these units, in their order, with each label in the share that it has among all of them."""
    places, labels = np.array(order, np.int64), marks[np.array(order, np.int64)]
    count, totals = len(order), labels.sum(axis=0, dtype=np.int64)
    weights = _ONE // np.maximum(totals, 1)
    dealt, given = np.zeros_like(totals), np.zeros_like(totals)
    waiting, chosen = np.ones(count, bool), np.zeros(count, bool)
    room = [count - size, size]
    while (left := totals - dealt).any():
        label = int(np.where(left > 0, left, count + 1).argmin())
        for row in np.flatnonzero(waiting & labels[:, label]).tolist():
            has = labels[row]
            lacking = int((weights[has] * (dealt[has] * size - given[has] * count)).sum())
            take = int(lacking >= 0) if all(room) else int(room[1] > 0)
            waiting[row], chosen[row] = False, bool(take)
            room[take] -= 1
            dealt += has
            given += has & bool(take)
    chosen[np.flatnonzero(waiting)[: room[1]]] = True
    return [int(place) for place in places[chosen]]
