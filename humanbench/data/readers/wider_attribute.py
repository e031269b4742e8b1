"""WIDER Attribute (the paper's HARDHC): people in full pictures, one JSON for train and val and one for test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import real_numbers, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import need
from humanbench.data.readers.attributes import binary, frame
from humanbench.data.readers.files import expecting, load_json
from humanbench.errors import DataError

FILES = {
    "train": "wider_attribute_trainval.json",
    "val": "wider_attribute_trainval.json",
    "test": "wider_attribute_test.json",
}
FOLDERS = ("Anno", "Annotations", "wider_attribute_annotation", ".")
CODING = {1: 1, -1: 0, 0: -1}
"""Stored: 1 positive, -1 negative, 0 unspecified."""


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table with a row per person: `id, image`, the attributes, and `bbox` [x, y, w, h] in the full picture.

    The id is `<split>/<event>/<file>#<number of the person in the picture>`.
    """
    path = need(card, root, *(f"{folder}/{FILES[split]}".removeprefix("./") for folder in FOLDERS))
    images = need(card, root, "Image", "images")
    ids, files, boxes, attributes = [], [], [], []
    for picture in _pictures(card, path):
        name = picture["file_name"]
        if not name.startswith(f"{split}/"):
            continue
        for number, (box, labels) in enumerate(_people(card, path, picture)):
            ids.append(f"{name}#{number}")
            files.append(f"{images}{os.sep}{name}")
            boxes.append(box)
            attributes.append(labels)
    if not ids:
        raise DataError(f"{card.id}: {path} has no picture whose file_name starts with {split}/")
    return frame(card, ids, files, binary(card, path, np.array(attributes), CODING), bbox=boxes)


def _pictures(card: DatasetCard, path: Path) -> list[dict[str, Any]]:
    content = load_json(card, path)
    pictures = content.get("images") if isinstance(content, dict) else None
    if not isinstance(pictures, list):
        raise DataError(f"{card.id}: {path} has no list `images`")
    for number, picture in enumerate(pictures):
        if not isinstance(picture, dict) or not isinstance(picture.get("file_name"), str):
            raise DataError(f"{card.id}: {path}: entry {number} of `images` has no file_name")
        if not isinstance(picture.get("targets", []), list):
            raise DataError(f"{card.id}: {path}: `targets` of {picture['file_name']} is not a list")
    return pictures


def _people(card: DatasetCard, path: Path, picture: dict[str, Any]) -> list[tuple[list[float], list[int]]]:
    wanted = len(card.labels.attributes)
    people = []
    for number, target in enumerate(picture.get("targets", [])):
        lists = "the lists of numbers `bbox` and `attribute`"
        with expecting(f"{card.id}: {path}: person {number} of {picture['file_name']} needs {lists} (", ")"):
            box, labels = real_numbers(target["bbox"]).tolist(), [whole_number(v) for v in target["attribute"]]
        if len(box) != 4 or len(labels) != wanted:
            raise DataError(
                f"{card.id}: {path}: person {number} of {picture['file_name']} has {len(box)} box values and "
                f"{len(labels)} attributes; expected 4 and {wanted}"
            )
        people.append((box, labels))
    return people
