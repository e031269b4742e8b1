"""Pictures and part maps together: mirrored, scaled, cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from humanbench.data.labels import IGNORE
from humanbench.data.rasters import Raster
from humanbench.data.transforms import Size, resize

Map = NDArray[np.uint8]


def mirrored_classes(pairs: Sequence[tuple[int, int]]) -> Map:
    """A look-up table that exchanges the left and right classes; all other values stay, 255 (ignore) too."""
    table = np.arange(256, dtype=np.uint8)
    for left, right in pairs:
        table[left], table[right] = right, left
    return table


def mirrored(image: Raster, label: Map, table: Map) -> tuple[Raster, Map]:
    """Both mirrored; what was a left arm is a right one then."""
    return image.mirrored(), table[label[:, ::-1]]


def resized(label: Map, size: Size) -> Map:
    """A part map stretched to `size`: the nearest pixel's class."""
    return np.asarray(resize(Image.fromarray(label), size, "nearest"))


def window(
    image: Raster, label: Map, size: Size, scale: float, interpolation: str, rng: np.random.Generator
) -> tuple[Raster, Map]:
    """Both stretched to `scale` times `size`, then a random window of `size`.

    Where the scaled picture is smaller it lies at the top left, and the rest is black and ignored (as in the paper's
    code).
    """
    scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    top, left = (int(rng.integers(0, max(0, have - want) + 1)) for have, want in zip(scaled, size, strict=True))
    stretched = resized(label, scaled)[top : top + size[0], left : left + size[1]]
    cut = np.full(size, IGNORE, np.uint8)
    cut[: stretched.shape[0], : stretched.shape[1]] = stretched
    return image.resized(scaled, interpolation).cropped(top, left, size), cut
