"""Samples and trunk outputs on disk: safetensors shards, memory-mapped when read.

A store is a folder: `store.json` says what is in it, with the SHA-256 of each of its shards; `*.safetensors` hold the
samples without their images, and for each view the tensors that the frozen trunk made of the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from humanbench.backbones.weights import safetensors_bytes
from humanbench.documents import from_json
from humanbench.hashing import file_sha256
from humanbench.tasks.training import Sample

State = tuple[Tensor, ...]
"""What `Backbone.forward_prefix` returns, always as a tuple; a batch, or one sample of it."""

INDEX = "store.json"


class StoredSample(NamedTuple):
    """A sample as it comes back: without its image, with the trunk's output per view."""

    sample: Sample
    states: Mapping[str, State]


def write_shard(
    path: Path, indices: Sequence[int], samples: Sequence[Sample], states: Mapping[str, Sequence[State]]
) -> str:
    """Write samples (their `image` is left out) and the batched states of each view as one file; its SHA-256.

    `states` has per view a sequence of batches that together make up the samples.
    """
    tensors: dict[str, Tensor] = {}
    plain: list[dict[str, Any]] = []
    for position, sample in enumerate(samples):
        plain.append({k: _plain(v, tensors, f"{position}.{k}") for k, v in sample.items() if k != "image"})
    for view, batches in states.items():
        for number, parts in enumerate(zip(*batches, strict=True)):
            tensors[f"state.{view}.{number}"] = torch.cat(list(parts)).contiguous().cpu()
    content = safetensors_bytes(tensors, {"indices": json.dumps(list(indices)), "samples": json.dumps(plain)})
    path.write_bytes(content)  # through a file of our own, so that a full disk is an OSError
    return hashlib.sha256(content).hexdigest()


def _plain(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """The value as JSON can hold it; tensors and arrays go to `tensors` and leave their name."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, np.ndarray):
        tensors[name] = torch.from_numpy(np.ascontiguousarray(value)).clone()
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        inner = [_plain(v, tensors, f"{name}.{i}") for i, v in enumerate(value)]
        return {"tuple": inner} if isinstance(value, tuple) else inner
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"a sample's {name} is a {type(value).__name__}; samples hold tensors, arrays and plain values")


def _unplain(value: Any, get: Any) -> Any:
    if isinstance(value, list):
        return [_unplain(v, get) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tuple":
        return tuple(_unplain(v, get) for v in inner)
    return get(inner).clone() if kind == "tensor" else get(inner).numpy().copy()


class Shard:
    """One file of a store, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self._file = cast("Any", safe_open(path, framework="pt"))  # its type hints lack these methods
        names = list(self._file.keys())
        metadata = self._file.metadata()
        self.indices: list[int] = from_json(metadata["indices"])
        self._samples: list[dict[str, Any]] = from_json(metadata["samples"])
        self._states: dict[str, list[Tensor]] = {}
        for name in sorted(n for n in names if n.startswith("state.")):
            self._states.setdefault(name.split(".")[1], []).append(self._file.get_tensor(name))

    def __getitem__(self, position: int) -> StoredSample:
        sample = {k: _unplain(v, self._file.get_tensor) for k, v in self._samples[position].items()}
        return StoredSample(sample, {v: tuple(t[position] for t in parts) for v, parts in self._states.items()})


class DamagedStore(Exception):
    """What is wrong with a store, with the name of the file."""


class Store:
    """All samples of a store by their index in the data set."""

    def __init__(self, folder: Path) -> None:
        self.content: dict[str, Any] = from_json((folder / INDEX).read_text(encoding="utf-8"))
        self.input_size: tuple[int, int] = tuple(self.content["input_size"])
        self._where: dict[int, tuple[Shard, int]] = {}
        for path in sorted(folder.glob("*.safetensors")):
            shard = Shard(path)
            self._where |= {index: (shard, position) for position, index in enumerate(shard.indices)}

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, index: int) -> StoredSample:
        shard, position = self._where[index]
        return shard[position]


def checked_store(folder: Path, part: int = 0, parts: int = 1) -> Store | None:
    """The store in a folder; None where there is none.

    Of its shards every `parts`-th from `part` on is read and held against its SHA-256. Raises `DamagedStore` where it
    cannot be read, or is not what was written.
    """
    try:
        if not (folder / INDEX).is_file():
            return None
        shards: dict[str, str] = from_json((folder / INDEX).read_text(encoding="utf-8"))["shards"]
        for name in sorted(shards)[part::parts]:
            if file_sha256(folder / name) != shards[name]:
                raise DamagedStore(f"{folder / name} is not what was written")
        return Store(folder)
    except OSError as error:
        raise DamagedStore(f"{error.filename or folder} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, LookupError, SafetensorError) as error:
        raise DamagedStore(f"{folder / INDEX} is damaged ({type(error).__name__})") from error


def stacked(states: Sequence[State]) -> State:
    """The states of samples as the state of a batch."""
    return tuple(torch.stack(parts) for parts in zip(*states, strict=True))


def state_bytes(samples: Sequence[Sample], states: Mapping[str, State]) -> int:
    """Bytes that these samples and states of a batch take in a store."""
    values = [v for sample in samples for k, v in sample.items() if k != "image" and isinstance(v, Tensor | np.ndarray)]
    return sum(int(v.nbytes) for v in values) + sum(int(t.nbytes) for state in states.values() for t in state)
