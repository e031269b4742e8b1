"""Writes PARSE-27k: full frames by sequence and the annotation database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.parse27k import POSTURE, SEQUENCES
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.attributes import boxes_of, from_codes, one_hot_codes


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Rows with the same `image` key are people of one frame; optional column `bbox` (else the whole frame).

    A split's frames go to its first sequence. Box corners are stored as whole numbers.
    """
    written = {}
    with closing(sqlite3.connect(root / "annotations.sqlite3")) as database:
        _create(database, tuple(card.labels.groups))
        for split, table in tables.items():
            written[split] = _write_split(card, root, database, split, table, save)
        database.commit()
    return written


def _create(database: sqlite3.Connection, groups: tuple[str, ...]) -> None:
    attributes = ", ".join(f"{group}ID INTEGER" for group in groups)
    database.executescript(f"""
        CREATE TABLE Sequence (sequenceID INTEGER PRIMARY KEY, directory TEXT);
        CREATE TABLE Image (imageID INTEGER PRIMARY KEY, sequenceID INTEGER, filename TEXT);
        CREATE TABLE AttributeSet (attributeSetID INTEGER PRIMARY KEY, {attributes});
        CREATE TABLE Pedestrian (pedestrianID INTEGER PRIMARY KEY, imageID INTEGER, attributeSetID INTEGER,
            box_min_x INTEGER, box_min_y INTEGER, box_max_x INTEGER, box_max_y INTEGER);
    """)


def _write_split(
    card: DatasetCard, root: Path, database: sqlite3.Connection, split: str, table: Table, save: Save
) -> Table:
    sequence = SEQUENCES[split][0]
    directory = f"sequence_{sequence}"
    database.execute("INSERT INTO Sequence VALUES (?, ?)", (sequence, directory))
    codes = one_hot_codes(card, table)
    stored = _stored(codes)
    next_id = database.execute("SELECT COUNT(*) FROM Pedestrian").fetchone()[0] + 1
    frames: dict[Any, tuple[int, Path]] = {}
    ids, paths, boxes = [], [], []
    for row, (image, box) in enumerate(zip(table["image"], boxes_of(table), strict=True)):
        if image not in frames:
            path = root / "sequences" / directory / f"frame_{len(frames):06d}.png"
            save(image, path)
            new = database.execute("INSERT INTO Image VALUES (NULL, ?, ?)", (sequence, path.name))
            frames[image] = (int(new.lastrowid or 0), path)
        x0, y0, x1, y1 = (round(v) for v in (box[0], box[1], box[0] + box[2], box[1] + box[3]))
        person = next_id + row
        marks = ", ".join("?" for _ in range(len(stored) + 1))
        database.execute(f"INSERT INTO AttributeSet VALUES ({marks})", (person, *(int(c[row]) for c in stored)))
        corners = (person, frames[image][0], person, x0, y0, x1, y1)
        database.execute("INSERT INTO Pedestrian VALUES (?, ?, ?, ?, ?, ?, ?)", corners)
        ids.append(str(person))
        paths.append(str(frames[image][1]))
        boxes.append([float(x0), float(y0), float(x1 - x0), float(y1 - y0)])
    return frame(card, ids, paths, from_codes(card, codes), bbox=boxes)


def _stored(codes: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Database codes of each group: index plus one, but for the posture's own order."""
    posture = {index: code for code, index in POSTURE.items()}
    return [np.array([posture[int(v)] for v in c]) if g == "Posture" else c + 1 for g, c in codes.items()]
