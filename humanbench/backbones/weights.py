"""Reading weights from files without running anything that is in them.

safetensors, `torch.load(weights_only=True)`, and TorchScript archives (`torchscript.py`). A file that is none of them
is one sentence.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from humanbench.backbones.torchscript import is_torchscript, read_torchscript
from humanbench.errors import BackboneError

_CONTAINERS = ("state_dict", "model", "teacher", "model_state_dict", "model_ema", "state_dict_ema", "params", "module")
"""Keys under which training code keeps the weights, in the order in which they are looked for."""

_LFS = b"version https://git-lfs.github.com/spec/"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint file, in its order, on the CPU; other entries are left out.

    Raises `BackboneError` for a file that is absent, no checkpoint, truncated, or holds pickled code.
    """
    if not path.is_file():
        raise BackboneError(f"{path}: there is no such checkpoint file")
    _check_beginning(path)
    if path.suffix == ".safetensors" or _looks_like_safetensors(path):
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise BackboneError(f"{path}: damaged or truncated safetensors file ({error}); fetch it again") from error
    if is_torchscript(path):
        return read_torchscript(path)
    return _tensors_of(read_pickle(path), path)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over sorted names, types, shapes and bytes: equal for equal weights, whatever file they lay in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def _check_beginning(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(512).lstrip()
    if not start:
        raise BackboneError(f"{path}: the file is empty, not a checkpoint")
    if start[:1] == b"<":
        raise BackboneError(
            f"{path}: this is a web page, not a checkpoint; the download link gave HTML, fetch it again"
        )
    if start.startswith(_LFS):
        raise BackboneError(f"{path}: this is a Git LFS pointer, not the checkpoint; run `git lfs pull` for the file")


def _looks_like_safetensors(path: Path) -> bool:
    """Whether the file begins with the length of a JSON header, as safetensors do."""
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 32


def read_pickle(path: Path, mapped: bool = False) -> Any:
    """What `torch.save` wrote, without running anything in it; `BackboneError` for any other file.

    `mapped`: tensors stay in the file until they are looked at, where its form allows it.
    """
    with path.open("rb") as file:
        start = file.read(2)
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
    return (
        f"{path}: holds {what} and is not opened; "
        "save its state dict of tensors (torch.save(model.state_dict(), ...) or safetensors) and give that"
    )


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside whatever the training code saved around it."""
    for _ in range(3):
        if not isinstance(content, Mapping):
            break
        inner = next((content[k] for k in _CONTAINERS if isinstance(content.get(k), Mapping)), None)
        if inner is None:
            break
        content = inner
    found = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not found:
        keys = ", ".join(str(k) for k in list(content)[:5]) if isinstance(content, Mapping) else type(content).__name__
        raise BackboneError(f"{path}: holds no state dict (looked under {', '.join(_CONTAINERS)}; found {keys})")
    return found
