"""ShanghaiTech: head points per image in MATLAB files, a struct inside a cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import object_column
from humanbench.data.readers import below, need
from humanbench.data.readers.files import expecting_structure, load_mat
from humanbench.data.readers.matlab import peel
from humanbench.data.readers.options import BySplit, Choices, ReaderOptions
from humanbench.errors import DataError

_IMAGE = re.compile(r"^IMG_(\d+)\.jpg$")
_TRUTH = re.compile(r"^GT_IMG_(\d+)\.mat$")


class ShanghaitechOptions(ReaderOptions):
    """The part's folder, and the folder of each split in it."""

    parts: Choices
    folders: BySplit[str]


OPTIONS = ShanghaitechOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, points, count`, in the order of the image numbers; the id is `test_data/IMG_1.jpg`.

    The files count pixels from 1, the table from 0. Points a little outside the image stay: they count.
    """
    options = ShanghaitechOptions.of(card)
    inside = [p for p in options.parts if (root / p).is_dir()] or not (root / options.folders[split]).is_dir()
    _refuse_density_maps(card, root)
    part = need(card, root, *options.parts) if inside else root
    folder = need(card, part, options.folders[split])
    pictures = need(card, folder, "images")
    truth = need(card, folder, "ground_truth", "ground-truth")
    numbers = _numbers(pictures, _IMAGE)
    annotated = _numbers(truth, _TRUTH)
    odd = sorted(numbers ^ annotated)
    if odd or not numbers:
        problem = f"only one of IMG_{odd[0]}.jpg and GT_IMG_{odd[0]}.mat exists" if odd else "there is no IMG_<n>.jpg"
        raise DataError(f"{card.id}: {problem} in {folder} ({len(numbers)} images, {len(annotated)} annotations)")
    points = [_points(card, truth / f"GT_IMG_{n}.mat") for n in sorted(numbers)]
    return crowd_table(pictures, sorted(numbers), points)


def crowd_table(pictures: Path, numbers: Sequence[int], points: Sequence[Floats]) -> Table:
    """The table of the numbered pictures in a folder `<split>/images`, with the points (N x 2) of each."""
    import pandas as pd

    names = [f"IMG_{number}.jpg" for number in numbers]
    columns = {"id": [f"{pictures.parent.name}/{name}" for name in names], "image": below(pictures, names)}
    return pd.DataFrame(columns | {"points": object_column(points), "count": [float(len(p)) for p in points]})


def _refuse_density_maps(card: DatasetCard, root: Path) -> None:
    """C-3-Framework keeps resized pictures and their density maps: heads have no places in them any more."""
    for folder in (root, *(p for p in root.iterdir() if p.is_dir())):
        if any((folder / split / "den").is_dir() for split in ("train", "test", "train_data", "test_data")):
            raise DataError(
                f"{card.id}: {folder} holds C-3-Framework's density maps (den/) of resized pictures, which do not tell "
                f"where the heads are; the original archive is needed (`humanbench datasets show {card.id}`)"
            )


def _numbers(folder: Path, pattern: re.Pattern[str]) -> set[int]:
    return {int(match[1]) for path in folder.iterdir() if (match := pattern.match(path.name))}


def _points(card: DatasetCard, path: Path) -> Floats:
    info: Any = load_mat(card, path).get("image_info")
    with expecting_structure(card, path, "image_info{1}.location with N x 2 numbers"):
        located = peel(info)["location"]
        numbers = np.asarray(located[0, 0] if located.dtype == object else located, np.float64)
        return numbers.reshape(-1, 2) - 1
