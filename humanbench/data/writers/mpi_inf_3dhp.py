"""Writes pose tables as MPI-INF-3DHP does: `annot.mat` per training sequence, `annot_data.mat` per test subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.mpi_inf_3dhp import STORED, MpiInf3dhpOptions
from humanbench.data.readers.people import box_around, person_table
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_mat
from humanbench.data.writers.people import PictureRows, order_of, singles, stacked

CAMERAS = 14
_HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64 HDF5 schema 1.00 .".ljust(124) + b"\x00\x02IM"


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """One person per picture, spread over the sequences and cameras; frames go where mmpose extracts them.

    Unlabelled joints are NaN. Hidden joints become visible ones, boxes the squares around the joints, `iscrowd` 0; the
    3D joints of the archive are not written.
    """
    writers = {"train": _train, "test": _test}
    pictures = singles(table)
    points = stacked(table, "keypoints", order_of(pictures))
    labelled = points[..., 2:] > 0
    points = np.where(labelled, points[..., :2], np.nan)
    keys, images = writers[split](card, root, pictures, points)
    for picture, image in zip(pictures, images, strict=True):
        save(picture.key, image)
    keypoints = np.concatenate([np.nan_to_num(points), 2.0 * labelled], axis=-1)
    return person_table(
        image=[str(image) for image in images],
        image_id=keys,
        keypoints=keypoints,
        bbox=box_around(keypoints, square=True),
    )


def _train(card: DatasetCard, root: Path, pictures: list[PictureRows], points: Floats) -> tuple[list[str], list[Path]]:
    options = MpiInf3dhpOptions.of(card)
    cameras = options.cameras
    takes = [f"{subject}/Seq{n}" for subject, frames in options.frames.items() for n in range(1, len(frames) + 1)]
    parts = iter(np.array_split(points, len(takes) * len(cameras)))
    keys = []
    for take in takes:
        cells = np.empty((CAMERAS, 1), object)
        for camera in range(CAMERAS):
            part = next(parts) if camera in cameras else points[:0]
            stored = np.zeros((len(part), STORED, 2))
            stored[:, list(options.select)] = part
            cells[camera, 0] = stored.reshape(len(part), 2 * STORED)
            keys += [f"{take.replace('/', '_')}_Cam{camera}_{frame:06d}" for frame in range(1, len(part) + 1)]
        save_mat(root / take / "annot.mat", {"annot2": cells})
    return keys, [root / options.images[0] / f"{key}.jpg" for key in keys]


def _test(card: DatasetCard, root: Path, pictures: list[PictureRows], points: Floats) -> tuple[list[str], list[Path]]:
    import h5py

    subjects = list(MpiInf3dhpOptions.of(card).test_sizes)
    keys, images = [], []
    for subject, part in zip(subjects, np.array_split(points, len(subjects)), strict=True):
        folder = root / "mpi_inf_3dhp_test_set" / subject
        folder.mkdir(parents=True)
        path = folder / "annot_data.mat"
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, value in (("annot2", part[:, None]), ("valid_frame", np.ones((len(part), 1)))):
                file.create_dataset(name, data=value).attrs["MATLAB_class"] = np.bytes_("double")
        with path.open("r+b") as raw:
            raw.write(_HEADER)
        names = [f"img_{frame:06d}" for frame in range(1, len(part) + 1)]
        keys += [f"{subject}/{name}" for name in names]
        images += [folder / "imageSequence" / f"{name}.jpg" for name in names]
    return keys, images
