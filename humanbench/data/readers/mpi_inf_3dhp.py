"""MPI-INF-3DHP: one MATLAB file per sequence; frames as mmpose's converter extracts and names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import first_present, need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, merged_table
from humanbench.data.readers.files import array, field, load_mat
from humanbench.data.readers.options import Choices
from humanbench.data.readers.people import box_around, join_tables, person_table
from humanbench.errors import DataError

STORED = 28
"""Joints in the training files, of which `select` names the card's 17; the test files hold those 17 directly."""


class MpiInf3dhpOptions(MergedKeypoints):
    """`frames`: of each training subject's sequences; `select` the card's joints of those stored; sizes in pixels."""

    frames: dict[str, tuple[int, ...]]
    cameras: tuple[int, ...]
    images: Choices
    train_size: tuple[int, int]
    test_sizes: dict[str, tuple[int, int]]


OPTIONS = MpiInf3dhpOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """One person per frame and camera. v is 2 inside the image and 0 outside; the box is mmpose's square."""
    options = MpiInf3dhpOptions.of(card)
    if split == "test":
        return join_tables([_test_subject(card, root, subject) for subject in options.test_sizes])
    subjects = options.frames
    official = any((root / subject).is_dir() for subject in subjects)
    if not official and (merged := merged_table(card, options, split, root)) is not None:
        return merged
    sequences = [(s, number, n) for s, frames in subjects.items() for number, n in enumerate(frames, 1)]
    images = first_present(root, options.images)
    return join_tables([_sequence(card, root, images, *sequence) for sequence in sequences])


def _sequence(card: DatasetCard, root: Path, images: Path, subject: str, number: int, nominal: int) -> Table:
    """All cameras of one training sequence, up to the nominal number of frames of its videos."""
    path = need(card, root, f"{subject}/Seq{number}/annot.mat")
    stored = load_mat(card, path, ["annot2"]).get("annot2")
    options = MpiInf3dhpOptions.of(card)
    cameras = options.cameras
    if not isinstance(stored, np.ndarray) or stored.dtype != object or len(stored) <= max(cameras):
        raise DataError(f"{card.id}: {path}: 'annot2' is not a cell with an array for each of the 14 cameras")
    parts = []
    for camera in cameras:
        joints = array(card, path, stored[camera, 0], f"annot2{{{camera + 1}}}", (None, 2 * STORED))[:nominal]
        points = joints.reshape(-1, STORED, 2)[:, list(options.select)]
        keys = [f"{subject}_Seq{number}_Cam{camera}_{frame:06d}" for frame in range(1, len(points) + 1)]
        parts.append(_people([str(images / f"{key}.jpg") for key in keys], keys, points, options.train_size))
    return join_tables(parts)


def _test_subject(card: DatasetCard, root: Path, subject: str) -> Table:
    """The valid frames of one test subject."""
    folder = need(card, root, f"mpi_inf_3dhp_test_set/{subject}", subject)
    path = need(card, folder, "annot_data.mat")
    content = load_mat(card, path)
    joints = len(card.labels.keypoints)
    # MATLAB's index order: coordinate, joint, 1, frame
    points = field(card, path, content, "annot2", (2, joints, 1, None))[:, :, 0].transpose(2, 1, 0)
    valid = field(card, path, content, "valid_frame", (None, None)).ravel()
    if len(valid) != len(points):
        raise DataError(f"{card.id}: {path}: 'annot2' has {len(points)} frames, 'valid_frame' {len(valid)}")
    names = [f"img_{frame:06d}" for frame in np.flatnonzero(valid) + 1]
    images = [str(folder / "imageSequence" / f"{name}.jpg") for name in names]
    size = MpiInf3dhpOptions.of(card).test_sizes[subject]
    return _people(images, [f"{subject}/{name}" for name in names], points[valid != 0], size)


def _people(images: list[str], keys: list[str], points: Floats, size: tuple[int, int]) -> Table:
    stated = np.isfinite(points).all(axis=-1, keepdims=True)
    points = np.where(stated, points, 0.0)
    inside = stated & ((points >= 0) & (points < size)).all(axis=-1, keepdims=True)
    return person_table(
        image=images,
        image_id=keys,
        keypoints=np.concatenate([points, 2.0 * inside], axis=-1),
        bbox=box_around(np.concatenate([points, stated], axis=-1), square=True),
    )
