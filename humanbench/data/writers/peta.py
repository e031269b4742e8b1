"""Writes PETA: numbered images and PETA.mat with 105 attributes, the first 35 selected, and five partitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.matlab import cells
from humanbench.data.readers.peta import METADATA, PARTS
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.attributes import labels_of, save_pictures
from humanbench.data.writers.files import save_mat

ATTRIBUTES = 105
PARTITIONS = 5


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Unknown labels become absent; attributes beyond the selected have placeholder names and hold 0.

    All partitions are the same. The struct's field names are ours: only positions are certain.
    """
    count = 0
    index = {part: np.zeros((0, 1), np.uint16) for part in PARTS}
    blocks, written = [], {}
    for split, table in tables.items():
        files = [f"{count + i:05d}.png" for i in range(1, len(table) + 1)]
        index[split] = np.arange(count + 1, count + len(table) + 1, dtype=np.uint16).reshape(-1, 1)
        count += len(table)
        paths = save_pictures(table, root / "images", files, save)
        labels = labels_of(card, table, unknown=0)
        blocks.append(labels)
        written[split] = frame(card, files, paths, labels)
    names = [
        *card.labels.attributes,
        *(f"unselected{i}" for i in range(len(card.labels.attributes) + 1, ATTRIBUTES + 1)),
    ]
    data = np.zeros((count, METADATA + ATTRIBUTES))
    data[:, 0] = np.arange(1, count + 1)
    data[:, METADATA : METADATA + len(card.labels.attributes)] = np.concatenate(blocks)
    partitions = cells([{f"{part}_index": index[part] for part in PARTS}] * PARTITIONS)
    selected = np.arange(1.0, len(card.labels.attributes) + 1).reshape(-1, 1)
    content = {"data": data, "attribute": cells(names), "selected": selected, "partition": partitions}
    save_mat(root / "PETA.mat", {"peta": content})
    return written
