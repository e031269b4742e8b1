"""Part maps packed for keeping: ten thousand of them, a few kilobytes each, until they are written."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.uint8]


@dataclass(frozen=True)
class PackedMap:
    """An H x W map of class indices."""

    shape: tuple[int, int]
    data: bytes

    @classmethod
    def of(cls, classes: Map) -> PackedMap:
        """Pack a map."""
        rows, columns = classes.shape
        return cls((rows, columns), zlib.compress(classes.tobytes(), 1))

    def unpack(self) -> Map:
        """The map again."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)
