"""Penn Action: one MATLAB file per clip, one person per frame, coordinates from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, merged_table
from humanbench.data.readers.files import field, load_mat
from humanbench.data.readers.people import box_around, join_tables, person_table
from humanbench.errors import DataError
from humanbench.leftovers import files_in

OPTIONS = MergedKeypoints

TRAIN = {"train": 1, "test": -1}
"""The flag `train` of a clip."""


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """A row per frame `<clip>/<frame>` of the split's clips; v is 2 where the file says visible, else 0."""
    official = (root / "labels").is_dir()
    if not official and (merged := merged_table(card, MergedKeypoints.of(card), split, root)) is not None:
        return merged
    folder = need(card, root, "labels")
    files = list(files_in(folder, "*.mat"))
    clips = [table for path in files if (table := _clip(card, path, root, TRAIN[split])) is not None]
    if not clips:
        raise DataError(f"{card.id}: none of the {len(files)} .mat files in {folder} belongs to split {split!r}")
    table = join_tables(clips)
    odd = [clip.attrs["boxes"] for clip in clips if clip.attrs["boxes"]]
    if odd:
        table.attrs["remarks"].append(
            f"{card.id} {split}: {len(odd):,} of {len(clips):,} clips state another number of boxes than of frames, "
            f"the first is {odd[0]}; frames beyond the boxes take the one around their joints"
        )
    return table


def _clip(card: DatasetCard, path: Path, root: Path, wanted: int) -> Table | None:
    """The frames of one clip; None when it is of another split."""
    content = load_mat(card, path)
    if int(field(card, path, content, "train", (1, 1))[0, 0]) != wanted:
        return None
    frames = int(field(card, path, content, "nframes", (1, 1))[0, 0])
    joints = len(card.labels.keypoints)
    x, y, seen = (field(card, path, content, name, (frames, joints)) for name in ("x", "y", "visibility"))
    keypoints = np.stack([x - 1, y - 1, 2.0 * (seen > 0)], axis=-1)
    boxes = box_around(keypoints)  # for frames beyond the stated boxes
    stated = field(card, path, content, "bbox", (None, 4))
    corners = stated[:frames]
    boxes[: len(corners)] = np.concatenate([corners[:, :2] - 1, corners[:, 2:] - corners[:, :2]], axis=1)
    height, width = field(card, path, content, "dimensions", (1, 3))[0, :2]
    keys = [f"{path.stem}/{frame:06d}" for frame in range(1, frames + 1)]
    table = frames_table(root, keys, keypoints, boxes, [(int(width), int(height))] * frames)
    table.attrs["boxes"] = f"{path.stem} ({len(stated)} for {frames} frames)" if len(stated) != frames else ""
    return table


def frames_table(root: Path, keys: list[str], keypoints: Floats, boxes: Floats, sizes: list[tuple[int, int]]) -> Table:
    """The table of frames with one person each."""
    return person_table(
        image=[str(root / "frames" / f"{key}.jpg") for key in keys],
        image_id=keys,
        keypoints=keypoints,
        bbox=boxes,
        size=sizes,
    )
