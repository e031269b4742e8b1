"""Whether image files are there, and what their headers say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from humanbench.errors import DataError


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels as stored, without decoding the picture; `DataError` if it is no readable image."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({error})") from error


def absent(paths: Sequence[str]) -> list[str]:
    """Those of the files that are not there; each folder is listed once."""
    names: dict[str, set[str]] = {}
    missing = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in names:
            names[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in names[folder]:
            missing.append(path)
    return missing
