"""Market-1501 Attribute: labels per identity in a MATLAB file, for the images of Market-1501."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import need
from humanbench.data.readers.attributes import binary, frame
from humanbench.data.readers.files import expecting_structure, load_mat
from humanbench.data.readers.matlab import numbers, peel, texts
from humanbench.data.readers.named_images import images_under
from humanbench.data.readers.options import BySplit, ReaderOptions
from humanbench.errors import DataError

AGES = ("young", "teenager", "adult", "old")
"""Codes 1..4 of the field `age`; all other fields are codes 1 and 2 for 0 and 1."""

ARCHIVE = "Market-1501-v15.09.15"
"""Top folder of the images' archive: here, or in the folder of the ReID dataset beside this one."""


class MarketAttributeOptions(ReaderOptions):
    """The folder of each split's pictures."""

    folders: BySplit[str]


OPTIONS = MarketAttributeOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image` and the attributes, a row per image; extra column `pid`.

    Every image gets the labels of its identity, the number its name starts with. Junk (-1) and distractors (0000) of
    the test folder have no labels and are left out. Fields are read by name: their order differs between the parts.
    """
    path = need(card, root, "market_attribute.mat")
    name = MarketAttributeOptions.of(card).folders[split]
    images = _images(card, root, name)
    people, table = _people(card, path, split)
    row_of = {pid: row for row, pid in enumerate(people)}
    files, rows, pids = [], [], []
    for file in sorted(images_under(images)):
        start = file.split("_", 1)[0]
        if start in ("-1", "0000"):
            continue
        if not start.isdecimal() or int(start) not in row_of:
            raise DataError(f"{card.id}: {images / file}: {path.name} has no labels for identity {start} in {split}")
        files.append(file)
        pids.append(int(start))
        rows.append(row_of[int(start)])
    if not files:
        raise DataError(f"{card.id}: no image of a labelled identity in {images}")
    return frame(card, [f"{name}/{f}" for f in files], [str(images / f) for f in files], table[rows], pid=pids)


def _images(card: DatasetCard, root: Path, name: str) -> Path:
    for place in (root.parent / "market1501" / ARCHIVE, root.parent / "market1501"):
        if (place / name).is_dir() and not (root / name).is_dir() and not (root / ARCHIVE / name).is_dir():
            return place / name
    return need(card, root, name, f"{ARCHIVE}/{name}")


def _people(card: DatasetCard, path: Path, split: str) -> tuple[list[int], np.ndarray]:
    """Identities of a part, and their labels (one row each, columns in the card's order)."""
    content = load_mat(card, path)
    with expecting_structure(card, path, "the structure of market_attribute.mat"):
        record = peel(peel(content["market_attribute"])[split])
        people = [int(text) for text in texts(record["image_index"])]
        age = numbers(record["age"])
        stored = np.stack(
            [(age == AGES.index(a) + 1) + 1 if a in AGES else numbers(record[a]) for a in card.labels.attributes],
            axis=1,
        )
    if len(people) != len(stored) or ((age < 1) | (age > len(AGES))).any():
        raise DataError(f"{card.id}: {path}: {split} has {len(people)} identities and {len(stored)} rows of labels")
    return people, binary(card, path, stored, {1: 0, 2: 1})
