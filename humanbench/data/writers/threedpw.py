"""Writes pose tables as 3DPW does: a folder of frames and a pickle per sequence with the joints of each actor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.people import box_around, join_tables, person_table
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_pickle
from humanbench.data.writers.people import PictureRows, pictures_of, sequences, stacked

CONFIDENCE = np.array([0.0, 0.5, 0.9])
"""v -> confidence of the detector; joints it did not find are zeros."""


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """The people of a picture are its actors. Body models and cameras are zeros.

    Hidden joints become visible ones, boxes those around the joints, `iscrowd` 0; people without joints have no row.
    """
    named = {f"procedural_{split}_{n:03d}": frames for n, frames in enumerate(sequences(pictures_of(table)))}
    return join_tables([_sequence(root, split, name, frames, table, save) for name, frames in named.items()])


def _sequence(root: Path, split: str, name: str, frames: list[PictureRows], table: Table, save: Save) -> Table:
    names = [f"{name}/image_{frame:05d}" for frame in range(len(frames))]
    joints = np.shape(table["keypoints"].iloc[0])[0]
    actors = max(1, *(len(p.rows) for p in frames))
    poses = np.zeros((actors, len(frames), 3, joints))
    where: list[tuple[int, int]] = []
    labelled: list[Floats] = []
    for frame, picture in enumerate(frames):
        save(picture.key, root / "imageFiles" / f"{names[frame]}.jpg")
        for actor, keypoints in enumerate(stacked(table, "keypoints", list(picture.rows))):
            keypoints[keypoints[:, 2] == 0] = 0
            poses[actor, frame] = keypoints.T
            poses[actor, frame, 2] = CONFIDENCE[keypoints[:, 2].astype(np.int64)]
            if keypoints[:, 2].any():
                keypoints[:, 2] = 2.0 * (keypoints[:, 2] > 0)
                where.append((frame, actor))
                labelled.append(keypoints)
    save_pickle(root / "sequenceFiles" / split / f"{name}.pkl", _content(name, list(poses), frames[0].size))
    stack = np.array(labelled).reshape(len(labelled), joints, 3)
    return person_table(
        image=[str(root / "imageFiles" / f"{names[frame]}.jpg") for frame, _ in where],
        image_id=[names[frame] for frame, _ in where],
        annotation_id=[actor for _, actor in where],
        keypoints=stack,
        bbox=box_around(stack),
        image_ids=names,
    )


def _content(name: str, poses: list[Floats], size: tuple[int, int]) -> dict[str, Any]:
    """All fields of an official sequence file."""
    actors, frames = len(poses), len(poses[0])

    def zeros(*shape: int) -> list[Floats]:
        return [np.zeros(shape) for _ in range(actors)]

    return {
        "sequence": name,
        "betas": zeros(10),
        "poses": zeros(frames, 72),
        "trans": zeros(frames, 3),
        "poses_60Hz": zeros(2 * frames, 72),
        "trans_60Hz": zeros(2 * frames, 3),
        "genders": ["m"] * actors,
        "poses2d": poses,
        "jointPositions": zeros(frames, 72),
        "img_frame_ids": np.arange(0, 2 * frames, 2),
        "cam_poses": np.tile(np.eye(4), (frames, 1, 1)),
        "campose_valid": [np.ones(frames, np.int64) for _ in range(actors)],
        "cam_intrinsics": np.array([[size[0], 0, size[0] / 2], [0, size[0], size[1] / 2], [0, 0, 1.0]]),
        "v_template_clothed": zeros(1, 3),
        "betas_clothed": zeros(10),
    }
