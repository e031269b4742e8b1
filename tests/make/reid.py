"""Random ReID tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard


def table(card: DatasetCard, split: str, rng: np.random.Generator, n: int = 12) -> pd.DataFrame:
    cameras = card.splits[split].cameras or 0
    return pd.DataFrame(
        {
            "image": [(int(s), 16, 32) for s in rng.integers(0, 2**31, n)],
            "size": [(16, 32)] * n,
            "pid": np.sort(rng.integers(1, 4, n)),
            "camid": rng.integers(0, cameras, n) if cameras else np.full(n, -1),
        }
    )
