"""Writes CUHK03 as the field's tools extract it, with the new protocol's split files beside the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.cuhk03 import CONFIG, IMAGES, INDEX, boxes_and_part
from humanbench.data.readers.matlab import cells
from humanbench.data.readers.named_images import frame
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_mat


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """`images_<boxes>/` and `cuhk03_new_protocol_config_<boxes>.mat` for the kinds of boxes that the splits are of.

    A row's image is written as image `number` of its own person of camera pair 1; the identity is the `labels` entry,
    as in the original. Pids must lie in 1..65535.
    """
    written: Tables = {}
    for boxes in dict.fromkeys(boxes_and_part(split)[0] for split in tables):
        of_these = {split: table for split, table in tables.items() if boxes_and_part(split)[0] == boxes}
        folder = root / IMAGES.format(boxes=boxes)
        names: list[str] = []
        labels: list[int] = []
        cameras: list[int] = []
        index: dict[str, list[int]] = {part: [] for part in INDEX}
        for split, table in of_these.items():
            ids = []
            for image, pid, camid in zip(table["image"], table["pid"], table["camid"], strict=True):
                view = int(camid) + 1
                person, taken = divmod(len(names), 5)
                name = f"1_{person + 1:03d}_{view}_{taken + 1 + 5 * (view - 1):02d}.png"
                save(image, folder / name)
                names.append(name)
                labels.append(int(pid))
                cameras.append(view)
                index[boxes_and_part(split)[1]].append(len(names))
                ids.append(f"{folder.name}/{name}")
            written[split] = frame(root, ids, table["pid"].to_numpy(), table["camid"].to_numpy())
        _write_config(root / CONFIG.format(boxes=boxes), names, labels, cameras, index)
    return written


def _write_config(
    path: Path, names: list[str], labels: list[int], cameras: list[int], index: dict[str, list[int]]
) -> None:
    def column(values: list[int], kind: type[np.unsignedinteger]) -> np.ndarray:
        return np.array(values, kind).reshape(-1, 1)

    parts = {INDEX[part]: column(index[part], np.uint16) for part in ("query", "gallery", "train")}
    content = {"camId": column(cameras, np.uint8), "filelist": cells(names), "labels": column(labels, np.uint16)}
    save_mat(path, content | parts)
