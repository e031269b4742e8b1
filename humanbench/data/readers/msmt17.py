"""MSMT17: list files of `path identity` lines, the camera in the image's name.

Version 1 keeps its images in `train` and `test`; version 2 (faces blurred, otherwise the same) in `mask_train_v2` and
`mask_test_v2`. The table's `attrs["version"]` says which one was found.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.named_images import frame
from humanbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = {"V1": {"train": "train", "test": "test"}, "V2": {"train": "mask_train_v2", "test": "mask_test_v2"}}
PART = {"train": "train", "val": "train", "query": "test", "gallery": "test"}
"""Which folder a list's paths are relative to."""

CAMERAS = 15


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """Table `id, image, pid, camid` in the order of the list; camid 0..14.

    Identities are numbered from 0 in training and again from 0 in testing, as the lists have them.
    """
    version, folder = _version(card, split, root)
    path = root / f"list_{split}.txt"
    names, pids, cameras = [], [], []
    for number, line in enumerate(read_lines(card, path), 1):
        name, _, pid = line.strip().rpartition(" ")
        pieces = name.rpartition("/")[2].split("_")
        if len(pieces) < 3 or not pid.isdecimal() or not pieces[2].isdecimal() or not 1 <= int(pieces[2]) <= CAMERAS:
            raise DataError(
                f"{card.id}: {path}, line {number}: expected an image path whose third part is a camera 01..{CAMERAS}, "
                f"a space and an identity, like '0000/0000_000_01_0303morning_0008_0.jpg 0'; found {line!r}"
            )
        names.append(f"{folder}/{name}")
        pids.append(int(pid))
        cameras.append(int(pieces[2]) - 1)
    if not names:
        raise DataError(f"{card.id}: {path} lists no image")
    table = frame(root, names, np.array(pids), np.array(cameras))
    table.attrs["version"] = version
    return table


def _version(card: DatasetCard, split: str, root: Path) -> tuple[str, str]:
    for version, folders in FOLDERS.items():
        if (root / folders[PART[split]]).is_dir():
            return version, folders[PART[split]]
    wanted = " or ".join(f"{folders[PART[split]]} ({version})" for version, folders in FOLDERS.items())
    raise DataError(
        f"{card.id}: {wanted} not found under {root}; `humanbench datasets show {card.id}` prints the expected layout"
    )
