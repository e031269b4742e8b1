"""Random parsing tables: patches of classes with holes and loose pixels, some to be ignored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard


def table(card: DatasetCard, split: str, rng: np.random.Generator, n: int = 4) -> pd.DataFrame:
    classes = [*range(len(card.labels.classes)), 255]
    rows = []
    for _ in range(n):
        width, height = (4 * int(k) for k in rng.integers(4, 9, 2))
        label = np.kron(rng.choice(classes, (height // 4, width // 4)), np.ones((4, 4), int))
        loose = rng.random(label.shape) < 0.05
        label[loose] = rng.choice(classes, int(loose.sum()))
        picture = (int(rng.integers(0, 2**31)), width, height)
        rows.append((picture, (width, height), label.astype(np.uint8)))
    return pd.DataFrame(rows, columns=["image", "size", "label"])
