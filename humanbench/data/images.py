"""What the header of an image file says."""

from __future__ import annotations

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
