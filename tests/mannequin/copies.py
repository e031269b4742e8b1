"""Procedural copies of all datasets with the generator's own record of them, and matching the one to the other."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from humanbench.cards import DatasetCard, load_card
from humanbench.data.mannequin import suite
from humanbench.data.mannequin.pool import workers

SCALE = 0.01
"""Every split has its least number of pictures."""


@dataclass(frozen=True)
class Copies:
    """Procedural copies below a data root, made when they are first asked for, and their records."""

    root: Path
    pictures: Path
    records: dict[str, dict[str, pd.DataFrame]]

    def record(self, name: str) -> tuple[DatasetCard, dict[str, pd.DataFrame]]:
        """The card, and the tables as they were before the writer got them; `image` is the stored JPEG."""
        card = load_card(name)
        if name not in self.records:
            folder = self.pictures / name
            folder.mkdir(parents=True)
            with workers(1) as pool:
                tables = suite.record(card, pool, folder, SCALE)
                self.records[name] = deepcopy(tables)
                suite.write_copy(card, tables, self.root, pool, SCALE, seed=0)
        return card, self.records[name]


@cache
def content(path: str) -> str:
    """What a picture shows: equal for a JPEG and its lossless conversion."""
    with Image.open(path) as picture:
        return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()


def matched(read: pd.DataFrame, record: pd.DataFrame) -> list[tuple[Any, Any]]:
    """Pairs (read, recorded) of pictures: the rows of each as lists, in the order of the record.

    Both sides show the same pictures, whatever they are called, or this fails.
    """
    ours: dict[str, list[Any]] = {}
    for row in record.to_dict("records"):
        ours.setdefault(content(str(row["image"])), []).append(row)
    theirs: dict[str, list[Any]] = {}
    for row in read.to_dict("records"):
        theirs.setdefault(content(row["image"]), []).append(row)
    assert theirs.keys() <= ours.keys(), "the reader returns pictures that were never taken"
    return [(theirs.get(key, []), rows) for key, rows in ours.items()]


def stack(rows: list[Any], column: str) -> np.ndarray:
    """A column of rows as one float array."""
    return np.array([np.asarray(row[column], float) for row in rows])
