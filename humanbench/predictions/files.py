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
    return path


def read_bytes(path: Path) -> bytes:
    """The content of a file that must exist."""
    return existing_file(path).read_bytes()


def existing(path: Path) -> Path:
    """The path itself; a `PredictionError` when neither a file nor a folder is there."""
    return path if path.is_dir() else existing_file(path)
