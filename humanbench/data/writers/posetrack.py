"""Writes pose tables as PoseTrack18 does: a folder of frames and a COCO-form file per video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.people import join_tables, person_table
from humanbench.data.readers.posetrack import PosetrackOptions
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.coco_keypoints import category
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import PictureRows, pictures_of, plain, sequences, stacked, tuples

SLOTS = (
    *("nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle"),
)
# the official files carry COCO's bones (counted from 1 there)
BONES = tuple(
    (a - 1, b - 1)
    for a, b in (
        *((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10)),
        *((9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
    )
)
VIDEOS = {"train": "{:06d}_bonn_train", "val": "{:06d}_mpii_test"}


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Videos of a few frames each; v becomes 1 for every labelled point, `area` that of the box."""
    videos = enumerate(sequences(pictures_of(table)), 1)
    return join_tables([_video(card, root, split, number, video, table, save) for number, video in videos])


def _video(
    card: DatasetCard, root: Path, split: str, number: int, video: list[PictureRows], table: Table, save: Save
) -> Table:
    name = VIDEOS[split].format(number)
    files = [f"images/{split}/{name}/{frame:06d}.jpg" for frame in range(len(video))]
    ids = [int(f"1{number:06d}{frame:04d}") for frame in range(len(video))]
    rows = [(frame, person, row) for frame, p in enumerate(video) for person, row in enumerate(p.rows)]
    order = [row for *_, row in rows]
    keypoints = stacked(table, "keypoints", order)
    keypoints[..., 2] = keypoints[..., 2] > 0
    out = person_table(
        image=[str(root / files[frame]) for frame, *_ in rows],
        image_id=[ids[frame] for frame, *_ in rows],
        annotation_id=[int(f"{ids[frame]}{person:02d}") for frame, person, _ in rows],
        keypoints=keypoints,
        bbox=stacked(table, "bbox", order),
        iscrowd=table["iscrowd"].to_numpy(np.int64)[order],
        image_ids=ids,
        size=[video[frame].size for frame, *_ in rows],
    )
    for picture, file in zip(video, files, strict=True):
        save(picture.key, root / file)
    content = {
        "categories": [category(SLOTS, BONES)],
        "images": [_image(ids[f], files[f], f"{number:06d}", len(video), video[f]) for f in range(len(video))],
        "annotations": [_annotation(card, person, row) for (_, person, _), row in zip(rows, tuples(out), strict=True)],
    }
    save_json(root / PosetrackOptions.of(card).files[split][0] / f"{name}.json", content)
    return out


def _image(number: int, file: str, video: str, frames: int, picture: PictureRows) -> dict[str, Any]:
    return {
        "has_no_densepose": True,
        "is_labeled": True,
        "file_name": file,
        "nframes": frames,
        "frame_id": number,
        "vid_id": video,
        "ignore_regions_y": [],
        "ignore_regions_x": [],
        "id": number,
        "width": picture.size[0],
        "height": picture.size[1],
        "mask_file": file.replace("images/", "mask/", 1),
    }


def _annotation(card: DatasetCard, person: int, row: Any) -> dict[str, Any]:
    slots = np.zeros((len(SLOTS), 3))
    slots[list(PosetrackOptions.of(card).select)] = row.keypoints
    return {
        "bbox_head": _head(slots[1:3]),
        "keypoints": plain(slots.ravel()),
        "track_id": person,
        "image_id": row.image_id,
        "bbox": [float(v) for v in row.bbox],
        "scores": [],
        "category_id": 1,
        "id": row.annotation_id,
        "iscrowd": bool(row.iscrowd),
        "num_keypoints": int((slots[:, 2] > 0).sum()),
    }


def _head(ends: Floats) -> list[int]:
    """The box between the two ends of the head, in whole pixels; zeros where one of them is not labelled."""
    if not (ends[:, 2] > 0).all():
        return [0, 0, 0, 0]
    low, high = ends[:, :2].min(axis=0), ends[:, :2].max(axis=0)
    return [int(v) for v in (*low, *(high - low))]
