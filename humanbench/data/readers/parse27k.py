"""PARSE-27k: an SQLite database of pedestrians in the frames of eight sequences."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import need
from humanbench.data.readers.attributes import frame
from humanbench.errors import DataError

SEQUENCES = {"train": (1, 4, 5), "val": (2, 7, 8), "test": (3, 6)}
SITTING = 4
POSTURE = {1: 0, 3: 1, 2: 2}
"""Stored posture -> index of its group (n/a, standing, walking); every other attribute is its index plus one."""


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table with a row per pedestrian: `id` (pedestrianID), `image` (the full frame), one column per value of each
    group of the card, and `bbox` [x, y, w, h]. Sitting people are left out, as in the official tools.
    """
    path = need(card, root, "annotations.sqlite3")
    sequences = need(card, root, "sequences")
    groups = card.labels.groups
    rows = _rows(card, path, tuple(groups), SEQUENCES[split])
    if not rows:
        raise DataError(f"{card.id}: {path} has no pedestrian in the sequences of {split}, {SEQUENCES[split]}")
    labels = []
    for column, (group, values) in enumerate(groups.items(), 7):
        order = POSTURE if group == "Posture" else {code: code - 1 for code in range(1, len(values) + 1)}
        index = np.array([order.get(row[column], -1) for row in rows])
        if (index < 0).any():
            bad = rows[int(np.argmax(index < 0))]
            raise DataError(
                f"{card.id}: {path}: pedestrian {bad[0]} has {group}ID {bad[column]!r}; "
                f"known are {', '.join(map(str, sorted(order)))}"
            )
        labels.append(np.eye(len(values), dtype=np.int8)[index])
    corners = _corners(card, path, rows)
    base = f"{sequences}{os.sep}"
    return frame(
        card,
        [str(row[0]) for row in rows],
        [f"{base}{row[1]}{os.sep}{row[2]}" for row in rows],
        np.concatenate(labels, axis=1),
        bbox=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist(),
    )


def _corners(card: DatasetCard, path: Path, rows: list[tuple[Any, ...]]) -> np.ndarray:
    """Box corners x0, y0, x1, y1, N x 4."""
    try:
        corners = np.array([row[3:7] for row in rows], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{card.id}: {path}: a box corner is not a number ({error})") from error
    wrong = ~(corners[:, 2:] > corners[:, :2]).all(axis=1)
    if wrong.any():
        bad = rows[int(np.argmax(wrong))]
        raise DataError(
            f"{card.id}: {path}: the box of pedestrian {bad[0]} has the corners {bad[3:7]}, which hold no area"
        )
    return corners


def _rows(card: DatasetCard, path: Path, groups: tuple[str, ...], sequences: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """pedestrianID, directory, filename, box corners and the stored code of each group, ordered by pedestrianID."""
    codes = ", ".join(f"a.{group}ID" for group in groups)
    marks = ", ".join("?" for _ in sequences)
    query = (
        "SELECT p.pedestrianID, s.directory, i.filename, "
        f"p.box_min_x, p.box_min_y, p.box_max_x, p.box_max_y, {codes} "
        "FROM Pedestrian p JOIN AttributeSet a ON a.attributeSetID = p.attributeSetID "
        "JOIN Image i ON i.imageID = p.imageID JOIN Sequence s ON s.sequenceID = i.sequenceID "
        f"WHERE a.PostureID <> {SITTING} AND i.sequenceID IN ({marks}) ORDER BY p.pedestrianID"
    )
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query, sequences).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise DataError(f"{card.id}: {path} is not the database of PARSE-27k ({error})") from error
