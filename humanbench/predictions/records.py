"""COCO result lists: JSON arrays of objects, one per detection or person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humanbench.errors import PredictionError
from humanbench.files import replacing
from humanbench.metrics.magnitude import LARGEST, beyond
from humanbench.predictions.files import read_bytes

Record = Mapping[str, Any]
PERSON = 1
"""COCO's category of people."""


MOST = 1000
"""People in a picture of a results file: crowds have fewer, detectors are asked for 100 or 1,000."""


def read_records(path: Path, pictures: int | None = None, values: int = 4) -> list[Record]:
    """The objects of a results file, as they are; `PredictionError` with line and column where it is not such JSON.

    Every object must be about a person: `category_id` is 1, or absent. `pictures`, `values`: how many pictures
    the truth has and how many numbers an object; a file that is larger than those can need is not parsed.
    """
    try:
        content = json.loads(read_bytes(path, pictures, MOST * (150 + 25 * values)))
    except json.JSONDecodeError as error:
        raise PredictionError(
            f"{path}, line {error.lineno} column {error.colno}: not valid JSON ({error.msg})"
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise PredictionError(f"{path}: not a JSON file ({type(error).__name__})") from error
    if not isinstance(content, list):
        raise PredictionError(
            f"{path}: holds a JSON {type(content).__name__}; a results file is a list of objects, one per prediction"
        )
    for number, record in enumerate(content):
        if not isinstance(record, dict):
            raise PredictionError(f"{path}: entry {number} is not an object but {_short(record)}")
        if (category := record.get("category_id", PERSON)) != PERSON or category is True:
            raise PredictionError(
                f"{path}: entry {number} has category_id {_short(record['category_id'])}; people are category {PERSON}"
            )
    return content


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write a results file."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(list(records)), encoding="utf-8")


def names(records: Sequence[Record], key: str, path: Path) -> list[str]:
    """The field `key` of all records, integers and strings alike, as strings."""
    for number, record in enumerate(records):
        value = record.get(key)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise PredictionError(f"{path}: entry {number} has {_have(record, key)}; it must be an integer or a string")
    return [str(record[key]) for record in records]


def numbers(records: Sequence[Record], key: str, size: int, path: Path, meaning: str) -> NDArray[np.float64]:
    """The field `key` of all records as N x size floats; `size` 1 means a plain number. All must be finite."""
    array = _as_array([record.get(key) for record in records], size)
    if array is None:
        rows = [_as_array([record.get(key)], size) for record in records]
        good = [row for row in rows if row is not None]
        if len(good) < len(rows):
            number = next(i for i, row in enumerate(rows) if row is None)
            raise PredictionError(f"{path}: entry {number} has {_have(records[number], key)}; expected {meaning}")
        array = np.concatenate(good)
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise PredictionError(f"{path}: entry {int(np.argmin(finite))} holds NaN or infinity in {key}")
    return array


def boxes(records: Sequence[Record], path: Path, meaning: str) -> NDArray[np.float64]:
    """The `bbox` of all records, N x 4 (x, y, width, height); sizes are 0 or more."""
    array = numbers(records, "bbox", 4, path, meaning)
    negative = (array[:, 2:] < 0).any(axis=1)
    if negative.any():
        raise PredictionError(
            f"{path}: entry {int(negative.argmax())} is a box of negative size; bbox is x, y, width, height"
        )
    if (entry := beyond(array)) is not None:
        raise PredictionError(f"{path}: entry {entry} has a bbox beyond {LARGEST:g}, which is no place in a picture")
    return array


def _as_array(values: list[Any], size: int) -> NDArray[np.float64] | None:
    """N x size floats, or None where a value is missing, is not a number, or their number is wrong."""
    if not values:
        return np.empty((0, size))
    try:
        array = np.array(values)
    except ValueError:  # of different lengths
        return None
    wanted = (len(values),) if size == 1 else (len(values), size)
    if array.dtype.kind not in "iuf" or array.shape != wanted:
        return None
    if bool in set(map(type, values if size == 1 else chain.from_iterable(values))):  # numpy takes true for 1
        return None
    return array.astype(np.float64).reshape(len(values), size)


def _have(record: Record, key: str) -> str:
    if key not in record:
        return f"no {key}"
    value = record[key]
    if not isinstance(value, list):
        return f"{_short(value)} as {key}"
    odd = [v for v in value if isinstance(v, bool) or not isinstance(v, int | float)]
    return f"{_short(odd[0])} among the numbers in {key}" if odd else f"{len(value)} numbers in {key}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
