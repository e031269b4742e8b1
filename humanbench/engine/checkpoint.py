"""The state of a fit after an epoch, on disk: whole or absent."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from humanbench.files import replacing


class DamagedCheckpoint(Exception):
    """Why a checkpoint cannot be gone on from, as a clause."""


class _Target(io.FileIO):
    """A file that writes all it is given and remembers why it could not."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w")
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view):
                done += super().write(view[done:]) or 0
        except OSError as error:
            self.error = error
            raise
        return done


def save_checkpoint(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Save tensors and plain values under the identity of what was being fitted, whole or not at all.

    An `OSError` (a full disk, say) comes through as one.
    """
    with replacing(path) as temporary, _Target(temporary) as target:
        try:
            torch.save({"identity": identity, "state": state}, target)
        except RuntimeError as error:  # torch's words for a write that failed
            raise target.error or error from error


def load_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """The state saved under this identity; None where there is none, or none that can be read."""
    try:
        return read_checkpoint(path, identity)
    except DamagedCheckpoint:
        return None


def read_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """The state saved under this identity; None where there is no file, or one of something else.

    Raises `DamagedCheckpoint` for a file that cannot be read, is no checkpoint, or has bytes that were changed.
    """
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if (member := archive.testzip()) is not None:  # torch reads members without looking at their sums
                raise DamagedCheckpoint(f"the sum of {member} is wrong")
        saved = torch.load(path, map_location="cpu", weights_only=True)
        same, state = saved["identity"] == identity, saved["state"]
    except (DamagedCheckpoint, MemoryError):
        raise
    except Exception as error:  # what a damaged archive makes of unpickling is anybody's guess
        raise DamagedCheckpoint(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    if not same:
        return None
    if not isinstance(state, dict):
        raise DamagedCheckpoint("it holds no state of a fit")
    return state
