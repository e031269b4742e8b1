"""Random attribute tables: one attribute of each of the card's groups, anything for the others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard


def table(card: DatasetCard, split: str, rng: np.random.Generator, n: int = 12) -> pd.DataFrame:
    """Pictures of two people each; labels outside groups are now and then unknown."""
    attributes = list(card.labels.attributes)
    labels = rng.choice([0, 1, -1], (n, len(attributes)), p=[0.5, 0.4, 0.1]).astype(np.int8)
    columns = pd.DataFrame(labels, columns=attributes)
    for names in card.labels.groups.values():
        columns[list(names)] = np.eye(len(names), dtype=np.int8)[rng.integers(0, len(names), n)]
    seeds = np.repeat(rng.integers(0, 2**31, (n + 1) // 2), 2)[:n]
    columns["image"] = [(int(s), 40, 32) for s in seeds]
    columns["size"] = [(40, 32)] * n
    columns["bbox"] = [[int(x), int(y), 10, 20] for x, y in rng.integers(0, 12, (n, 2))]
    return columns
