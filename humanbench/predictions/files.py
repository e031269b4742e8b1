"""Opening predictions files."""

from __future__ import annotations

from pathlib import Path

from humanbench.errors import PredictionError


def existing_file(path: Path) -> Path:
    """The path itself; a `PredictionError` when it is not a file."""
    if path.is_dir():
        raise PredictionError(f"{path}: is a folder, but these predictions are one file")
    if not path.exists():
        raise PredictionError(f"{path}: there is no such predictions file")
    if not path.is_file():
        raise PredictionError(f"{path}: is no file but a pipe or a device; write the predictions to a file first")
    return path


_FLOOR = 4 << 20
"""Bytes that a predictions file may have however little there is to predict."""


def read_bytes(path: Path, units: int | None = None, most: int = 0) -> bytes:
    """The content of a file that must exist.

    `units` of ground truth (pictures, say) need at most `most` bytes each: a `PredictionError` for a larger file, for
    JSON takes thirty times its size while it is parsed.
    """
    size = existing_file(path).stat().st_size
    if units is not None and size > _FLOOR + units * most:
        raise PredictionError(
            f"{path}: has {size:,} bytes; predictions for {units:,} pictures need at most {_FLOOR + units * most:,}"
        )
    return path.read_bytes()


def existing(path: Path) -> Path:
    """The path itself; a `PredictionError` when neither a file nor a folder is there."""
    return path if path.is_dir() else existing_file(path)
