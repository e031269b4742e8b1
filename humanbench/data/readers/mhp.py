"""LV-MHP-v2 pose: one MATLAB file per image with a 20 x 3 matrix per person."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import annotation_files, need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, merged_table
from humanbench.data.readers.files import field, load_mat
from humanbench.data.readers.people import person_table
from humanbench.errors import DataError

OPTIONS = MergedKeypoints

JOINTS = 16
BOX = slice(18, 20)
"""Rows 0-15 are joints, 16-17 corners of the face box, 18-19 corners of the person's box."""
_VISIBILITY = np.array([2.0, 1.0, 0.0])
"""Stored code -> v: 0 visible, 1 hidden, 2 outside the image (the reverse of COCO's)."""


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """People by image number and `person_<n>`; joints outside the image or at negative coordinates are unlabelled."""
    official = (root / split / "pose_annos").is_dir()
    if not official and (merged := merged_table(card, MergedKeypoints.of(card), split, root)) is not None:
        return merged
    folder = need(card, root, f"{split}/pose_annos")
    files = sorted(annotation_files(card, folder, ".mat"), key=lambda p: (len(p.stem), p.stem))
    people = [(path.stem, number, matrix) for path in files for number, matrix in people_of(card, path)]
    keys = [key for key, *_ in people]
    stored = np.array([matrix for *_, matrix in people]).reshape(-1, 20, 3)
    corners = stored[:, BOX, :2].reshape(-1, 4)
    return person_table(
        image=[str(root / split / "images" / f"{key}.jpg") for key in keys],
        image_id=keys,
        annotation_id=[number for _, number, _ in people],
        keypoints=_keypoints(stored[:, :JOINTS]),
        bbox=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
        image_ids=[path.stem for path in files],
    )


def people_of(card: DatasetCard, path: Path) -> list[tuple[int, Floats]]:
    """The people of one file in the order of their numbers, as stored; a `DataError` for another shape or code."""
    content = load_mat(card, path)
    names = [n for n in content if n.startswith("person_") and n[7:].isdigit()]
    people = []
    for name in sorted(names, key=lambda n: int(n[7:])):
        matrix = field(card, path, content, name, (20, 3))
        if not np.isin(matrix[:JOINTS, 2], (0, 1, 2)).all():
            raise DataError(f"{card.id}: {path}: {name} has a visibility other than 0, 1 and 2")
        people.append((int(name[7:]), matrix))
    return people


def _keypoints(stored: Floats) -> Floats:
    keypoints = stored.copy()
    keypoints[..., 2] = _VISIBILITY[stored[..., 2].astype(np.int64)]
    keypoints[(stored[..., :2] < 0).any(axis=-1), 2] = 0
    keypoints[keypoints[..., 2] == 0] = 0
    return keypoints
