"""Writes MSMT17 (version 1): images in a folder per identity, list files of `path identity` lines."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data.readers.msmt17 import FOLDERS, PART
from humanbench.data.readers.named_images import frame
from humanbench.data.writers import Save, Tables


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """One list per split; `train` and `val` share a folder, `query` and `gallery` another."""
    written = {}
    images = 0
    for split, table in tables.items():
        folder = FOLDERS["V1"][PART[split]]
        ids, lines = [], []
        for image, pid, camid in zip(table["image"], table["pid"], table["camid"], strict=True):
            name = f"{pid:04d}/{pid:04d}_{images:03d}_{camid + 1:02d}_0303morning_{images:04d}_0.jpg"
            images += 1
            save(image, root / folder / name)
            ids.append(f"{folder}/{name}")
            lines.append(f"{name} {pid}\n")
        (root / f"list_{split}.txt").write_text("".join(lines), encoding="utf-8")
        written[split] = frame(root, ids, table["pid"].to_numpy(), table["camid"].to_numpy())
    return written
