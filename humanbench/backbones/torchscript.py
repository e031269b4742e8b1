"""The tensors of a TorchScript archive (OpenAI's CLIP files are such), taken out without running it.

`torch.jit.load` would build the program that is in the archive, and `torch.load(weights_only=True)` refuses it. The
archive is a zip: `data.pkl` lists the attributes, `data/<n>` are raw storages. The list is unpickled with every class
replaced by a plain bag of attributes, apart from the few functions that describe tensors, which are written here; no
code from the file is compiled or called.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from humanbench.errors import BackboneError

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


_DEEPEST = 50
"""Modules within modules; one that holds itself is looked into no deeper."""


class _Bag:
    """Stands for any class of the archive: keeps what the pickle would have set on it."""

    def __init__(self, *_: Any) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = dict(state) if isinstance(state, dict) else {}


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive: a zip with `constants.pkl` and a folder of code."""
    names = _members(path)
    return any(n.endswith("/constants.pkl") for n in names) and any("/code/" in n for n in names)


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by their dotted names; raises `BackboneError` for a damaged archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(n for n in archive.namelist() if n.endswith("/data.pkl")).removesuffix("data.pkl")
            with archive.open(f"{root}data.pkl") as file:
                module = _Reader(file, archive, root).load()
    except Exception as error:  # a pickle may ask for anything of the few functions there are
        raise BackboneError(f"{path}: damaged or unknown TorchScript archive ({error})") from error
    tensors: dict[str, Tensor] = {}
    _collect(module, "", tensors)
    if not tensors:
        raise BackboneError(
            f"{path}: is TorchScript that was frozen, so its weights have no names; give the file that it was made "
            "from (.pth, .safetensors)"
        )
    return tensors


def is_exported(path: Path) -> bool:
    """Whether the file is a program that `torch.export.save` wrote."""
    names = {name.rpartition("/")[2] for name in _members(path)}
    return bool(names & {"archive_format", "serialized_exported_program.json"})


def _members(path: Path) -> list[str]:
    """Names in an archive; none of any other file."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _collect(bag: Any, prefix: str, into: dict[str, Tensor], depth: int = 0) -> None:
    for name, value in bag.attributes.items() if isinstance(bag, _Bag) and depth < _DEEPEST else ():
        if isinstance(value, Tensor):
            into[f"{prefix}{name}"] = value
        else:
            _collect(value, f"{prefix}{name}.", into, depth + 1)


class _Reader(pickle.Unpickler):
    """Unpickler that knows tensors and turns everything else into bags."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._root = root

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _tensor if name == "_rebuild_tensor_v2" else _first
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return _Bag if module.startswith("__torch__") else _nothing

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage: ("storage", type, key, device, number of values)."""
        _, dtype, key, _, count = pid
        raw = bytearray(self._archive.read(f"{self._root}data/{key}"))
        if not isinstance(dtype, torch.dtype) or len(raw) < count * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} is not what its entry says")
        return torch.frombuffer(raw, dtype=dtype)[:count] if count else torch.empty(0, dtype=dtype)


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    if math.prod(size) > max(storage.numel(), 1):
        raise pickle.UnpicklingError(f"a tensor of {math.prod(size)} values in a storage of {storage.numel()}")
    return torch.as_strided(storage, size, stride, offset).clone()


def _first(value: Any, *_: Any) -> Any:
    return value


def _nothing(*_: Any) -> None:
    """Any other function of the pickle (lists of sub-types, devices ...): of no interest, and not called."""
