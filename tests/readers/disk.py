"""What tests of readers lay on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from humanbench.cards import load_card
from humanbench.data.writers import writer_for
from tests import make


def put(path: Path, content: Any = "") -> Path:
    """Write a text, or anything else as JSON, making folders as needed; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def on_disk(name: str, data_root: Path, seed: int = 3) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Random tables of a dataset in its official form; the top folder, and the tables as they must be read."""
    card = load_card(name)
    root = data_root / card.id / card.reader.roots[0]
    root.mkdir(parents=True, exist_ok=True)
    return root, writer_for(card).write(card, root, make.tables(card, np.random.default_rng(seed)), make.save)
