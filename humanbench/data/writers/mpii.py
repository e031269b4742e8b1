"""Writes pose tables as HRNet distributes MPII: `annot/*.json`, and head boxes of the validation people as MATLAB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Bools, Floats
from humanbench.cards import DatasetCard
from humanbench.data.readers.mpii import PERSON_HEIGHT, MpiiOptions, mpii_table
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_json, save_mat
from humanbench.data.writers.people import pictures_of, stacked

HEAD = [8, 9]
"""Upper neck and head top."""
JOINTS = (
    *("rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head", "rwri", "relb", "rsho", "lsho"),
    *("lelb", "lwri"),
)


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """`center`, `scale` and `headbox` of the table where it has them, else from the box and the head joints.

    Pictures that several splits show are stored once. Hidden joints become visible ones, boxes the squares of side
    200 * scale, `iscrowd` 0.
    """
    written = {}
    stored: dict[Any, str] = {}
    for split, table in tables.items():
        pictures = pictures_of(table)
        for picture in pictures:
            if picture.key not in stored:
                stored[picture.key] = f"{len(stored) + 1:09d}.jpg"
                save(picture.key, root / "images" / stored[picture.key])
        names = [stored[picture.key] for picture in pictures]
        rows = [(name, row) for name, picture in zip(names, pictures, strict=True) for row in picture.rows]
        order = [row for _, row in rows]
        keypoints = stacked(table, "keypoints", order)
        keypoints[keypoints[..., 2] == 0] = 0
        keypoints[..., 2] = 2.0 * (keypoints[..., 2] > 0)
        boxes = stacked(table, "bbox", order)
        center = stacked(table, "center", order) if "center" in table else boxes[:, :2] + boxes[:, 2:] / 2
        scale = table["scale"].to_numpy(np.float64)[order] if "scale" in table else boxes[:, 3] / PERSON_HEIGHT
        heads = stacked(table, "headbox", order) if "headbox" in table else _headboxes(keypoints, boxes)
        points = np.where(keypoints[..., 2:] > 0, keypoints[..., :2] + 1, -1.0)
        content = [
            {
                "joints_vis": [int(v > 0) for v in person[:, 2]],
                "joints": joints.tolist(),
                "image": name,
                "scale": float(size),
                "center": (middle + 1).tolist(),
            }
            for (name, _), person, joints, size, middle in zip(rows, keypoints, points, scale, center, strict=True)
        ]
        save_json(root / MpiiOptions.of(card).files[split][0], content)
        if split in MpiiOptions.of(card).heads:
            _write_heads(root / MpiiOptions.of(card).heads[split][0], points, heads + 1, keypoints[..., 2] == 0)
        else:
            heads = np.full_like(heads, np.nan)
        written[split] = mpii_table(root / "images", [name for name, _ in rows], keypoints, heads, center, scale)
    return written


def _headboxes(keypoints: Floats, boxes: Floats) -> Floats:
    """N x 2 x 2 corners: around the ends of the head, or the upper eighth of the box where one is not labelled."""
    ends = keypoints[:, HEAD, :2]
    half = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)[:, None] / 2
    middle = ends.mean(axis=1)
    corners = np.stack([middle - half, middle + half], axis=1)
    upper = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] * [1, 1 / 8]], axis=1)
    whole = np.asarray(keypoints[:, HEAD, 2].min(axis=1) > 0)
    return np.where(whole[:, None, None], corners, upper)


def _write_heads(path: Path, points: Floats, heads: Floats, missing: Bools) -> None:
    stored = points.transpose(1, 2, 0)
    content = {
        "pos_gt_src": stored,
        "pos_pred_src": np.zeros_like(stored),
        "jnt_missing": missing.T.astype(np.uint8),
        "headboxes_src": heads.transpose(1, 2, 0),
        "dataset_joints": np.array(JOINTS, object)[None],
    }
    save_mat(path, content)
