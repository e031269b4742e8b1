"""Files that are whole or absent, and the state of a fit after an epoch."""

from __future__ import annotations

import os
import pickle
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` write beside `path` under a temporary name, then rename: nobody ever sees half a file.

    On an error (a full disk, say) the temporary file is removed, and what was at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""

    def write(to: Path) -> None:
        to.write_text(text, encoding="utf-8")

    write_whole(path, write)


def save_checkpoint(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Save tensors and plain values under the identity of what was being fitted."""

    def write(to: Path) -> None:
        with to.open("wb") as file:  # an OSError (disk full) comes through as it is only from a file object
            torch.save({"identity": identity, "state": state}, file)

    write_whole(path, write)


def load_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    """The state saved under this identity; None when there is none, or none that can be read."""
    if not path.is_file():
        return None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError):
        return None
    if not isinstance(found, dict) or found.get("identity") != identity:
        return None
    state: dict[str, Any] = found["state"]
    return state
