"""Small random sample tables per task, for writing a dataset in its official form and reading it back."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from humanbench.cards import DatasetCard


def tables(card: DatasetCard, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """One table per split whose labels are public, in the form writers take (see humanbench.data.writers)."""
    module = importlib.import_module(f"tests.make.{card.task}")
    return {
        split: module.table(card, split, rng)
        for split, described in card.splits.items()
        if described.labels != "withheld"
    }


def save(key: tuple[int, int, int], path: Path) -> None:
    """Write the noise picture `(seed, width, height)`."""
    seed, width, height = key
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
