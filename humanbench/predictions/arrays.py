"""NumPy archives (.npz) of arrays whose shapes are known beforehand."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from humanbench.errors import PredictionError
from humanbench.files import replacing
from humanbench.leftovers import is_leftover
from humanbench.predictions.files import existing_file

_LONGEST_NAME = 4096
"""Characters; Linux' longest path. A text array of longer items is no list of image names."""
_WIDEST = 1 << 16
"""Numbers in one feature vector, at most."""
_BLOCK = 1 << 22
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_CORRUPT = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    MemoryError,
    SyntaxError,
    OSError,  # a bzip2 member that is none
    TypeError,
    OverflowError,
    ValueError,
    KeyError,  # a version of the format that plain arrays do not have
    RuntimeError,  # encrypted; of an unknown compression; a header that nests deeply
)


class Archive:
    """An .npz file of which only headers are read until an array is asked for.

    Nothing is unpickled, and nothing is decompressed before its header shows the shape that is expected, so a hostile
    file can neither run code nor fill the memory. Every failure is a `PredictionError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = existing_file(path)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._types: dict[str, np.dtype[Any]] = {}
        try:
            self._zip = zipfile.ZipFile(path)
            for member in self._zip.namelist():
                if is_leftover(member):
                    continue
                with self._zip.open(member) as file:
                    shape, _, dtype = _HEADERS[npy.read_magic(file)](file)
                self.shapes[member.removesuffix(".npy")] = shape
                self._types[member.removesuffix(".npy")] = dtype
        except _CORRUPT as error:
            raise PredictionError(f"{path}: not a readable .npz archive of arrays ({error})") from error
        for name, dtype in self._types.items():
            if dtype.hasobject:
                raise PredictionError(
                    f"{path}: {name} holds pickled Python objects, which are never loaded; "
                    "save names with np.array(names, dtype=str) and numbers as float32"
                )

    def names(self, key: str) -> list[str]:
        """A list of texts."""
        dtype = self._described(key)
        if dtype.kind not in "US" or len(self.shapes[key]) != 1 or dtype.itemsize > 4 * _LONGEST_NAME:
            raise PredictionError(f"{self.path}: {key} must be a list of names, it is {self._what(key)}")
        array = self._load(key)
        try:
            return [str(n) for n in (array if dtype.kind == "U" else np.char.decode(array, "utf-8")).tolist()]
        except UnicodeDecodeError as error:
            raise PredictionError(f"{self.path}: {key} holds names that are not UTF-8") from error

    def floats(self, key: str, rows: int, columns: int | None = None) -> NDArray[np.floating]:
        """A matrix of finite floats with this many rows (and columns, where given), in its own precision."""
        dtype = self._described(key)
        shape = self.shapes[key]
        fits = len(shape) == 2 and shape[0] == rows and 0 < shape[1] <= (columns or _WIDEST)
        if dtype.kind != "f" or not fits or (columns is not None and shape[1] != columns):
            wanted = f"{rows} x {columns if columns is not None else 'D'}"
            raise PredictionError(f"{self.path}: {key} must be {wanted} floats, it is {self._what(key)}")
        array = self._load(key)
        step = max(1, _BLOCK // shape[1])
        for start in range(0, rows, step):
            finite = np.isfinite(array[start : start + step]).all(axis=1)
            if not finite.all():
                raise PredictionError(f"{self.path}: {key} holds NaN or infinity in row {start + int(finite.argmin())}")
        return array

    def _described(self, key: str) -> np.dtype[Any]:
        if key not in self._types:
            raise PredictionError(f"{self.path}: has no array {key}; it has {', '.join(self._types) or 'none'}")
        return self._types[key]

    def _what(self, key: str) -> str:
        return f"{' x '.join(map(str, self.shapes[key])) or 'a single value'} of type {self._types[key]}"

    def _load(self, key: str) -> NDArray[Any]:
        try:
            with self._zip.open(f"{key}.npy") as file:
                return np.asarray(npy.read_array(file, allow_pickle=False))
        except _CORRUPT as error:
            raise PredictionError(f"{self.path}: {key} is truncated or corrupt ({error})") from error


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an .npz archive, uncompressed."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
