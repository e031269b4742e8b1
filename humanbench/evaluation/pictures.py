"""Pictures without labels, and what a finetuned network decodes of them, portion by portion.

A portion is kept as safetensors until all are there: arrays, numbers, texts, tuples, bytes, and one kind of record (a
dataclass or named tuple of such) that the task names.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from humanbench.cards import DatasetCard
from humanbench.data.images import image_size, unreadable
from humanbench.documents import from_json
from humanbench.engine.devices import accelerator_for, check_device, reading_processes, tf32, uses_gpu
from humanbench.engine.finetune import Finetune
from humanbench.engine.predict import predict
from humanbench.errors import DataError, HumanbenchError, PredictionError
from humanbench.files import write_bytes
from humanbench.leftovers import is_leftover
from humanbench.overrides import PathLike
from humanbench.predictions.names import locate
from humanbench.predictions.records import boxes as boxes_of
from humanbench.predictions.records import names, numbers, people_records
from humanbench.recipes import Recipe
from humanbench.run_log import RunLog
from humanbench.tasks.base import Tables
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import FolderPicture, training_of

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
PORTION = 256
"""Samples that are predicted before they are kept."""
_VALUES = "values"
"""Key of all that is no array, in a file of decoded predictions."""
_MOST_NAMED = 5
"""Unreadable pictures that one sentence names."""


def folder_pictures(
    card: DatasetCard,
    pictures: PathLike | Sequence[PathLike],
    boxes: PathLike | None = None,
    skipped: list[str] | None = None,
) -> list[FolderPicture]:
    """The pictures of a folder at any depth by name, or of a list; with the people of a boxes file.

    An id is the path below the folder, without its suffix where predictions are files of that name. What cannot be
    read is left out and said in `skipped`, where that is given. Raises `HumanbenchError` where there is no picture,
    one cannot be read, or two have one id.
    """
    task = task_for(card)
    listed = _listed(pictures)
    ids = [str(Path(name).with_suffix("")) if task.label_maps else name for name, _ in listed]
    if twice := next((name for name in ids if ids.count(name) > 1), None) if len(set(ids)) < len(ids) else None:
        raise DataError(f"{twice}: two pictures are called so; predictions could not tell them apart")
    if boxes is not None and not training_of(card).takes_boxes:
        raise HumanbenchError(f"--boxes: {card.task} takes whole pictures; boxes are for pose")
    people = _people(Path(boxes), ids) if boxes is not None else {}
    bad = unreadable([path for _, path in listed])
    if bad and (skipped is None or len(bad) == len(listed)):
        named = "; ".join(list(bad.values())[:_MOST_NAMED])
        more = f"; and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        raise DataError(
            f"{len(bad)} of {len(listed)} pictures cannot be read: {named}{more}; mend them or take them away"
            f"{' (--skip-unreadable leaves them out)' if len(bad) < len(listed) else ''}"
        )
    if skipped is not None:
        skipped += bad.values()
    return [
        FolderPicture(name, str(path), image_size(path), tuple(people.get(name, ())) if boxes is not None else None)
        for name, (_, path) in zip(ids, listed, strict=True)
        if path not in bad
    ]


def _listed(pictures: PathLike | Sequence[PathLike]) -> list[tuple[str, Path]]:
    if not isinstance(pictures, str | os.PathLike):
        return [(Path(path).name, Path(path)) for path in pictures]
    folder = Path(pictures).expanduser()
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder of pictures")
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURES and path.is_file()]
    paths = [path for path in paths if not is_leftover(path.relative_to(folder).as_posix())]
    if not paths:
        raise DataError(f"{folder}: holds no picture ({', '.join(PICTURES)})")
    return [(path.relative_to(folder).as_posix(), path) for path in paths]


def _people(path: Path, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Boxes with scores by picture, in file order."""
    records = people_records(path, "a boxes file is a JSON list of objects with image_id, bbox and perhaps score")
    if not records:
        raise PredictionError(f"{path}: holds no box of a person")
    rows = locate(ids, names(records, "image_id", path), path)
    given = boxes_of(records, path, "a box [x, y, w, h]")
    scored = [{"score": 1.0, **record} for record in records]
    scores = numbers(scored, "score", 1, path, "a number")[:, 0]
    people: dict[str, list[Any]] = {}
    for row, box, score in zip(rows, given.tolist(), scores.tolist(), strict=True):
        people.setdefault(ids[row], []).append((tuple(box), score))
    return people


def assumptions(card: DatasetCard, recipe: Recipe, pictures: Sequence[FolderPicture]) -> list[str]:
    """What was taken for granted of the pictures, in sentences."""
    sentences = []
    if training_of(card).takes_boxes:
        empty = sum(p.people is not None and not p.people for p in pictures)
        if pictures[0].people is None:
            sentences.append("each picture shows one person who fills it (no boxes were given)")
        elif empty:
            sentences.append(f"{empty} pictures have no box, so nobody is looked for in them")
    elif recipe.input.fit == "stretch" and not task_for(card).label_maps:
        sentences.append("each picture is one person, cut out")
    if not task_for(card).label_maps:
        tables = list(training_of(card).picture_tables(card, pictures).values())
        if len(tables) > 1 and list(tables[0]["id"]) == list(tables[1]["id"]):
            sentences.append("every picture is query and gallery (folders `query` and `gallery` would tell them apart)")
    return sentences


def decoded_of(
    card: DatasetCard,
    recipe: Recipe,
    network: Finetune,
    tables: Tables,
    device: str | None = None,
    workers: int | None = None,
    log: RunLog | None = None,
    parts: Path | None = None,
) -> list[Any]:
    """A decoded prediction per sample of the tables; with `parts` kept there portion by portion, and taken from it."""
    check_device(device)
    task = training_of(card)
    accelerator = accelerator_for(device, recipe.train.amp)
    data = task.picture_data(card, tables, recipe, network.backbone.preprocessing)
    silent, decoded = RunLog(None, loud=False), list[Any]()
    readers = reading_processes(workers, uses_gpu(device))
    starts = range(0, len(data), PORTION)
    with tf32(recipe.train.amp == "tf32"), (log or silent).bar("predict", len(starts)) as advance:
        for number, start in enumerate(starts):
            portion = range(start, min(start + PORTION, len(data)))
            place = None if parts is None else parts / f"{number:05d}.safetensors"
            predicted = _stored(place, len(portion), task.decoded)
            if predicted is None:
                predicted = predict(
                    accelerator, network, task, data, recipe, silent, workers=readers, part=portion
                ).decoded
                if place is not None:
                    write_bytes(place, packed(predicted))
            decoded += predicted
            advance(len(portion))
    return decoded


def _stored(place: Path | None, count: int, kind: type | None) -> list[Any] | None:
    """A portion that an interrupted run has kept, unless it is damaged."""
    if place is None or not place.is_file():
        return None
    try:
        values = unpacked(place.read_bytes(), kind)
    except Exception:  # whatever a damaged file makes safetensors and JSON say: it is computed again
        return None
    return values if len(values) == count else None


def packed(values: Sequence[Any]) -> bytes:
    """The content of a file; `TypeError` for a value that it cannot hold."""
    tensors: dict[str, torch.Tensor] = {}
    plain = [_plain(value, tensors) for value in values]
    text = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    return save({**tensors, _VALUES: torch.from_numpy(text.copy())})


def unpacked(content: bytes, kind: Callable[..., Any] | None) -> list[Any]:
    """What was packed; records are made by `kind`."""
    tensors = load(content)
    plain = from_json(tensors[_VALUES].numpy().tobytes())
    return [_whole(value, tensors, kind) for value in plain]


def _plain(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes | np.ndarray):
        array = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.ascontiguousarray(value)
        name = str(len(tensors))
        tensors[name] = torch.from_numpy(array.copy())
        return {"bytes" if isinstance(value, bytes) else "array": name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple):
        named = getattr(value, "_fields", None)
        if named is None:
            return {"tuple": [_plain(inner, tensors) for inner in value]}
        fields = dict(zip(named, value, strict=True))
    else:
        raise TypeError(f"a prediction holds a {type(value).__name__}")
    return {"record": {name: _plain(inner, tensors) for name, inner in fields.items()}}


def _whole(value: Any, tensors: dict[str, torch.Tensor], kind: Callable[..., Any] | None) -> Any:
    if not isinstance(value, dict):
        return value
    ((what, inner),) = value.items()
    if what == "tuple":
        return tuple(_whole(one, tensors, kind) for one in inner)
    if what == "record":
        if kind is None:
            raise TypeError("a record of a task that names no kind of record")
        return kind(**{name: _whole(one, tensors, kind) for name, one in inner.items()})
    array = tensors[inner].numpy()
    return array.tobytes() if what == "bytes" else array
