"""CSV predictions: the column `image`, then columns of numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench.errors import PredictionError
from humanbench.files import replacing
from humanbench.predictions.files import read_bytes
from humanbench.text import decimal, foreign_header, nearest

KEY = "image"


def read_table(path: Path, columns: Sequence[str]) -> tuple[list[str], NDArray[np.float64]]:
    """Names (column `image`) and the numbers of `columns`, N x len(columns), in the order asked for.

    The file's own column order does not matter. Raises `PredictionError` with the line for an unknown, missing or
    repeated column, a row of another length, and anything but a finite number.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PredictionError(f"{path}: not a text file (byte {error.start} is not UTF-8)") from error
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    values: list[list[float]] = []
    try:
        header = next(rows, [])
        order = _order(path, header, columns)
        key = header.index(KEY)
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise PredictionError(f"{path}, line {rows.line_num}: {len(row)} cells under {len(header)} columns")
            names.append(row[key])
            values.append([_number(path, rows.line_num, header[i], row[i]) for i in order])
    except csv.Error as error:
        raise PredictionError(f"{path}, line {rows.line_num}: not valid CSV ({error})") from error
    return names, np.array(values, np.float64).reshape(len(values), len(columns))


def write_table(path: Path, names: Sequence[str], columns: Sequence[str], values: NDArray[np.floating]) -> None:
    """Write names and N x len(columns) numbers; every number is read back as it was."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([KEY, *columns])
        writer.writerows([name, *row] for name, row in zip(names, values.tolist(), strict=True))


def _order(path: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    """Where each wanted column is."""
    wanted = [KEY, *columns]
    for name in header:
        if name not in wanted:
            hint = foreign_header(header) or nearest(name, wanted)
            raise PredictionError(f"{path}: unknown column {name!r}{hint}")
    if len(set(header)) < len(header):
        raise PredictionError(f"{path}: the column {max(header, key=header.count)!r} occurs twice")
    missing = [name for name in wanted if name not in header]
    if missing:
        raise PredictionError(
            f"{path}: {len(missing)} of {len(wanted)} columns are missing, the first is {missing[0]!r} "
            "(the first line names the columns)"
        )
    return [header.index(name) for name in columns]


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        return decimal(cell)
    except ValueError as error:
        raise PredictionError(f"{path}, line {line}: {cell!r} in column {column} is not a finite number") from error
