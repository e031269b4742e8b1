"""Random detection tables: boxes that reach outside the picture, images without anybody, ignored boxes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.boxes import object_column

SIZE = (160, 120)
FIXED = {"caltech": (640, 480)}
"""Formats whose pictures have one size."""


def table(card: DatasetCard, split: str, rng: np.random.Generator, n: int = 8) -> pd.DataFrame:
    size = FIXED.get(card.reader.format, SIZE)
    people = card.reader.options.get("person", ["person"])
    classes = card.labels.classes
    counts = rng.integers(0, 6, n)
    counts[0], counts[1] = 0, 5
    columns: dict[str, list[np.ndarray]] = {k: [] for k in ("boxes", "ignore", "visible", "head", "labels")}
    for count in counts:
        boxes = np.column_stack(
            [
                rng.integers(-5, 100, count),
                rng.integers(-3, 60, count),
                rng.integers(8, 50, count),
                rng.integers(20, 90, count),
            ]
        ).astype(float)
        visible = boxes.copy()
        visible[:, 3] = np.round(boxes[:, 3] * rng.choice([1.0, 0.6, 0.3], count))
        labels = rng.integers(0, len(classes), count)
        by_class = np.isin(labels, [classes.index(p) for p in people if p in classes], invert=True)
        columns["boxes"].append(boxes)
        columns["visible"].append(visible)
        columns["head"].append(np.column_stack([boxes[:, 0], boxes[:, 1], np.full((count, 2), 5.0)]))
        columns["labels"].append(labels)
        columns["ignore"].append(by_class if len(classes) > 1 else rng.random(count) < 0.3)
    data = {name: object_column(cells) for name, cells in columns.items()}
    keys = [(int(s), *size) for s in rng.integers(0, 2**31, n)]
    return pd.DataFrame({"image": object_column(keys), "size": object_column([size] * n), **data})
