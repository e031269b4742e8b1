"""The format of the task's dataset: a folder of pictures per split and a CSV file, read and written here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.writers import Save


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """The rows of `<split>.csv`."""
    table = pd.read_csv(root / f"{split}.csv", dtype={"id": str})
    return table.assign(image=[str(root / split / name) for name in table["id"]])[["id", "image", "direction"]]


def write(card: DatasetCard, root: Path, tables: Mapping[str, pd.DataFrame], save: Save) -> dict[str, pd.DataFrame]:
    """The files that `read` reads."""
    for split, table in tables.items():
        names = [f"{number:04d}.jpg" for number in range(len(table))]
        for key, name in zip(table["image"], names, strict=True):
            save(key, root / split / name)
        pd.DataFrame({"id": names, "direction": table["direction"]}).to_csv(root / f"{split}.csv", index=False)
    return {split: read(card, split, root) for split in tables}
