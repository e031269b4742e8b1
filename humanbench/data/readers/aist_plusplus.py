"""AIST++: 3D joints per sequence and cameras per setting; the 2D labels are the joints as each camera sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from humanbench.arrays import Floats, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import need
from humanbench.data.readers.coco_keypoints import MergedKeypoints, merged_table
from humanbench.data.readers.files import field, load_json, load_pickle, read_lines
from humanbench.data.readers.people import box_around, join_tables, person_table
from humanbench.errors import DataError
from humanbench.leftovers import files_in


class AistPlusplusOptions(MergedKeypoints):
    """`step`: every how many frames one is taken."""

    step: int = Field(ge=1)


OPTIONS = AistPlusplusOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """One dancer per frame `<video>/<frame>` (from 0, every `step`-th) and camera, without the ignored sequences.

    v is 2 where a joint is finite, before the camera and inside the image, else 0. The format states no box: it is
    taken around the joints; a frame without any joint has no row, but stays listed.
    """
    official = (root / "keypoints3d").is_dir()
    if not official and (merged := merged_table(card, AistPlusplusOptions.of(card), split, root)) is not None:
        return merged
    folder = need(card, root, "keypoints3d")
    mapping = need(card, root, "cameras/mapping.txt")
    settings = dict(line.split() for line in read_lines(card, mapping) if len(line.split()) == 2)
    ignored = {line.strip() for line in read_lines(card, need(card, root, "ignore_list.txt"))}
    names = [p.stem for p in files_in(folder, "*.pkl") if p.stem not in ignored]
    if not names:
        raise DataError(f"{card.id}: no .pkl file of a sequence in {folder}")
    cameras: dict[str, list[dict[str, Any]]] = {}
    tables = []
    for name in names:
        if name not in settings:
            raise DataError(f"{card.id}: {mapping} names no camera setting for the sequence {name}")
        setting = settings[name]
        if setting not in cameras:
            cameras[setting] = _cameras(card, need(card, root, f"cameras/{setting}.json"))
        tables += _sequence(card, root, name, root / "cameras" / f"{setting}.json", cameras[setting])
    return join_tables(tables)


def _cameras(card: DatasetCard, path: Path) -> list[dict[str, Any]]:
    cameras = load_json(card, path)
    keys = ("name", "size", "matrix", "rotation", "translation", "distortions")
    if not isinstance(cameras, list) or not all(isinstance(c, dict) and set(keys) <= set(c) for c in cameras):
        raise DataError(f"{card.id}: {path} is not a list of cameras with {', '.join(keys)}")
    return cameras


def _sequence(card: DatasetCard, root: Path, name: str, source: Path, cameras: list[dict[str, Any]]) -> list[Table]:
    """One table per camera."""
    path = root / "keypoints3d" / f"{name}.pkl"
    content = load_pickle(card, path)
    if not isinstance(content, dict):
        raise DataError(f"{card.id}: {path} is not an AIST++ sequence: it holds no 'keypoints3d_optim'")
    joints = len(card.labels.keypoints)
    step = AistPlusplusOptions.of(card).step
    points = field(card, path, content, "keypoints3d_optim", (None, joints, 3))[::step]
    tables = []
    for camera in cameras:
        keypoints = project(card, source, camera, points)
        width, height = camera["size"]
        video = name.replace("cAll", str(camera["name"]))
        keys = [f"{video}/{frame * step:06d}" for frame in range(len(points))]
        tables.append(dancers(root, keys, keypoints, [(whole_number(width), whole_number(height))] * len(keys)))
    return tables


def project(card: DatasetCard, source: Path, camera: dict[str, Any], points: Floats) -> Floats:
    """N x K x 3 world points as N x K x 3 pixels and v (2 seen, 0 not).

    Pinhole camera with a rotation vector and the distortion k1, k2, p1, p2, k3, as `cv2.projectPoints` (which the
    dataset's own tool uses) defines them.
    """
    from scipy.spatial.transform import Rotation

    matrix = field(card, source, camera, "matrix", (3, 3))
    rotation = Rotation.from_rotvec(field(card, source, camera, "rotation", (3,))).as_matrix()
    k1, k2, p1, p2, k3 = field(card, source, camera, "distortions", (5,))
    size = field(card, source, camera, "size", (2,))
    seen = points @ rotation.T + field(card, source, camera, "translation", (3,))
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = seen[..., 0] / seen[..., 2], seen[..., 1] / seen[..., 2]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    pixels = np.stack([matrix[0, 0] * u + matrix[0, 2], matrix[1, 1] * v + matrix[1, 2]], axis=-1)
    with np.errstate(invalid="ignore"):
        visible = (seen[..., 2] > 0) & ((pixels >= 0) & (pixels < size)).all(axis=-1)
    return np.concatenate([np.where(visible[..., None], pixels, 0.0), 2.0 * visible[..., None]], axis=-1)


def dancers(root: Path, keys: list[str], keypoints: Floats, sizes: list[tuple[int, int]]) -> Table:
    """The table of pictures with one person each, N x joints x 3, of those where a joint is to be seen."""
    some = np.flatnonzero((keypoints[..., 2] > 0).any(axis=1))
    return person_table(
        image=[str(root / "images" / f"{keys[i]}.jpg") for i in some],
        image_id=[keys[i] for i in some],
        keypoints=keypoints[some],
        bbox=box_around(keypoints[some]),
        image_ids=keys,
        size=[sizes[i] for i in some],
    )
