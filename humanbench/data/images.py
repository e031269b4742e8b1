"""Image files: whether they are there, what their headers say, and the picture in RGB."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from humanbench.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

_CHANGE: ContextVar[Callable[[Image.Image, str], Image.Image] | None] = ContextVar("change", default=None)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels as stored, without decoding the picture; `DataError` if it is no readable image."""
    with _opened(path) as image:
        return image.size


def open_rgb(path: str | Path) -> Image.Image:
    """The decoded picture in RGB, as stored: labels are in stored pixels, so no rotation by EXIF.

    Raises `DataError` for a file that is absent or no image, and for grey pictures of more than 8 bits.
    """
    with _opened(path) as image:
        check_depth(image, path)
        image.load()  # it is nobody else's, so it need not be copied
        picture: Image.Image = image if image.mode == "RGB" else image.convert("RGB")
    change = _CHANGE.get()
    return picture if change is None else change(picture, str(path))


@contextmanager
def opened_through(change: Callable[[Image.Image, str], Image.Image]) -> Iterator[None]:
    """Meanwhile `open_rgb` gives what `change` makes of a picture and its path: test pictures, corrupted."""
    before = _CHANGE.set(change)
    try:
        yield
    finally:
        _CHANGE.reset(before)


def unreadable(paths: Sequence[Path]) -> dict[Path, str]:
    """The pictures that cannot be decoded to their end, with why; every one is read, JPEG at an eighth of its size."""

    def problem(path: Path) -> str:
        try:
            with _opened(path) as image:
                check_depth(image, path)
                image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
                image.load()
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return {path: text for path, text in zip(paths, pool.map(problem, paths), strict=True) if text}


def check_depth(image: Image.Image, path: str | Path) -> None:
    """Raise `DataError` for a grey picture of 16 or 32 bits: which of its values is white is nowhere said.

    Pillow's conversion takes 255 for white, so such a picture would become white all over.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise DataError(
            f"{path}: a grey picture of more than 8 bits a pixel (mode {image.mode}), of which it is not known what is "
            "white; convert it to 8 bits"
        )


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such image") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({error})") from error


def listed() -> Callable[[str], bool]:
    """A test whether a file is there, for which each folder is listed once."""
    names: dict[str, set[str]] = {}

    def there(path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in names:
            names[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        return name in names[folder]

    return there


def absent(paths: Sequence[str]) -> list[str]:
    """Those of the files that are not there."""
    there = listed()
    return [path for path in paths if not there(path)]
