"""COCO result lists: JSON arrays of objects, one per detection or person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import LARGEST, beyond
from humanbench.documents import from_json
from humanbench.errors import PredictionError
from humanbench.files import write_text
from humanbench.predictions.files import read_bytes

Record = Mapping[str, Any]
PERSON = 1
"""COCO's category of people."""

_BLOCK = 1000
"""Objects decoded at a time: as many small ones of Python's are alive at once."""

MOST = 1000
"""People in a picture of a results file: crowds have fewer, detectors are asked for 100 or 1,000."""


@dataclass(frozen=True)
class Numbers:
    """A field of `size` numbers in every object (1: a plain number; 0: a name, which is an integer or a string), and
    what it must be, for messages.

    With `if_first` it is read where the first object has it (all need it then), as COCO's own tool decides.
    """

    size: int
    meaning: str
    if_first: bool = False


NAME = Numbers(0, "an integer or a string")
SCORE = Numbers(1, "a number")

Columns = dict[str, Any]
"""Fields of all objects: N x size floats for `Numbers`, a list of N strings for names."""


def read_columns(path: Path, fields: Mapping[str, Numbers], pictures: int, values: int = 4) -> Columns:
    """The named fields of a results file's objects; `NAME` for one that is a name.

    Every object must be about a person: `category_id` is 1, or absent. `pictures`, `values`: how many pictures
    the truth has and how many numbers an object; a file that is larger than those can need is not parsed. Raises
    `PredictionError` with line and column where the file is not JSON, else naming the first entry that does not fit.
    """
    content = read_bytes(path, pictures, MOST * (150 + 25 * values))
    try:
        return _typed(content, fields)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, _Unfit):
        records = _records(content, path)
    columns: Columns = {}
    for name, field in fields.items():
        if not field.size:
            columns[name] = names(records, name, path)
        elif not field.if_first or (records and records[0].get(name)):
            columns[name] = (boxes if name == "bbox" else partial(numbers, key=name, size=field.size))(
                records, path=path, meaning=field.meaning
            )
    return columns


class _Unfit(Exception):
    """Objects that have the right types and yet are not what was asked for."""


def _typed(content: bytes, fields: Mapping[str, Numbers]) -> Columns:
    """The same of a file in which all is as it should be, without an object of Python's for every number."""
    several, many = cast(Any, tuple), cast(Any, list)
    kinds: list[Any] = [
        (name, int | str if not field.size else float if field.size == 1 else several[(float,) * field.size])
        for name, field in fields.items()
    ]
    required = [kind for kind in kinds if not fields[kind[0]].if_first]
    optional = [(*kind, None) for kind in kinds if fields[kind[0]].if_first]
    entry = msgspec.defstruct("Entry", [*required, *optional, ("category_id", Literal[1], PERSON)], gc=False)
    raw = msgspec.json.decode(content, type=list[msgspec.Raw])
    decode = msgspec.json.Decoder(many[entry]).decode
    first = decode(b"[" + bytes(raw[0]) + b"]")[0] if raw else None
    present = {n: f for n, f in fields.items() if not f.if_first or (first is not None and getattr(first, n))}
    columns: Columns = {n: np.empty((len(raw), f.size)) if f.size else [] for n, f in present.items()}
    for start in range(0, len(raw), _BLOCK):
        block = decode(b"[" + b",".join(raw[start : start + _BLOCK]) + b"]")
        for name, field in present.items():
            column = [getattr(one, name) for one in block]
            if not field.size:
                columns[name] += map(str, column)
                continue
            if field.if_first and None in column:
                raise _Unfit
            flat = column if field.size == 1 else chain.from_iterable(column)
            values = np.fromiter(flat, np.float64, len(block) * field.size)
            columns[name][start : start + len(block)] = values.reshape(-1, field.size)
    for name in present:
        if name == "bbox" and ((columns[name][:, 2:] < 0).any() or beyond(columns[name]) is not None):
            raise _Unfit
    return columns


def _records(content: bytes, path: Path) -> list[Record]:
    """The objects as they are; `PredictionError` where there are none, or not of people."""
    try:
        entries = json.loads(content)
    except json.JSONDecodeError as error:
        raise PredictionError(
            f"{path}, line {error.lineno} column {error.colno}: not valid JSON ({error.msg})"
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise PredictionError(f"{path}: not a JSON file ({type(error).__name__})") from error
    if not isinstance(entries, list):
        raise PredictionError(
            f"{path}: holds a JSON {type(entries).__name__}; a results file is a list of objects, one per prediction"
        )
    for number, record in enumerate(entries):
        if not isinstance(record, dict):
            raise PredictionError(f"{path}: entry {number} is not an object but {_short(record)}")
        if (category := record.get("category_id", PERSON)) != PERSON or category is True:
            raise PredictionError(
                f"{path}: entry {number} has category_id {_short(record['category_id'])}; people are category {PERSON}"
            )
    return entries


def people_records(path: Path, described: str) -> list[Record]:
    """The objects of a JSON list that are of people, those of other categories left out.

    `PredictionError` for any other file, which says what it should be (`described`: "a boxes file is …").
    """
    try:
        entries = from_json(read_bytes(path))
    except ValueError as error:
        raise PredictionError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(entries, list) or not all(isinstance(record, dict) for record in entries):
        raise PredictionError(f"{path}: {described}")
    return [record for record in entries if record.get("category_id", PERSON) == PERSON]


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write a results file."""
    write_text(path, json.dumps(list(records)))


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
