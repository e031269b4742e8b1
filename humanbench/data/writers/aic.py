"""Writes pose tables as AI Challenger does: a JSON list of images with `human1`, `human2` ... in each."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.aic import AicOptions
from humanbench.data.readers.people import person_table
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import order_of, pictures_of, stacked

CODES = np.array([3, 2, 1])
"""v -> official code: 3 not labelled, 2 hidden, 1 visible."""


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Coordinates and boxes become integers, `iscrowd` 0; images are named by 40 hex digits, rows ordered by them."""
    options = AicOptions.of(card)
    pictures = {_name(split, number): picture for number, picture in enumerate(pictures_of(table))}
    pictures = dict(sorted(pictures.items()))
    folder = root / options.images[split][0]
    order = order_of(pictures.values())
    keypoints = np.rint(stacked(table, "keypoints", order))
    keypoints[keypoints[..., 2] == 0] = 0
    boxes = stacked(table, "bbox", order)
    corners = np.rint(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))
    stored = keypoints.astype(np.int64)
    stored[..., 2] = CODES[stored[..., 2]]
    content, position = [], 0
    for name, picture in pictures.items():
        save(picture.key, folder / f"{name}.jpg")
        people = range(position, position + len(picture.rows))
        position += len(picture.rows)
        content.append(
            {
                "url": "",
                "image_id": name,
                "keypoint_annotations": {f"human{n}": stored[i].ravel().tolist() for n, i in enumerate(people, 1)},
                "human_annotations": {f"human{n}": [int(v) for v in corners[i]] for n, i in enumerate(people, 1)},
            }
        )
    save_json(root / options.files[split][0], content)
    keys = [name for name, picture in pictures.items() for _ in picture.rows]
    return person_table(
        image=[str(folder / f"{key}.jpg") for key in keys],
        image_id=keys,
        annotation_id=[n for picture in pictures.values() for n in range(1, len(picture.rows) + 1)],
        keypoints=keypoints,
        bbox=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
        image_ids=pictures,
    )


def _name(split: str, number: int) -> str:
    return hashlib.sha1(f"{split} {number}".encode(), usedforsecurity=False).hexdigest()
