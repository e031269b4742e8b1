"""`dataset.pkl`, in which the field's attribute toolchains (and the paper's) keep names, labels and partitions.

A record of `image_name`, `label` (N x A), `attr_name` and `partition`, whose splits are index arrays from 0, or lists
of one array per random partition. It stands in for the official annotation file where that one is not there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.attributes import binary, frame, order_of
from humanbench.data.readers.conversions import converted
from humanbench.data.readers.pickles import load_pickle
from humanbench.errors import DataError

NAME = "dataset.pkl"


def pickled_table(
    card: DatasetCard, split: str, root: Path, images: Path, coding: dict[int, int], partition: int = 0
) -> Table:
    """The split's table of this file; attributes are matched by name, the id is the file name of the image."""
    path = root / NAME
    content = load_pickle(card, path)
    try:
        names = [PurePosixPath(str(name)).name for name in content["image_name"]]
        attributes = [str(name) for name in content["attr_name"]]
        labels, parts = np.asarray(content["label"]), content["partition"][split]
        rows = _rows(parts, partition)
        chosen, stored = [names[row] for row in rows], labels[rows][:, order_of(card, path, attributes)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{card.id}: {path}: expected image_name, attr_name, label and partition with the indices of {split!r}, "
            f"found {type(error).__name__}: {error}"
        ) from error
    base = f"{images}{os.sep}"
    table = frame(card, chosen, [base + name for name in chosen], binary(card, path, stored, coding))
    return converted(card, split, table, path, whole=True)


def _rows(parts: Any, partition: int) -> Sequence[int]:
    """The indices of a split: one array, or one per partition."""
    several = isinstance(parts, list | tuple) and len(parts) > 0 and np.ndim(parts[0]) == 1
    return [int(row) for row in np.ravel(parts[partition] if several else parts)]
