"""Writing annotation files so that the same content is the same bytes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HEADER = b"MATLAB 5.0 MAT-file, written by humanbench".ljust(116)


def save_json(path: Path, content: Any) -> None:
    """Write JSON, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def save_pickle(path: Path, content: Any) -> None:
    """Write a pickle as Python 2 reads it too, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def save_mat(path: Path, content: Mapping[str, Any]) -> None:
    """Write variables by name as a compressed MATLAB 5 file, making folders as needed.

    `scipy.io.savemat` puts the time of day into the text that opens the file; here that text is always the same.
    """
    import scipy.io

    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, dict(content), appendmat=False, do_compression=True)
    with path.open("r+b") as file:
        file.write(_HEADER)
