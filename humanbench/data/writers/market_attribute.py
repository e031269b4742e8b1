"""Writes Market-1501 Attribute: Market-1501's folders and market_attribute.mat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.market_attribute import AGES, ARCHIVE, MarketAttributeOptions
from humanbench.data.readers.matlab import cells
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.attributes import labels_of, save_pictures
from humanbench.data.writers.files import save_mat

_FIRST = ("age", "backpack", "bag", "handbag")
_DOWN = ("black", "blue", "brown", "gray", "green", "pink", "purple", "white", "yellow")
_UP = ("black", "blue", "green", "gray", "purple", "red", "white", "yellow")
FIELDS = {
    "test": (
        *_FIRST, "clothes", "down", "up", "hair", "hat", "gender",
        *(f"up{c}" for c in ("black", "white", "red", "purple", "yellow", "gray", "blue", "green")),
        *(f"down{c}" for c in ("black", "white", "pink", "purple", "yellow", "gray", "blue", "green", "brown")),
    ),
    "train": (
        *_FIRST, *(f"down{c}" for c in _DOWN), *(f"up{c}" for c in _UP),
        "clothes", "down", "up", "hair", "hat", "gender",
    ),
}  # fmt: skip
"""Field orders of the original, which differ between its two parts."""


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Optional column `pid`: rows of one identity get the labels of its first row; without it each row is a person.

    Unknown labels become absent, and exactly one age is stored: the first that holds, else adult.
    """
    written, parts = {}, {}
    people = 0
    for split, table in tables.items():
        pids = list(table["pid"]) if "pid" in table else list(range(people + 1, people + len(table) + 1))
        people += len(table)
        folder = MarketAttributeOptions.of(card).folders[split]
        names = [f"{folder}/{pid:04d}_c1s1_{i:06d}_00.jpg" for i, pid in enumerate(pids)]
        paths = save_pictures(table, root / ARCHIVE, names, save)
        labels = _one_age(card, labels_of(card, table, unknown=0))
        first = {pid: row for row, pid in reversed(list(enumerate(pids)))}
        labels = labels[[first[pid] for pid in pids]]
        out = frame(card, names, paths, labels, pid=pids)
        written[split] = out.sort_values("id").reset_index(drop=True)
        parts[split] = _struct(card, split, labels, first)
    save_mat(root / "market_attribute.mat", {"market_attribute": parts})
    return written


def _one_age(card: DatasetCard, labels: np.ndarray) -> np.ndarray:
    columns = [card.labels.attributes.index(age) for age in AGES]
    chosen = labels[:, columns].argmax(axis=1)
    chosen[labels[:, columns].sum(axis=1) == 0] = AGES.index("adult")
    out = labels.copy()
    out[:, columns] = np.eye(len(AGES), dtype=labels.dtype)[chosen]
    return out


def _struct(card: DatasetCard, split: str, labels: np.ndarray, first: dict[int, int]) -> dict[str, np.ndarray]:
    """1 x P uint8 codes per field, and the identities as four-digit strings."""
    pids = sorted(first)
    of = {name: labels[[first[p] for p in pids], i] for i, name in enumerate(card.labels.attributes)}
    ages = np.stack([of[age] for age in AGES]).argmax(axis=0)
    struct = {
        field: (ages if field == "age" else of[field]).astype(np.uint8).reshape(1, -1) + np.uint8(1)
        for field in FIELDS[split]
    }
    return {**struct, "image_index": cells([f"{pid:04d}" for pid in pids]).T}
