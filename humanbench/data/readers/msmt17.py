"""MSMT17: list files of `path identity` lines, the camera in the image's name.

Version 1 keeps its images in `train` and `test`; version 2 (faces blurred, otherwise the same) in `mask_train_v2` and
`mask_test_v2`. The table's `attrs["version"]` says which one was found. Many keep it in Market-1501's form instead, the
images of the lists copied into three folders under their own names, or renamed to `0000_c1_0001.jpg`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import need
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.named_images import frame, images_under
from humanbench.errors import DataError
from humanbench.text import digits

FOLDERS = {"V1": {"train": "train", "test": "test"}, "V2": {"train": "mask_train_v2", "test": "mask_test_v2"}}
PART = {"train": "train", "val": "train", "query": "test", "gallery": "test"}
"""Which folder a list's paths are relative to."""

CAMERAS = 15

MARKET = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
"""Folders of Market-1501's form by split; what its training folder holds of the validation list, nobody tells."""

OFFICIAL = re.compile(r"(?P<pid>\d+)_\d+_(?P<camera>\d\d)_\d{4}[a-z]+_")
MARKET_NAME = re.compile(r"(?P<pid>\d+)_c(?P<camera>\d+)\D")


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, pid, camid` in the order of the list; camid 0..14.

    Identities are numbered from 0 in training and again from 0 in testing, as the lists have them.
    """
    if split in MARKET and (root / MARKET["train"]).is_dir():
        return _market_form(card, split, root)
    version, folder = _version(card, split, root)
    path = root / f"list_{split}.txt"
    names, pids, cameras = [], [], []
    for number, line in enumerate(read_lines(card, path), 1):
        name, _, pid = line.strip().rpartition(" ")
        try:
            identity, camera = digits(pid), digits(name.rpartition("/")[2].split("_")[2])
        except (ValueError, IndexError):
            identity = camera = -1
        if identity < 0 or not 1 <= camera <= CAMERAS:
            raise DataError(
                f"{card.id}: {path}, line {number}: expected an image path whose third part is a camera 01..{CAMERAS}, "
                f"a space and an identity, like '0000/0000_000_01_0303morning_0008_0.jpg 0'; found {line[:200]!r}"
            )
        names.append(f"{folder}/{name}")
        pids.append(identity)
        cameras.append(camera - 1)
    if not names:
        raise DataError(f"{card.id}: {path} lists no image")
    table = frame(root, names, np.array(pids), np.array(cameras))
    table.attrs["version"] = version
    return table


def _market_form(card: DatasetCard, split: str, root: Path) -> Table:
    """The images of a folder, sorted; identity and camera are in their names."""
    folder = need(card, root, MARKET[split])
    names, pids, cameras = [], [], []
    for name in sorted(images_under(folder)):
        match = OFFICIAL.match(name.rpartition("/")[2]) or MARKET_NAME.match(name.rpartition("/")[2])
        if match is None or not 1 <= int(match["camera"]) <= CAMERAS:
            raise DataError(
                f"{card.id}: {folder / name} tells no identity and camera 1..{CAMERAS}; images are named like "
                "0000_000_01_0303morning_0008_0.jpg or 0000_c1_0008.jpg"
            )
        names.append(f"{MARKET[split]}/{name}")
        pids.append(int(match["pid"]))
        cameras.append(int(match["camera"]) - 1)
    if not names:
        raise DataError(f"{card.id}: no image in {folder}")
    table = frame(root, names, np.array(pids), np.array(cameras))
    table.attrs["seen"] = True
    listed = card.splits[split].samples
    if split == "train" and len(names) != listed:
        more = card.splits["val"].samples
        table.attrs["conversion"] = True
        table.attrs["remarks"] = [
            f"{card.id} {split}: {folder} holds {len(names):,} pictures, and this form does not tell those of "
            f"list_train ({listed:,}, on which the paper trains) from those of list_val ({more:,}): what is "
            "trained on it is not the paper's; with the lists and the folders of the archive it is"
        ]
    return table


def _version(card: DatasetCard, split: str, root: Path) -> tuple[str, str]:
    for version, folders in FOLDERS.items():
        if (root / folders[PART[split]]).is_dir():
            return version, folders[PART[split]]
    wanted = " or ".join(f"{folders[PART[split]]} ({version})" for version, folders in FOLDERS.items())
    raise DataError(
        f"{card.id}: {wanted} not found under {root}; `humanbench datasets show {card.id}` prints the expected layout"
    )
