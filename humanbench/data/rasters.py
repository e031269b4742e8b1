"""Pictures in memory, and the library that makes new ones of them: a recipe's `input.library`.

`pillow` is what the shipped numbers were made with. `opencv` decodes to the same pixels, warps and resizes in a third
of the time, and gives other pixels; docs/speed.md says which. Coordinates as in `humanbench.data.transforms`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from humanbench.data import transforms
from humanbench.data.images import open_rgb
from humanbench.data.transforms import Affine, Size
from humanbench.errors import HumanbenchError

Box = tuple[float, float, float, float]
"""Left, top, right, bottom of a part of a picture, between pixels: (0, 0) is the corner of the first one."""


class PillowRaster:
    """By Pillow: resizing smooths where it shrinks."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image

    @property
    def size(self) -> Size:
        """Height and width."""
        return self._image.height, self._image.width

    def image(self) -> Image.Image:
        """As Pillow has it."""
        return self._image

    def pixels(self) -> torch.Tensor:
        """As a sample's `image`: uint8 3 x H x W."""
        return transforms.pixels(self._image)

    def mirrored(self) -> Self:
        """With left and right exchanged."""
        return type(self)(transforms.mirror(self._image))

    def cropped(self, top: int, left: int, size: Size) -> Self:
        """A window; what lies outside the picture is black."""
        return type(self)(transforms.crop(self._image, top, left, size))

    def resized(self, size: Size, interpolation: str, box: Box | None = None) -> Self:
        """The picture, or a part of it, stretched to `size`."""
        return type(self)(transforms.resize(self._image, size, interpolation, box))

    def warped(self, matrix: Affine, size: Size, interpolation: str) -> Self:
        """The picture under an affine map, `size` large, without smoothing; black outside."""
        return type(self)(transforms.warp(self._image, matrix, size, interpolation))


class OpenCvRaster:
    """By OpenCV 5: resizing smooths only where it shrinks (by the mean of areas).

    Version 4, with which the paper's code warped, rounds places to 1/32 of a pixel; version 5 does not. It takes the
    even neighbour where the nearest pixel is asked for half-way between two, so label maps are not warped here.
    A part of a picture with edges between pixels is warped, which does not smooth.
    """

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self._array = array

    @property
    def size(self) -> Size:
        return self._array.shape[0], self._array.shape[1]

    def image(self) -> Image.Image:
        return Image.fromarray(self._array)

    def pixels(self) -> torch.Tensor:
        return torch.from_numpy(self._array.transpose(2, 0, 1).copy())

    def mirrored(self) -> Self:
        return type(self)(_cv2().flip(self._array, 1))

    def cropped(self, top: int, left: int, size: Size) -> Self:
        shown = np.zeros((*size, 3), np.uint8)
        part = self._array[max(0, top) : top + size[0], max(0, left) : left + size[1]]
        down, right = max(0, -top), max(0, -left)
        shown[down : down + part.shape[0], right : right + part.shape[1]] = part
        return type(self)(shown)

    def resized(self, size: Size, interpolation: str, box: Box | None = None) -> Self:
        cv2 = _cv2()
        if box is not None:
            left, top, right, bottom = box
            across, down = size[1] / (right - left), size[0] / (bottom - top)
            # Edges of pixels scale: the centre of pixel x lies at x + 0.5.
            offset = [(0.5 - left) * across - 0.5, (0.5 - top) * down - 0.5]
            matrix = np.array([[across, 0.0, offset[0]], [0.0, down, offset[1]]])
            return type(self)(self._warp(matrix, size, interpolation, cv2.BORDER_REPLICATE))
        shrinks = size[0] < self.size[0] and size[1] < self.size[1]
        method = cv2.INTER_AREA if shrinks and interpolation != "nearest" else _method(interpolation)
        return type(self)(cv2.resize(self._array, (size[1], size[0]), interpolation=method))

    def warped(self, matrix: Affine, size: Size, interpolation: str) -> Self:
        return type(self)(self._warp(matrix, size, interpolation, _cv2().BORDER_CONSTANT))

    def _warp(self, matrix: Affine, size: Size, interpolation: str, border: int) -> Any:
        shown = (size[1], size[0])
        return _cv2().warpAffine(self._array, matrix, shown, flags=_method(interpolation), borderMode=border)


Raster = PillowRaster | OpenCvRaster
"""An RGB picture that stays as it is: every method makes a new one. Both kinds have the methods of `PillowRaster`."""


def _opencv(path: str) -> OpenCvRaster:
    """Decoded by libjpeg-turbo, as Pillow does it; what is no whole JPEG in grey or RGB is left to Pillow."""
    _cv2()
    from simplejpeg import decode_jpeg, decode_jpeg_header

    try:
        content = Path(path).read_bytes()
        height, width, colours, _ = decode_jpeg_header(content)
        if colours in ("YCbCr", "Gray", "RGB") and height * width <= (Image.MAX_IMAGE_PIXELS or 0):
            return OpenCvRaster(decode_jpeg(content, "RGB"))
    except (OSError, ValueError):
        pass  # what is wrong with it, Pillow says
    return OpenCvRaster(np.asarray(open_rgb(path)))


def open_raster(path: str, library: str) -> Raster:
    """The decoded picture, as stored (no rotation by EXIF); `DataError` as `open_rgb` raises it."""
    if library == "pillow":
        return PillowRaster(open_rgb(path))
    assert library == "opencv", library
    return _opencv(path)


def check_library(library: str) -> None:
    """`HumanbenchError` where a library is not installed."""
    if library == "opencv":
        _cv2()


@lru_cache(maxsize=1)
def _cv2() -> Any:
    """OpenCV on one thread: there is a process for every core."""
    try:
        import cv2
        import simplejpeg  # noqa: F401  # part of the same extra
    except ImportError as error:
        raise HumanbenchError(
            "input.library=opencv needs OpenCV, which is not installed: pip install 'humanbench[opencv]'"
        ) from error
    cv2.setNumThreads(0)
    return cv2


def _method(interpolation: str) -> int:
    cv2 = _cv2()
    methods = {
        "nearest": cv2.INTER_NEAREST,
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    return int(methods[interpolation])
