"""Writes PA-100K: numbered images and annotation.mat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.matlab import cells
from humanbench.data.readers.pa100k import ANNOTATIONS, IMAGES
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.attributes import labels_of, save_pictures
from humanbench.data.writers.files import save_mat


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Names run on over train, val and test, as in the original; unknown labels become absent."""
    content: dict[str, Any] = {"attributes": cells(card.labels.attributes)}
    written = {}
    count = 0
    for split in card.splits:
        table = tables.get(split, next(iter(tables.values())).iloc[:0])
        names = [f"{count + i:06d}.jpg" for i in range(1, len(table) + 1)]
        count += len(table)
        paths = save_pictures(table, root / IMAGES[0], names, save)
        labels = labels_of(card, table, unknown=0)
        content[f"{split}_images_name"] = cells(names)
        content[f"{split}_label"] = labels.astype(np.uint8)
        if split in tables:
            written[split] = frame(card, names, paths, labels)
    save_mat(root / ANNOTATIONS[0], dict(sorted(content.items())))
    return written
