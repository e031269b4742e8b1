"""What the writers of pose tables share: people grouped by picture, pictures grouped into sequences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.data import Table

WITHOUT_PEOPLE = "without_people"
"""`attrs` of a pose table may list pictures without people under this name: `[(key, (width, height)), ...]`."""


@dataclass(frozen=True)
class PictureRows:
    """One picture of a table: the key `save` takes, (width, height), and the rows of its people."""

    key: Any
    size: tuple[int, int]
    rows: tuple[int, ...]


def pictures_of(table: Table) -> list[PictureRows]:
    """Pictures in the order in which their `image_id` appears, then those without people."""
    rows: dict[Any, list[int]] = {}
    for row, key in enumerate(table["image_id"]):
        rows.setdefault(key, []).append(row)
    images, sizes = list(table["image"]), list(table["size"])
    pictures = [PictureRows(images[r[0]], (int(sizes[r[0]][0]), int(sizes[r[0]][1])), tuple(r)) for r in rows.values()]
    return pictures + [PictureRows(key, size, ()) for key, size in table.attrs.get(WITHOUT_PEOPLE, ())]


def singles(table: Table) -> list[PictureRows]:
    """Pictures of a format that holds exactly one person in each: those without people are left out.

    Raises `ValueError` for a table with more people in a picture.
    """
    pictures = [p for p in pictures_of(table) if p.rows]
    if any(len(p.rows) != 1 for p in pictures):
        raise ValueError("this format holds exactly one person per picture")
    return pictures


def sequences(pictures: Iterable[PictureRows]) -> list[list[PictureRows]]:
    """Runs of at most four pictures of one size, as the frames of a video."""
    runs: list[list[PictureRows]] = []
    for picture in pictures:
        if not runs or len(runs[-1]) == 4 or runs[-1][0].size != picture.size:
            runs.append([])
        runs[-1].append(picture)
    return runs


def stacked(table: Table, column: str, rows: list[int]) -> Floats:
    """These rows of a column of equally shaped arrays as one float64 array (a copy)."""
    values = table[column]
    shape = np.shape(values.iloc[0])
    return np.array([np.asarray(values.iloc[row], np.float64) for row in rows], np.float64).reshape(len(rows), *shape)


def tuples(table: Table) -> list[Any]:
    """The rows with a column's value under its name."""
    return list(table.itertuples(index=False))


def order_of(pictures: Iterable[PictureRows]) -> list[int]:
    """Row numbers of the pictures' people, picture by picture."""
    return [row for picture in pictures for row in picture.rows]


def plain(values: Iterable[float]) -> list[int | float]:
    """Numbers for JSON, whole ones as integers (as the official files have them)."""
    return [int(v) if float(v).is_integer() else float(v) for v in values]
