"""Label maps: a folder, or a zip archive, of 8-bit single-channel PNG files."""

from __future__ import annotations

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO

import numpy as np
from numpy.typing import NDArray

from humanbench.data.labels import decode_index_image
from humanbench.errors import DataError, PredictionError
from humanbench.files import replacing
from humanbench.leftovers import files_in, is_leftover, not_a_file

SUFFIX = ".png"
_LARGEST = 256 << 20
"""Bytes one file of an archive may unpack to; an 8-bit PNG of 100 megapixels stays below."""
_RATIO = 1100
"""Deflate's limit is 1,032 to 1; a file that claims more is no deflated picture."""


@dataclass(frozen=True)
class MapFile:
    """A label map that is not read yet; `name` is its path relative to the folder, or inside the archive."""

    name: str
    open: Callable[[], IO[bytes]]

    def load(self, shape: tuple[int, ...], classes: int) -> NDArray[np.uint8]:
        """The class indices, H x W uint8; `PredictionError` unless the shape is this and all are below `classes`."""
        try:
            with self.open() as file:
                labels = decode_index_image(io.BytesIO(file.read()), self.name)
        except DataError as error:
            raise PredictionError(str(error)) from error
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
            raise PredictionError(f"{self.name}: damaged inside its archive ({error})") from error
        if labels.shape != shape:
            raise PredictionError(
                f"{self.name}: the label map is {labels.shape[1]} x {labels.shape[0]} pixels (width x height), but the "
                f"ground truth is {shape[1]} x {shape[0]}; predictions have the image's original size"
            )
        if labels.max() >= classes:
            raise PredictionError(
                f"{self.name}: holds the class id {labels.max()}, but the classes are 0..{classes - 1}"
            )
        return labels


def find_maps(path: Path) -> list[MapFile]:
    """Every PNG in a folder (at any depth) or zip archive; nothing is ever unpacked to disk.

    Raises `PredictionError` when there is none, and for an archive with paths that leave its folder, links, encrypted
    files, or files that claim an absurd size.
    """
    if path.is_dir():
        pictures = [p for p in files_in(path, "**/*") if p.suffix.lower() == SUFFIX]
        if wrong := not_a_file(pictures):
            raise PredictionError(wrong)
        maps = [MapFile(p.relative_to(path).as_posix(), partial(io.FileIO, p)) for p in pictures]
    elif path.exists():
        maps = _zipped(path)
    else:
        raise PredictionError(f"{path}: there is no such folder or zip archive of label maps")
    if not maps:
        raise PredictionError(f"{path}: holds no {SUFFIX} label map")
    return maps


def write_maps(path: Path, maps: Iterable[tuple[str, NDArray[np.uint8]]]) -> None:
    """Write `<name>.png` per map into the folder `path`, or into a zip archive if that is its suffix."""
    from PIL import Image

    with replacing(path) as temporary:
        if path.suffix == ".zip":
            with zipfile.ZipFile(temporary, "w") as archive:
                for name, labels in maps:
                    with archive.open(name + SUFFIX, "w") as file:
                        Image.fromarray(labels).save(file, "PNG")
            return
        for name, labels in maps:
            target = temporary / (name + SUFFIX)
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(labels).save(target)


def _zipped(path: Path) -> list[MapFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise PredictionError(f"{path}: neither a folder nor a readable zip archive ({error})") from error
    for info in archive.infolist():
        _refuse_hostile(path, info)
    return [
        MapFile(info.filename, partial(archive.open, info))
        for info in archive.infolist()
        if info.filename.lower().endswith(SUFFIX) and not is_leftover(info.filename)
    ]


def _refuse_hostile(path: Path, info: zipfile.ZipInfo) -> None:
    name = PureWindowsPath(info.filename)  # knows both separators, and drives
    if name.anchor or ".." in name.parts:
        raise PredictionError(f"{path}: holds {info.filename!r}, a path outside the archive's folder; refused")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise PredictionError(f"{path}: holds the link {info.filename!r}; refused")
    if info.flag_bits & 1:
        raise PredictionError(f"{path}: {info.filename!r} is encrypted; refused")
    if info.file_size > min(_LARGEST, _RATIO * max(info.compress_size, 1)):
        raise PredictionError(
            f"{path}: {info.filename!r} claims to unpack from {info.compress_size} to {info.file_size} bytes; refused"
        )
