"""Weights in files: read without running anything that is in them, and written alike for what is alike.

safetensors, `torch.load(weights_only=True)`, and TorchScript archives (`torchscript.py`). A file that is none of them
is one sentence. A checkpoint divided into several files is read by its index.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from humanbench.backbones.networks import FileNetwork, Names, no_names, select_network
from humanbench.backbones.torchscript import is_exported, is_torchscript, read_torchscript
from humanbench.errors import BackboneError, HumanbenchError

INDEX = ".index.json"
"""End of the name of the file that lists the parts of a divided checkpoint."""

_LFS = b"version https://git-lfs.github.com/spec/"


def read_checkpoint(path: Path, prefix: str = "", wanted_names: Names = no_names) -> FileNetwork:
    """The network of a checkpoint file, its tensors on the CPU in the file's order.

    `prefix` chooses between several networks, `wanted_names` are those of the one that is wanted where they are
    known (see `networks.select_network`). Raises `BackboneError` for a file that is absent, no checkpoint, truncated,
    or holds pickled code.
    """
    if not path.is_file():
        raise BackboneError(f"{path}: there is no such checkpoint file")
    with one_sentence(str(path)):
        _check_beginning(path)
        if zipfile.is_zipfile(path):
            _check_archive(path)
        if path.name.lower().endswith(INDEX):
            content, metadata = _read_parts(path), dict[str, str]()
        elif path.suffix.lower() == ".safetensors" or _looks_like_safetensors(path):
            content, metadata = _read_safetensors(path)
        elif is_torchscript(path):
            content, metadata = read_torchscript(path), {}
        elif is_exported(path):
            raise BackboneError(
                f"{path}: is a program of torch.export, whose weights have no names here; give the file that it was "
                "made from (.pth, .safetensors), or its TorchScript"
            )
        else:
            content, metadata = read_pickle(path), {}
        network = select_network(content, str(path), prefix, wanted_names)
        _check_kinds(network.tensors, path)
        return replace(network, metadata=metadata)


@contextmanager
def one_sentence(source: str) -> Iterator[None]:
    """Whatever goes wrong with a file's content is one `BackboneError` that names it: it may hold anything."""
    try:
        yield
    except (HumanbenchError, KeyboardInterrupt):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = _first(error) if str(error).strip() else "no more is known"
        raise BackboneError(
            f"{source}: holds no network that can be used ({type(error).__name__}: {reason})"
        ) from error


_SLACK = 64 << 20
"""Bytes that an archive may unpack to beyond four times its size: tensors are stored as they are."""


def _check_archive(path: Path) -> None:
    """`BackboneError` for an archive whose content is not what its own check sums say, or that unpacks to far more."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > 4 * path.stat().st_size + _SLACK:
            raise BackboneError(f"{path}: claims to unpack to far more than it holds; it is damaged, or no checkpoint")
        try:
            wrong = archive.testzip()
        except Exception as error:  # of any of the ways to compress
            raise BackboneError(f"{path}: a damaged checkpoint ({_first(error)}); fetch it again") from error
    if wrong is not None:
        raise BackboneError(f"{path}: a damaged checkpoint (the check sum of {wrong} is another); fetch it again")


def _check_kinds(tensors: Mapping[str, Tensor], path: Path) -> None:
    """`BackboneError` for tensors that are no plain arrays of numbers."""
    for name, tensor in tensors.items():
        kind = ""
        if tensor.layout != torch.strided:
            kind = f"sparse ({str(tensor.layout).removeprefix('torch.')})"
        elif tensor.is_quantized:
            kind = "quantised"
        elif tensor.device.type == "meta":
            kind = "without values (on the meta device)"
        elif tensor.is_complex():
            kind = "complex"
        if kind:
            raise BackboneError(f"{path}: {name[:100]} is {kind}; give weights as plain tensors of floating point")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BackboneError(f"{path}: damaged or truncated safetensors file ({error}); fetch it again") from error


def _read_parts(path: Path) -> dict[str, Tensor]:
    """The tensors of the files that an index of a divided checkpoint lists; they lie beside it."""
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        parts = {str(name): path.parent / str(name) for name in sorted(set(places.values()))}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BackboneError(f"{path}: is no index of a divided checkpoint ({error})") from error
    absent = [part.name for part in parts.values() if not part.is_file()]
    if absent:
        raise BackboneError(f"{path}: {len(absent)} of its {len(parts)} parts are not beside it ({absent[0]} ...)")
    tensors: dict[str, Tensor] = {}
    for name, part in parts.items():
        part_tensors = read_checkpoint(part).tensors if part.suffix != ".safetensors" else _read_safetensors(part)[0]
        tensors |= {key: value for key, value in part_tensors.items() if places.get(key, name) == name}
    lost = [name for name in places if name not in tensors]
    if lost:
        raise BackboneError(f"{path}: lists {lost[0]}, which is in none of its parts")
    return tensors


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over sorted names, types, shapes and bytes: equal for equal weights, whatever file they lay in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def _check_beginning(path: Path) -> None:
    start = _start(path, 512).lstrip()
    if not start:
        raise BackboneError(f"{path}: the file is empty, not a checkpoint")
    if start[:1] == b"<":
        raise BackboneError(
            f"{path}: this is a web page, not a checkpoint; the download link gave HTML, fetch it again"
        )
    if start.startswith(_LFS):
        raise BackboneError(f"{path}: this is a Git LFS pointer, not the checkpoint; run `git lfs pull` for the file")


def _start(path: Path, count: int) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(count)


def _looks_like_safetensors(path: Path) -> bool:
    """Whether the file begins with the length of a JSON header, as safetensors do."""
    start = _start(path, 9)
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 32


def looks_like_checkpoint(path: Path) -> bool:
    """Whether the file begins as safetensors, torch's archives or pickles do, whatever its name."""
    start = _start(path, 2)
    return start == b"PK" or start[:1] == pickle.PROTO or _looks_like_safetensors(path)


def read_pickle(path: Path, mapped: bool = False) -> Any:
    """What `torch.save` wrote, without running anything in it; `BackboneError` for any other file.

    `mapped`: tensors stay in the file until they are looked at, where its form allows it.
    """
    start = _start(path, 2)
    if start == b"PK" and not zipfile.is_zipfile(path):
        raise BackboneError(f"{path}: truncated checkpoint (a zip archive without its end); fetch it again")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            # MAE and DINO keep their arguments in a Namespace; torch warns of foreign pickles before it refuses them
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise BackboneError(_pickle_sentence(path, str(error), start)) from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, OSError, AttributeError, TypeError) as error:
        raise BackboneError(f"{path}: no checkpoint, or a damaged or truncated one ({_first(error)})") from error


def _pickle_sentence(path: Path, text: str, start: bytes) -> str:
    if "Unsupported global" in text or "Unsupported class" in text or "GLOBAL" in text:
        what = f"pickled code ({text.partition('GLOBAL ')[2].split(' ')[0] or 'unknown'})"
    elif start[:1] == pickle.PROTO:  # of another protocol than torch writes
        what = "a pickle that torch.save did not write"
    else:
        return f"{path}: not a PyTorch checkpoint or safetensors file"
    if "numpy" in what:
        return (
            f"{path}: holds values of numpy beside its tensors and is not opened ({what}); where the file is yours, "
            "write its tensors alone: torch.save(torch.load(FILE, weights_only=False)[KEY], NEW), KEY being where its "
            "state dict is, and give NEW"
        )
    return (
        f"{path}: holds {what} and is not opened; "
        "save its state dict of tensors (torch.save(model.state_dict(), ...) or safetensors) and give that"
    )


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def safetensors_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file: the same bytes for the same tensors and metadata.

    safetensors (0.8.0) sorts tensors and writes metadata in an order that differs from call to call
    (github.com/safetensors/safetensors/issues/584); here it is sorted. The header is a little-endian uint64 with the
    length of the JSON that follows, which spaces fill to a multiple of 8.
    """
    content = memoryview(save(dict(tensors), dict(metadata)))
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8:end])) | {"__metadata__": dict(sorted(metadata.items()))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, content[end:]))
