"""Writes pose tables as Penn Action does: a folder of frames and a MATLAB file per clip, coordinates from 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.penn_action import TRAIN, frames_table
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_mat
from humanbench.data.writers.people import order_of, sequences, singles, stacked


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """One person per picture; hidden joints become visible ones, `iscrowd` 0, `area` that of the box."""
    written = {}
    clip = 0
    for split, table in tables.items():
        pictures = singles(table)
        order = order_of(pictures)
        keypoints, boxes = stacked(table, "keypoints", order), stacked(table, "bbox", order)
        keypoints[..., 2] = 2.0 * (keypoints[..., 2] > 0)
        keys: list[str] = []
        for frames in sequences(pictures):
            clip += 1
            part = slice(len(keys), len(keys) + len(frames))
            keys += [f"{clip:04d}/{frame:06d}" for frame in range(1, len(frames) + 1)]
            for key, picture in zip(keys[part], frames, strict=True):
                save(picture.key, root / "frames" / f"{key}.jpg")
            corners = np.concatenate([boxes[part, :2], boxes[part, :2] + boxes[part, 2:]], axis=1)
            width, height = frames[0].size
            content = {
                "action": "golf_swing",
                "pose": "front",
                "x": keypoints[part, :, 0] + 1,
                "y": keypoints[part, :, 1] + 1,
                "visibility": (keypoints[part, :, 2] > 0).astype(np.float64),
                "train": TRAIN[split],
                "bbox": corners + 1,
                "dimensions": np.array([[height, width, len(frames)]], np.float64),
                "nframes": len(frames),
            }
            save_mat(root / "labels" / f"{clip:04d}.mat", content)
        written[split] = frames_table(root, keys, keypoints, boxes, [p.size for p in pictures])
    return written
