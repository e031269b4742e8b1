"""RAP v2: one MATLAB struct with all images, 152 attributes of which 54 are selected, and five random partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import below, need
from humanbench.data.readers.attributes import PICKLE, AttributeOptions, binary, frame, order_of, pickled_table
from humanbench.data.readers.files import expecting_structure, load_mat
from humanbench.data.readers.matlab import numbers, peel, texts
from humanbench.errors import DataError

V1_IMAGES = 41_585
ANNOTATION = ("RAP_annotation/RAP_annotation.mat", "RAP_annotation.mat")


class Rapv2Options(AttributeOptions):
    """Which of the random partitions, from 0; what "uncertain" counts as."""

    partition: int
    uncertain: Literal[-1, 0, 1]


OPTIONS = Rapv2Options


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image` and the selected attributes, for partition `partition` of the card's reader options.

    Attributes are taken by their names in the file. The stored value 2 (uncertain) becomes the option `uncertain`.
    """
    options = Rapv2Options.of(card)
    coding = {0: 0, 1: 1, 2: options.uncertain}
    path = need(card, root, *ANNOTATION, PICKLE)
    images = need(card, root, "RAP_dataset")
    if path.name == PICKLE:
        return pickled_table(card, split, root, images, coding, options.partition)
    content = load_mat(card, path, ["RAP_annotation"])
    with expecting_structure(card, path, "the structure of RAP_annotation.mat"):
        record = peel(content["RAP_annotation"])
        _refuse_version_1(card, path, record)
        names = texts(record["name"])
        selected = numbers(record["selected_attribute"]) - 1
        attributes = [texts(record["attribute"])[i] for i in selected]
        stored = np.asarray(record["data"])[:, selected]
        rows = partition(record, options.partition, split)
        names, stored = [names[i] for i in rows], stored[rows]
    labels = binary(card, path, stored[:, order_of(card, path, attributes)], coding)
    return frame(card, names, below(images, names), labels)


def _refuse_version_1(card: DatasetCard, path: Path, record: Any) -> None:
    """Version 1 of the dataset has an annotation file of the same name, with other fields and fewer images."""
    fields = record.dtype.names or () if isinstance(record, np.void) else tuple(record)
    if any(V1_IMAGES in np.shape(record[field]) for field in fields):
        raise DataError(
            f"{card.id}: {path} is the annotation of RAP version 1 ({V1_IMAGES:,} images); this dataset is version 2, "
            "which has 84,928"
        )


def partition(record: Any, number: int, split: str) -> np.ndarray:
    """Row numbers, from 0, of a split in the numbered partition (both from 0)."""
    cell = np.asarray(record["partition_attribute"]).ravel()[number]
    return numbers(peel(cell)[f"{split}_index"]) - 1
