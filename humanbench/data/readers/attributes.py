"""What the readers of attribute datasets share: the sample table, matching stored names with the card's, `dataset.pkl`.

In `dataset.pkl` the field's attribute toolchains (and the paper's) keep names, labels and partitions: a record of
`image_name`, `label` (N x A), `attr_name` and `partition`, whose splits are index arrays from 0, or lists of one array
per random partition. It stands in for the official annotation file where that one is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import below
from humanbench.data.readers.files import converted, expecting, load_pickle
from humanbench.data.readers.options import ReaderOptions
from humanbench.errors import DataError

PICKLE = "dataset.pkl"


class AttributeOptions(ReaderOptions):
    """`aliases` maps spellings in the file to the card's names."""

    aliases: dict[str, str] = Field(default_factory=dict)


def frame(card: DatasetCard, ids: Sequence[str], images: Sequence[str], labels: NDArray[Any], **extra: Any) -> Table:
    """The attribute table: `id, image`, one int8 column per attribute in the card's order, then the extra columns.

    `labels` is N x A with 1 present, 0 absent, -1 unknown.
    """
    import pandas as pd

    columns = pd.DataFrame(np.asarray(labels, np.int8), columns=list(card.labels.attributes))
    columns.insert(0, "id", list(ids))
    columns.insert(1, "image", list(images))
    for name, values in extra.items():
        columns[name] = values
    return columns


def binary(card: DatasetCard, path: Path, stored: NDArray[Any], coding: dict[int, int]) -> NDArray[np.int8]:
    """Stored codes as 1 / 0 / -1; a `DataError` names the file and the first code that the coding does not know."""
    result = np.full(stored.shape, -2, np.int8)
    for code, value in coding.items():
        result[stored == code] = value
    if (result == -2).any():
        row, column = (int(i[0]) for i in np.nonzero(result == -2))
        raise DataError(
            f"{card.id}: {path} holds {stored[row, column]} for attribute {card.labels.attributes[column]} in row "
            f"{row + 1}; the codes are {', '.join(map(str, coding))}"
        )
    return result


def order_of(card: DatasetCard, path: Path, names: Sequence[str]) -> list[int]:
    """For each attribute of the card, its position among the names that the file stores.

    Spelling may differ in case and punctuation; `aliases` of the card's reader options maps other spellings. A
    `DataError` names the attributes that have no counterpart: labels are never matched by position alone.
    """
    aliases: dict[str, str] = card.reader.options.get("aliases", {})
    position = {_plain(aliases.get(name, name)): i for i, name in enumerate(names)}
    wanted = {name: _plain(name) for name in card.labels.attributes}
    missing = [name for name, plain in wanted.items() if plain not in position]
    if missing or len(position) != len(names):
        raise DataError(
            f"{card.id}: {path} does not name the attributes of this dataset; not found: {', '.join(missing) or 'none'}"
            f" (it has {', '.join(names)})"
        )
    return [position[plain] for plain in wanted.values()]


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def pickled_table(
    card: DatasetCard, split: str, root: Path, images: Path, coding: dict[int, int], partition: int = 0
) -> Table:
    """The split's table of `dataset.pkl`; attributes are matched by name, the id is the file name of the image."""
    path = root / PICKLE
    content = load_pickle(card, path)
    expected = f"image_name, attr_name, label and partition with the indices of {split!r}"
    with expecting(f"{card.id}: {path}: expected {expected}, found "):
        names = [PurePosixPath(str(name)).name for name in content["image_name"]]
        attributes = [str(name) for name in content["attr_name"]]
        labels, parts = np.asarray(content["label"]), content["partition"][split]
        rows = _rows(parts, partition)
        chosen, stored = [names[row] for row in rows], labels[rows][:, order_of(card, path, attributes)]
    table = frame(card, chosen, below(images, chosen), binary(card, path, stored, coding))
    return converted(card, split, table, path, whole=True)


def _rows(parts: Any, partition: int) -> Sequence[int]:
    """The indices of a split: one array, or one per partition."""
    several = isinstance(parts, list | tuple) and len(parts) > 0 and np.ndim(parts[0]) == 1
    return [int(row) for row in np.ravel(parts[partition] if several else parts)]
