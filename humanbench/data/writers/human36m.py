"""Writes pose tables as the COCO-form files of Human3.6M: every fifth frame of takes by subject, action and camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.human36m import Human36mOptions, place
from humanbench.data.readers.people import person_table
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.coco_keypoints import category
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import order_of, sequences, singles, stacked, tuples

CAMERA = "54138969"
FRAMES = 5
MISNAMED = ("left_hip", "left_knee", "left_foot", "right_hip", "right_knee", "right_foot")
"""The official `categories` name these at 1-6, although the numbers there are those of the right side first."""


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """One person per picture; v becomes 1 for every labelled joint, `iscrowd` 0; 3D joints are zeros."""
    options = Human36mOptions.of(card)
    names = list(card.labels.keypoints)
    names[1 : 1 + len(MISNAMED)] = MISNAMED
    pictures = singles(table)
    subjects = options.subjects[split]
    files = [
        f"{subjects[take % len(subjects)]}_Directions_{take + 1}.{CAMERA}_{FRAMES * frame + 1:06d}.jpg"
        for take, frames in enumerate(sequences(pictures))
        for frame in range(len(frames))
    ]
    paths = [root / options.images[0] / place(file) for file in files]
    order = order_of(pictures)
    keypoints = stacked(table, "keypoints", order)
    keypoints[..., 2] = keypoints[..., 2] > 0
    out = person_table(
        image=[str(path) for path in paths],
        image_id=list(range(1, len(pictures) + 1)),
        annotation_id=list(range(1, len(pictures) + 1)),
        keypoints=keypoints,
        bbox=stacked(table, "bbox", order),
        area=table["area"].to_numpy(np.float64)[order],
        size=[p.size for p in pictures],
    )
    for picture, path in zip(pictures, paths, strict=True):
        save(picture.key, path)
    content = {
        "categories": [category(tuple(names), card.labels.skeleton)],
        "images": [
            {"file_name": place(file), "height": p.size[1], "width": p.size[0], "id": number}
            for number, (file, p) in enumerate(zip(files, pictures, strict=True), 1)
        ],
        "annotations": [
            {
                "id": row.annotation_id,
                "category_id": 1,
                "image_id": row.image_id,
                "iscrowd": 0,
                "bbox": [float(v) for v in row.bbox],
                "area": float(row.area),
                "num_keypoints": int(row.keypoints[:, 2].sum()),
                "keypoints": [float(v) for v in row.keypoints.ravel()],
                "keypoints_3d": [0.0, 0.0, 0.0, 1.0] * len(row.keypoints),
            }
            for row in tuples(out)
        ],
    }
    save_json(root / options.files[split][0], content)
    return out
