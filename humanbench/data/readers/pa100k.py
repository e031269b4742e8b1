"""PA-100K: one MATLAB file of names and 0/1 labels for each part of the official split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import below, need
from humanbench.data.readers.attributes import PICKLE, AttributeOptions, binary, frame, order_of, pickled_table
from humanbench.data.readers.files import load_mat
from humanbench.data.readers.matlab import texts
from humanbench.errors import DataError

ANNOTATIONS = ("annotation/annotation.mat", "annotation.mat")
CODING = {0: 0, 1: 1}
IMAGES = ("release_data/release_data", "data/release_data/release_data", "data", "release_data", "images")
"""Where copies keep the images; the more deeply nested come first, as their parents are named like the others."""

OPTIONS = AttributeOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image` and the attributes; the id is the file name."""
    path = need(card, root, *ANNOTATIONS, PICKLE)
    images = need(card, root, *IMAGES)
    if path.name == PICKLE:
        return pickled_table(card, split, root, images, CODING)
    wanted = ["attributes", f"{split}_images_name", f"{split}_label"]
    content = load_mat(card, path, wanted)
    missing = [name for name in wanted if name not in content]
    if missing:
        raise DataError(f"{card.id}: {path} has no variable {missing[0]}")
    try:
        attributes, names = texts(content[wanted[0]]), texts(content[wanted[1]])
    except ValueError as error:
        raise DataError(f"{card.id}: {path}: names are expected to be text ({error})") from error
    stored = np.asarray(content[wanted[2]])
    if stored.shape != (len(names), len(attributes)):
        raise DataError(
            f"{card.id}: {path}: {wanted[2]} is {' x '.join(map(str, stored.shape))}, "
            f"but there are {len(names)} names and {len(attributes)} attributes"
        )
    labels = binary(card, path, stored[:, order_of(card, path, attributes)], CODING)
    return frame(card, names, below(images, names), labels)
