"""Writes ReID tables as Market-1501 does: identity and camera in the file name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.writers import Save


def write(card: DatasetCard, root: Path, tables: Mapping[str, pd.DataFrame], save: Save) -> dict[str, pd.DataFrame]:
    """One folder per split; rows sorted by name, as the reader returns them."""
    written = {}
    for split, table in tables.items():
        folder = root / card.reader.options["folders"][split]
        paths = []
        for number, row in enumerate(table.itertuples(index=False)):
            camera = row.camid + card.reader.options["cameras_from"]
            path = folder / f"{row.pid:04d}_c{camera}s1_{number:06d}_01.jpg"
            save(row.image, path)
            paths.append(path)
        ids = [f"{p.parent.name}/{p.name}" for p in paths]
        out = table.assign(id=ids, image=[str(p) for p in paths])[["id", "image", "pid", "camid"]]
        written[split] = out.sort_values("id").reset_index(drop=True)
    return written
