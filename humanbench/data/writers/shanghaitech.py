"""Writes counting tables as ShanghaiTech: pictures and MATLAB files of head points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import records
from humanbench.data.readers.matlab import cells
from humanbench.data.readers.shanghaitech import ShanghaitechOptions, crowd_table
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_mat


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Images are numbered from 1 per split; points are stored counting pixels from 1. `count` follows from them."""
    options = ShanghaitechOptions.of(card)
    folder = root / options.parts[0] / options.folders[split]
    points = []
    for number, row in enumerate(records(table), start=1):
        save(row["image"], folder / "images" / f"IMG_{number}.jpg")
        heads = np.asarray(row["points"], np.float64).reshape(-1, 2)
        save_mat(folder / "ground_truth" / f"GT_IMG_{number}.mat", {"image_info": _info(heads + 1)})
        points.append(heads)
    return crowd_table(folder / "images", range(1, len(points) + 1), points)


def _info(located: Any) -> Any:
    """A 1 x 1 cell holding a 1 x 1 struct: location (N x 2 double) and number (1 x 1, in MATLAB's smallest type)."""
    record = np.empty((1, 1), [("location", object), ("number", object)])
    record[0, 0] = (located, np.array([[len(located)]], np.uint8 if len(located) < 256 else np.uint16))
    return cells([record])
