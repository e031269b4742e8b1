"""Contact sheets: samples with their labels drawn, for a person to see that they are right."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
from PIL import Image

from humanbench.cards import DatasetCard
from humanbench.data import canvas
from humanbench.data.samples import load_samples
from humanbench.errors import DataError
from humanbench.tasks.registry import task_for


def preview_table(
    card: DatasetCard,
    split: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
    subset: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """The sample table to draw from: the named split, else those that the task shows together (a column `role` tells
    them apart), else the first whose labels are public. Raises as `load_samples` does.
    """
    together = () if split is not None else task_for(card).drawing.splits(card)
    if together:
        parts = [load_samples(card, name, data_root, subset).assign(role=name) for name in together]
        table = pd.concat(parts, ignore_index=True)
        table.attrs = parts[0].attrs | {"split": " and ".join(together)}
        return table
    public = [name for name, described in card.splits.items() if described.labels != "withheld"]
    return load_samples(card, split or public[0], data_root, subset)


def contact_sheet(
    card: DatasetCard, table: pd.DataFrame, columns: int = 4, rows: int = 4, seed: int = 0
) -> Image.Image:
    """A sheet of `columns` x `rows` samples of a table, drawn at random from `seed`, with labels and a legend.

    How labels are drawn is the task's own (`TaskDrawing.sheet`). Raises `DataError` for an empty table and for an image
    or label map that cannot be read.
    """
    if not len(table):
        raise DataError(f"{card.id}: there is no sample to draw")
    tiles, across, legend = task_for(card).drawing.sheet(card, table, columns, rows, np.random.default_rng(seed))
    if not tiles:
        raise DataError(f"{card.id}: none of the {len(table)} samples has a label to draw")
    title = [card.name, str(table.attrs.get("split", "")), f"{len(table):,} samples"]
    title += [f"subset {table.attrs['subset']}"] if table.attrs.get("subset") else []
    title += ["synthetic"] if table.attrs.get("synthetic") else []
    return canvas.sheet(" | ".join(part for part in title if part), tiles, across, legend)
