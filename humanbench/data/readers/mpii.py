"""MPII Human Pose in the JSON form of HRNet and mmpose, with the head boxes of the Tompson et al. hold-out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import first_file, need
from humanbench.data.readers.files import array, field, load_json, load_mat
from humanbench.data.readers.options import BySplit, Choices, ReaderOptions
from humanbench.data.readers.people import person_table
from humanbench.errors import DataError

PERSON_HEIGHT = 200
"""Pixels of person height per unit of `scale`."""


class MpiiOptions(ReaderOptions):
    """The people of each split, and the files of their head boxes where a split has one."""

    files: BySplit[Choices]
    heads: BySplit[Choices]


OPTIONS = MpiiOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """People in file order; `annotation_id` is the row, which is also the column of the head-box file.

    Coordinates are stored from 1 and returned from 0 (keypoints, `center`, `headbox`). v is 2 for a labelled joint: the
    format does not tell hidden ones. `bbox` is the square of side 200 * `scale` about `center`. `headbox` (2 x 2: two
    corners, x y) is NaN where no head boxes are on disk. Where they are, joints and their flags are those of that file
    too: the official PCKh takes all three from it, and 13 joints outside the crop it was made from are put to 0 there.
    """
    path = need(card, root, *MpiiOptions.of(card).files[split])
    entries = load_json(card, path)
    if not isinstance(entries, list):
        raise DataError(f"{card.id}: {path} is not a list of people with image, joints, joints_vis, center and scale")
    joints = len(card.labels.keypoints)
    columns = _columns(card, path, entries)
    points = array(card, path, columns["joints"], "joints", (None, joints, 2))
    labelled = array(card, path, columns["joints_vis"], "joints_vis", (None, joints)) > 0
    center = array(card, path, columns["center"], "center", (None, 2)) - 1
    scale = array(card, path, columns["scale"], "scale", (None,))
    keypoints = np.concatenate([points - 1, np.full_like(points[..., :1], 2.0)], axis=-1)
    keypoints[~labelled] = 0
    keypoints, heads = _scored(card, split, root, path, keypoints)
    return mpii_table(root / "images", columns["image"], keypoints, heads, center, scale)


def mpii_table(
    folder: Path, names: list[str], keypoints: Floats, heads: Floats, center: Floats, scale: Floats
) -> Table:
    """A sample table of N people in file order: pictures by name, keypoints N x K x 3, head boxes N x 2 x 2, centres
    N x 2, scales N (heights of a person over 200), in pixels from 0."""
    side = PERSON_HEIGHT * scale[:, None]
    return person_table(
        image=[f"{folder}/{name}" for name in names],
        image_id=names,
        annotation_id=list(range(len(names))),
        keypoints=keypoints,
        bbox=np.concatenate([center - side / 2, side, side], axis=1),
        headbox=list(heads),
        center=list(center),
        scale=scale.tolist(),
    )


def _columns(card: DatasetCard, path: Path, entries: list[Any]) -> dict[str, list[Any]]:
    names = ("image", "joints", "joints_vis", "center", "scale")
    for number, entry in enumerate(entries, 1):
        missing = [n for n in names if not isinstance(entry, dict) or n not in entry]
        if missing:
            raise DataError(f"{card.id}: {path}: person {number} has no {missing[0]!r}")
    return {name: [entry[name] for entry in entries] for name in names}


def _scored(card: DatasetCard, split: str, root: Path, source: Path, keypoints: Floats) -> tuple[Floats, Floats]:
    """Keypoints N x K x 3 and head boxes N x 2 x 2 of the file that PCKh is taken from.

    It must hold the same people in the same order, which most joints of each of them tell. Without such a file the
    keypoints stay, and the head boxes are NaN.
    """
    path = first_file(root, MpiiOptions.of(card).heads.get(split, ()))
    if path is None:
        return keypoints, np.full((len(keypoints), 2, 2), np.nan)
    content = load_mat(card, path)
    joints = len(card.labels.keypoints)
    corners = field(card, path, content, "headboxes_src", (2, 2, None)).transpose(2, 0, 1) - 1
    points = field(card, path, content, "pos_gt_src", (joints, 2, None)).transpose(2, 0, 1) - 1
    labelled = keypoints[..., 2] > 0
    if "jnt_missing" in content:
        labelled = field(card, path, content, "jnt_missing", (joints, None)).T == 0
    if not len(corners) == len(points) == len(labelled) == len(keypoints):
        raise DataError(
            f"{card.id}: {path} holds {len(corners)} people, {source} {len(keypoints)}; they must be the same"
        )
    shared = labelled & (keypoints[..., 2] > 0)
    apart = shared & (np.abs(points - keypoints[..., :2]).max(axis=-1) > 1)
    other = 2 * apart.sum(axis=1) > shared.sum(axis=1)
    if other.any():
        first = int(other.argmax())
        raise DataError(f"{card.id}: person {first + 1} is not the same in {path} and {source}: the order differs")
    return np.concatenate([points, np.full_like(points[..., :1], 2.0)], axis=-1) * labelled[..., None], corners
