"""PETA in the form that all attribute work uses: renumbered images and the PETA.mat of the RAP authors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import below, need
from humanbench.data.readers.attributes import PICKLE, AttributeOptions, binary, frame, order_of, pickled_table
from humanbench.data.readers.files import expecting_structure, load_mat
from humanbench.data.readers.matlab import numbers, peel, texts

CODING = {0: 0, 1: 1}
METADATA = 4
"""Columns of the data matrix before the first attribute."""

PARTS = ("train", "val", "test")
"""Order of the index vectors in a partition."""


class PetaOptions(AttributeOptions):
    """Which of the random partitions, from 0."""

    partition: int


OPTIONS = PetaOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image` and the 35 selected attributes, the first 35 of 105, for the card's partition.

    The struct is read by position (data, names, -, partitions), as its field names differ between copies. Row i of the
    data belongs to the image numbered i, from 1, in five digits.
    """
    path = need(card, root, "PETA.mat", "peta.mat", "Peta.mat", PICKLE)
    images = need(card, root, "images")
    if path.name == PICKLE:
        return pickled_table(card, split, root, images, CODING, PetaOptions.of(card).partition)
    content = load_mat(card, path)
    selected = len(card.labels.attributes)
    with expecting_structure(card, path, "the structure of PETA.mat"):
        record = peel(content["peta"])
        data = np.asarray(record[0])[:, METADATA : METADATA + selected]
        names = texts(record[1])[:selected]
        cell = np.asarray(record[3]).ravel()[PetaOptions.of(card).partition]
        rows = numbers(peel(cell)[PARTS.index(split)]) - 1
        stored = data[rows]
    labels = binary(card, path, stored[:, order_of(card, path, names)], CODING)
    files = [f"{row + 1:05d}.png" for row in rows]
    return frame(card, files, below(images, files), labels)
