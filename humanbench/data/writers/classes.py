"""Class indices of boxes for formats whose ignored boxes are boxes of other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from humanbench.arrays import Bools, Ints
from humanbench.cards import DatasetCard


def class_indices(card: DatasetCard, person: Sequence[str], row: Mapping[str, Any]) -> tuple[Ints, Bools]:
    """`labels` and the `ignore` that follows from them, for a table row.

    Without a `labels` cell, people get the first class of `person` and ignored boxes the first other class.
    """
    people = [card.labels.classes.index(name) for name in person]
    if row.get("labels") is not None:
        labels = np.asarray(row["labels"], np.int64).reshape(-1)
    else:
        other = next(i for i in range(len(card.labels.classes)) if i not in people)
        labels = np.where(np.asarray(row["ignore"], bool).reshape(-1), other, people[0]).astype(np.int64)
    return labels, ~np.isin(labels, people)
