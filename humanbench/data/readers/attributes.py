"""What the readers of attribute datasets share: the sample table, and matching stored names with the card's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.errors import DataError

UNKNOWN = -1


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
