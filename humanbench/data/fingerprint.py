"""A fingerprint of what a dataset says, whatever the machine and the folder it lies in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.labels import load_label
from humanbench.hashing import joined_bytes
from humanbench.tasks.registry import task_for

if TYPE_CHECKING:
    import pandas as pd

MAPS = 64
"""How many label maps of a split are hashed: evenly spaced over the sorted ids, the first and the last among them."""

HUNDREDTHS = 100


def fingerprint(card: DatasetCard, tables: Mapping[str, pd.DataFrame]) -> str:
    """SHA-256 (hexadecimal) over the sample tables of these splits, in the order given.

    The digest takes, as UTF-8 and without anything in between: `split <name> <rows>` and a line feed; the ids, sorted
    by code point, each followed by a line feed; then for each label column in the order of `Task.identity_columns`
    `column <name>` and a line feed, how many numbers each row has and then all numbers, both as little-endian int64.
    Numbers are hundredths, rounded half to even; what is not finite is the least int64. Of label maps the column
    `label` has for `MAPS` evenly spaced rows the shape of the map (two little-endian int64) and its class indices
    (uint8, row by row).
    """
    digest, task = hashlib.sha256(), task_for(card)
    for split, table in tables.items():
        ids = table["id"].astype(str).to_numpy(object)
        order = np.argsort(ids, kind="stable")
        digest.update(f"split {split} {len(table)}\n".encode())
        for part in joined_bytes(f"{ids[row]}\n" for row in order):
            digest.update(part)
        for name in task.identity_columns(card):
            digest.update(f"column {name}\n".encode())
            for part in _numbers(table[name].iloc[order]):
                digest.update(part.astype("<i8").tobytes())
        if task.label_maps:
            digest.update(b"column label\n")
            for part in _maps(card, table["label"].iloc[order]):
                digest.update(part)
    return digest.hexdigest()


def _numbers(column: pd.Series[Any]) -> tuple[Any, Any]:
    """Numbers per row, and all numbers in hundredths."""
    if column.dtype != object:
        return np.ones(len(column), np.int64), _hundredths(column.to_numpy())
    cells = [np.ravel(cell) for cell in column]
    lengths = np.array([len(cell) for cell in cells], np.int64)
    return lengths, _hundredths(np.concatenate([*cells, np.zeros(0)]))


def _hundredths(values: Any) -> Any:
    scaled = np.rint(np.asarray(values, np.float64) * HUNDREDTHS)
    finite = np.isfinite(scaled)
    return np.where(finite, np.where(finite, scaled, 0).astype(np.int64), np.iinfo(np.int64).min)


def _maps(card: DatasetCard, column: pd.Series[Any]) -> Iterable[bytes]:
    positions = np.unique(np.linspace(0, len(column) - 1, min(len(column), MAPS)).round().astype(int))
    for position in positions:
        classes = load_label(card, column.iloc[position])
        yield np.array(classes.shape, "<i8").tobytes()
        yield np.ascontiguousarray(classes, np.uint8).tobytes()
