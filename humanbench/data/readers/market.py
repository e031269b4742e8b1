"""ReID folders whose file names say it all: `0002_c1s1_000451_03.jpg` = identity 2, camera 1 (Market-1501)."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.readers import need
from humanbench.errors import DataError

_NAME = re.compile(r"^(-?\d+)_c(\d+)")
JUNK = -1


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """Table `id, image, pid, camid`; junk (identity -1) is left out, distractors (identity 0) stay; camid from 0."""
    folder = need(card, root, card.reader.options["folders"][split])
    rows: list[tuple[str, str, int, int]] = []
    for path in sorted(folder.glob("*.jpg")):
        match = _NAME.match(path.name)
        if match is None:
            raise DataError(f"{path}: the name of a {card.name} image starts like 0002_c1s1, with identity and camera")
        pid, camera = int(match[1]), int(match[2])
        if pid != JUNK:
            rows.append((f"{folder.name}/{path.name}", str(path), pid, camera - card.reader.options["cameras_from"]))
    if not rows:
        raise DataError(f"{card.id}: no .jpg image in {folder}")
    return pd.DataFrame(rows, columns=["id", "image", "pid", "camid"])
