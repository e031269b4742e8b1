"""Writes pose tables as LV-MHP-v2 does: lists, images, and a MATLAB file per image with a matrix per person."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.readers.mhp import BOX, JOINTS
from humanbench.data.readers.people import person_table
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_mat
from humanbench.data.writers.people import order_of, pictures_of, stacked

CODES = np.array([2.0, 1.0, 0.0])
"""v -> stored code: 2 outside the image (coordinates -1), 1 hidden, 0 visible."""
HEAD = [8, 9]
"""Upper neck and head top, between which the face box is put."""


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """`iscrowd` becomes 0, `area` that of the box; the parsing annotations of the archive are not written."""
    written = {}
    number = 0
    for split, table in tables.items():
        pictures = pictures_of(table)
        keys = [str(number + i) for i in range(1, len(pictures) + 1)]
        number += len(pictures)
        order = order_of(pictures)
        keypoints = stacked(table, "keypoints", order)
        keypoints[keypoints[..., 2] == 0] = 0
        boxes = stacked(table, "bbox", order)
        matrices = iter(_matrices(keypoints, boxes))
        for name in ("images", "pose_annos"):
            (root / split / name).mkdir(parents=True, exist_ok=True)
        for key, picture in zip(keys, pictures, strict=True):
            save(picture.key, root / split / "images" / f"{key}.jpg")
            people = {f"person_{n}": next(matrices) for n in range(len(picture.rows))}
            save_mat(root / split / "pose_annos" / f"{key}.mat", people)
        (root / "list").mkdir(exist_ok=True)
        (root / "list" / f"{split}.txt").write_text("\n".join(keys) + "\n", encoding="ascii")
        ids = [key for key, picture in zip(keys, pictures, strict=True) for _ in picture.rows]
        written[split] = person_table(
            image=[str(root / split / "images" / f"{key}.jpg") for key in ids],
            image_id=ids,
            annotation_id=[n for picture in pictures for n in range(len(picture.rows))],
            keypoints=keypoints,
            bbox=boxes,
            image_ids=keys,
        )
    return written


def _matrices(keypoints: Floats, boxes: Floats) -> Floats:
    """N x 20 x 3 as stored: joints, face box, person's box."""
    stored = np.full((len(keypoints), 20, 3), -1.0)
    joints = keypoints.copy()
    joints[..., 2] = CODES[keypoints[..., 2].astype(np.int64)]
    joints[keypoints[..., 2] == 0, :2] = -1
    stored[:, :JOINTS] = joints
    whole = (keypoints[:, HEAD, 2] > 0).all(axis=1)
    ends = keypoints[:, HEAD, :2]
    stored[whole, JOINTS, :2], stored[whole, JOINTS + 1, :2] = ends[whole].min(axis=1), ends[whole].max(axis=1)
    stored[:, BOX, :2] = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    stored[:, JOINTS:, 2] = 0
    return stored
