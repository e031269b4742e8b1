"""RAP v2: one MATLAB struct with all images, 152 attributes of which 54 are selected, and five random partitions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from humanbench.cards import DatasetCard
from humanbench.data.readers import need
from humanbench.data.readers.attributes import binary, frame, order_of
from humanbench.data.readers.files import foreign_structure, load_mat
from humanbench.data.readers.matlab import numbers, peel, texts
from humanbench.data.readers.options import ReaderOptions

if TYPE_CHECKING:
    import pandas as pd

ANNOTATION = ("RAP_annotation/RAP_annotation.mat", "RAP_annotation.mat")


class Options(ReaderOptions):
    """Which of the random partitions, from 0; what "uncertain" counts as; the card's names of other spellings."""

    partition: int
    uncertain: Literal[-1, 0, 1]
    aliases: dict[str, str] = Field(default_factory=dict)


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """Table `id, image` and the selected attributes, for partition `partition` of the card's reader options.

    Attributes are taken by their names in the file. The stored value 2 (uncertain) becomes the option `uncertain`.
    """
    options = Options.of(card)
    path = need(card, root, *ANNOTATION)
    images = need(card, root, "RAP_dataset")
    content = load_mat(card, path, variable_names=["RAP_annotation"])
    try:
        record = peel(content["RAP_annotation"])
        names = texts(record["name"])
        selected = numbers(record["selected_attribute"]) - 1
        attributes = [texts(record["attribute"])[i] for i in selected]
        stored = np.asarray(record["data"])[:, selected]
        rows = partition(record, options.partition, split)
        names, stored = [names[i] for i in rows], stored[rows]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise foreign_structure(card, path, "the structure of RAP_annotation.mat", error) from error
    coding = {0: 0, 1: 1, 2: options.uncertain}
    labels = binary(card, path, stored[:, order_of(card, path, attributes)], coding)
    base = f"{images}{os.sep}"
    return frame(card, names, [base + name for name in names], labels)


def partition(record: Any, number: int, split: str) -> np.ndarray:
    """Row numbers, from 0, of a split in the numbered partition (both from 0)."""
    cell = np.asarray(record["partition_attribute"]).ravel()[number]
    return numbers(peel(cell)[f"{split}_index"]) - 1
