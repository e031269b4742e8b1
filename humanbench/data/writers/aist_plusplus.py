"""Writes pose tables as AIST++ does: cameras per setting and pickles of joints per sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.aist_plusplus import AistPlusplusOptions, dancers
from humanbench.data.readers.people import join_tables
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_json, save_pickle
from humanbench.data.writers.people import PictureRows, order_of, sequences, singles, stacked

FOCAL, DEPTH = 1500.0, 300.0
"""Pixels and centimetres of the one camera every setting gets; the official ones have nine."""


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """One person per picture, seen by camera c01 in each `step`-th frame; the frames between repeat the last joints.

    Hidden joints become visible ones, boxes those around the joints, `iscrowd` 0; motions and splits are not written.
    """
    (root / "ignore_list.txt").write_text("", encoding="ascii")
    settings: dict[tuple[int, int], str] = {}
    mapping: list[str] = []
    written = {}
    for split, table in tables.items():
        parts = []
        for frames in sequences(singles(table)):
            number = len(mapping)
            name = f"gBR_sBM_cAll_d{number // 100:02d}_mBR0_ch{number % 100:02d}"
            setting = settings.setdefault(frames[0].size, f"setting{len(settings) + 1}")
            mapping.append(f"{name} {setting}\n")
            parts.append(_sequence(root, name, AistPlusplusOptions.of(card).step, frames, table, save))
        written[split] = join_tables(parts)
    for (width, height), setting in settings.items():
        save_json(root / "cameras" / f"{setting}.json", [_camera(width, height)])
    (root / "cameras" / "mapping.txt").write_text("".join(mapping), encoding="ascii")
    return written


def _camera(width: int, height: int) -> dict[str, object]:
    return {
        "name": "c01",
        "size": [width, height],
        "matrix": [[FOCAL, 0.0, width / 2], [0.0, FOCAL, height / 2], [0.0, 0.0, 1.0]],
        "rotation": [0.0, 0.0, 0.0],
        "translation": [0.0, 0.0, DEPTH],
        "distortions": [0.0] * 5,
    }


def _sequence(root: Path, name: str, step: int, frames: list[PictureRows], table: Table, save: Save) -> Table:
    keypoints = stacked(table, "keypoints", order_of(frames))
    keypoints[..., 2] = 2.0 * (keypoints[..., 2] > 0)
    keypoints[keypoints[..., 2] == 0] = 0
    keys = [f"{name.replace('cAll', 'c01')}/{step * frame:06d}" for frame in range(len(frames))]
    for picture, key in zip(frames, keys, strict=True):
        save(picture.key, root / "images" / f"{key}.jpg")
    flat = np.repeat(keypoints, step, axis=0)
    points = _unproject(flat, frames[0].size)
    save_pickle(root / "keypoints3d" / f"{name}.pkl", {"keypoints3d": points, "keypoints3d_optim": points})
    seen = {
        "keypoints2d": flat[None],
        "det_scores": np.ones((1, len(flat))),
        "timestamps": np.arange(len(flat)) * 1_000_000 // 60,
    }
    save_pickle(root / "keypoints2d" / f"{name}.pkl", seen)
    return dancers(root, keys, keypoints, [frame.size for frame in frames])


def _unproject(keypoints: Floats, size: tuple[int, int]) -> Floats:
    """World points that the camera sees at these pixels; NaN for unlabelled joints."""
    centre = np.array(size) / 2
    plane = (keypoints[..., :2] - centre) * DEPTH / FOCAL
    points = np.concatenate([plane, np.zeros_like(plane[..., :1])], axis=-1)
    points[keypoints[..., 2] == 0] = np.nan
    return points
