"""Writes ReID tables as folders whose paths tell identity and camera."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.ranges import UNKNOWN
from humanbench.data.readers.named_images import NamedImagesOptions, path_for
from humanbench.data.writers import Save, split_by_split


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """One folder per split, rows sorted by path as the reader returns them.

    Cameras that the layout cannot tell become what it implies: -1, or the camera of the split.
    """
    options = NamedImagesOptions.of(card)
    rows = []
    for number, (image, pid, camid) in enumerate(zip(table["image"], table["pid"], table["camid"], strict=True)):
        camera = _camera(card, split, int(camid))
        name = path_for(card, split, int(pid), camera, number)
        save(image, root / name)
        rows.append((name, str(root / name), int(pid), camera))
    out = pd.DataFrame(rows, columns=["id", "image", "pid", "camid"]).sort_values("id").reset_index(drop=True)
    if split in options.lists and options.pattern is None:
        _write_lists(root, options.folders[split][0], options.lists[split], out)
    return out


def _camera(card: DatasetCard, split: str, camid: int) -> int:
    cameras = NamedImagesOptions.of(card).cameras
    fixed = NamedImagesOptions.of(card).camera.get(split)
    if fixed is not None:
        return list(cameras).index(fixed)
    return camid if cameras else UNKNOWN


def _write_lists(root: Path, folder: str, names: tuple[str, str], table: Table) -> None:
    images, labels = (root / name for name in names)
    below = [i.removeprefix(f"{folder}/") for i in table["id"]]
    images.write_text("".join(f"{name}\n" for name in below), encoding="utf-8")
    labels.write_text("label\n" + "".join(f"{pid}\n" for pid in table["pid"]), encoding="utf-8")
