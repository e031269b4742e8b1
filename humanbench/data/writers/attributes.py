"""What the writers of attribute datasets share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Ints
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import below
from humanbench.data.writers import Save


def labels_of(card: DatasetCard, table: Table, unknown: int) -> NDArray[np.int8]:
    """The labels of a table, N x A, with -1 replaced by what a format that cannot say "unknown" holds instead."""
    labels = table[list(card.labels.attributes)].to_numpy(np.int8)
    return np.where(labels < 0, unknown, labels).astype(np.int8)


def boxes_of(table: Table) -> list[list[float]]:
    """The column `bbox` [x, y, w, h], or the whole picture where a table has none."""
    if "bbox" in table:
        return [[float(v) for v in box] for box in table["bbox"]]
    return [[0.0, 0.0, float(width), float(height)] for width, height in table["size"]]


def one_hot_codes(card: DatasetCard, table: Table) -> dict[str, Ints]:
    """For each group of the card, the position of the attribute that holds (the first, if several do)."""
    return {
        group: table[list(names)].to_numpy().argmax(axis=1).astype(np.int64)
        for group, names in card.labels.groups.items()
    }


def from_codes(card: DatasetCard, codes: Mapping[str, Ints]) -> NDArray[np.int8]:
    """The one-hot columns of all groups."""
    return np.concatenate([np.eye(len(card.labels.groups[g]), dtype=np.int8)[c] for g, c in codes.items()], axis=1)


def save_pictures(table: Table, folder: Path, names: Sequence[str], save: Save) -> list[str]:
    """Store the picture of each row under its name in the folder; the paths."""
    for image, name in zip(table["image"], names, strict=True):
        save(image, folder / name)
    return below(folder, names)
