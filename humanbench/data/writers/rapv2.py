"""Writes RAP v2: images and RAP_annotation.mat with 152 attributes, 54 of them selected, and five partitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.matlab import cells
from humanbench.data.readers.rapv2 import ANNOTATION, Rapv2Options
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.attributes import labels_of, save_pictures
from humanbench.data.writers.files import save_mat

ATTRIBUTES = 152
PARTITIONS = 5


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Unknown labels are stored as 2 and come back as the card's option `uncertain`.

    The attributes that are not selected have placeholder names and hold 0; all partitions are the same. Fields of the
    original that nothing here reads (identities, boxes, the ReID partition) are left out.
    """
    selected = np.arange(len(card.labels.attributes)) * 2 + 1  # spread over the 152 columns, counted from 0
    names: list[str] = []
    index: dict[str, np.ndarray] = {}
    blocks, written = [], {}
    for split, table in tables.items():
        first = len(names)
        files = [
            f"CAM01-2014-02-15-20140215161032-20140215162620-tarid{first + i}-frame218-line1.png"
            for i in range(len(table))
        ]
        paths = save_pictures(table, root / "RAP_dataset", files, save)
        names += files
        index[split] = np.arange(first, len(names)) + 1
        blocks.append(labels_of(card, table, unknown=2))
        read_back = labels_of(card, table, unknown=Rapv2Options.of(card).uncertain)
        written[split] = frame(card, files, paths, read_back)
    data = np.zeros((len(names), ATTRIBUTES), np.uint8)
    data[:, selected] = np.concatenate(blocks)
    save_mat(root / ANNOTATION[0], {"RAP_annotation": _annotation(card, names, data, selected, index)})
    return written


def _annotation(
    card: DatasetCard, names: list[str], data: np.ndarray, selected: np.ndarray, index: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    stored_name = {new: old for old, new in Rapv2Options.of(card).aliases.items()}
    attributes = [f"unselected-{i + 1}" for i in range(ATTRIBUTES)]
    for column, name in zip(selected, card.labels.attributes, strict=True):
        attributes[column] = stored_name.get(name, name)
    partition = {f"{split}_index": rows.reshape(1, -1) for split, rows in index.items()}
    return {
        "name": cells(names),
        "attribute": cells(attributes),
        "data": data,
        "selected_attribute": (selected + 1).reshape(1, -1),
        "partition_attribute": cells([partition] * PARTITIONS).T,
    }
