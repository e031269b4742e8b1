"""Random counting tables: heads on and a little outside the picture, one image without any."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data.boxes import object_column


def table(card: DatasetCard, split: str, rng: np.random.Generator, n: int = 12) -> pd.DataFrame:
    counts = rng.integers(1, 20, n)
    counts[2] = 0
    counts[3] = 300  # more than a byte holds
    points = [np.column_stack([rng.uniform(-2, 66, c), rng.uniform(-2, 50, c)]) for c in counts]
    return pd.DataFrame(
        {
            "image": object_column([(int(s), 64, 48) for s in rng.integers(0, 2**31, n)]),
            "size": object_column([(64, 48)] * n),
            "points": object_column(points),
            "count": counts.astype(float),
        }
    )
