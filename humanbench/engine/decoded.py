"""Decoded predictions as safetensors: what a head's `decode` gives, kept until all of it is there.

Arrays, numbers, texts, tuples, bytes, and one kind of record (a dataclass or named tuple of such) that the task names.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from humanbench.documents import from_json

_VALUES = "values"


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
