"""Steps from an image file to network input, as small functions; every task composes what it needs.

Coordinates: (0, 0) is the centre of the top-left pixel, x to the right. Affine maps are 2 x 3 matrices from the source
to the result. Sizes are (height, width). Randomness comes from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from humanbench.backbones.features import Preprocessing

Size = tuple[int, int]
Affine = NDArray[np.float64]

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_WARPS = {"nearest", "bilinear", "bicubic"}  # what Pillow offers for affine maps


def resize(
    image: Image.Image, size: Size, interpolation: str, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Stretch to `size`, whatever the aspect; smoothed when shrinking, as Pillow does.

    `box`: left, top, right, bottom of the part that is stretched, (0, 0) the corner of the first pixel.
    """
    return image.resize((size[1], size[0]), RESAMPLING[interpolation], box=box)


def mirror(image: Image.Image) -> Image.Image:
    """The picture with left and right exchanged: x becomes width - 1 - x."""
    return ImageOps.mirror(image)


def crop(image: Image.Image, top: int, left: int, size: Size) -> Image.Image:
    """A window of `size`; what lies outside the picture is black."""
    return image.crop((left, top, left + size[1], top + size[0]))


def pad_and_crop(image: Image.Image, border: int, rng: np.random.Generator) -> Image.Image:
    """The picture moved by up to `border` pixels each way; what comes in at the edges is black."""
    top, left = rng.integers(-border, border, 2, endpoint=True).tolist()
    return crop(image, top, left, (image.height, image.width))


def erase(
    image: Image.Image, area: tuple[float, float], aspect: tuple[float, float], rng: np.random.Generator
) -> Image.Image:
    """A rectangle of the picture replaced by one random colour (random erasing, Zhong et al., AAAI 2020).

    `area` bounds its share of the picture, `aspect` its height over width, both drawn uniformly; what does not fit is
    drawn again, up to 100 times.
    """
    for _ in range(100):
        pixels = rng.uniform(*area) * image.width * image.height
        shape = rng.uniform(*aspect)
        height, width = round((pixels * shape) ** 0.5), round((pixels / shape) ** 0.5)
        if height < image.height and width < image.width:
            top, left = int(rng.integers(image.height - height + 1)), int(rng.integers(image.width - width + 1))
            erased = image.copy()
            erased.paste(tuple(rng.integers(256, size=3).tolist()), (left, top, left + width, top + height))
            return erased
    return image


def warp(image: Image.Image, matrix: Affine, size: Size, interpolation: str) -> Image.Image:
    """The picture under an affine map, `size` large; each pixel is interpolated from its neighbours, without smoothing.

    Pixels from outside the picture are 0. Methods that Pillow has not for affine maps fall back to bicubic.
    """
    inverse = invert(matrix)
    # Pillow's coordinates have (0, 0) at the corner of the first pixel.
    offset = inverse[:, 2] + 0.5 - inverse[:, :2] @ [0.5, 0.5]
    data = [inverse[0, 0], inverse[0, 1], offset[0], inverse[1, 0], inverse[1, 1], offset[1]]
    method = RESAMPLING[interpolation if interpolation in _WARPS else "bicubic"]
    return image.transform((size[1], size[0]), Image.Transform.AFFINE, data, method, fillcolor=0)


def invert(matrix: Affine) -> Affine:
    """The affine map that undoes this one."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, -linear @ matrix[:, 2:]], axis=1)


def compose(second: Affine, first: Affine) -> Affine:
    """The affine map that does `first`, then `second`."""
    return np.concatenate([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2:] + second[:, 2:]], axis=1)


def apply(matrix: Affine, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (... x 2) under an affine map."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def mirroring(width: float) -> Affine:
    """The affine map of `mirror` in a picture of this width."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def photometric(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast and saturation, each times a factor from 1 - strength to 1 + strength."""
    if strength == 0:
        return image
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    pixels = np.asarray(image, np.float32) * brightness
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    pixels = grey.mean() + (pixels - grey.mean()) * contrast
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    pixels = grey[..., None] + (pixels - grey[..., None]) * saturation
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def pixels(image: Image.Image) -> torch.Tensor:
    """The picture as a sample's `image`: uint8 3 x H x W; a batch becomes floats where the network is (`normalise`)."""
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


_CACHED = 1 << 15
"""Places of a picture, of three floats each, that are worked on at a time."""


def normalise(images: torch.Tensor, preprocessing: Preprocessing, sizes: Sequence[Size] | None = None) -> torch.Tensor:
    """Pictures as the backbone wants them: N x 3 x H x W, float32, minus the mean, divided by the standard deviation.

    `images`: uint8 N x 3 x H x W, on any device, where the work is done; floats are taken as they are. `sizes`: height
    and width of each picture where they were filled up; what lies outside becomes 0. Each step rounds as IEEE 754 says,
    so the values are the same to the bit on every device.
    """
    if images.dtype != torch.uint8:
        return images
    white, mean, std = _scale(preprocessing.mean, preprocessing.std, images.device)
    if images.device.type == "cpu":  # some lines at a time, which stay in the processor's cache
        floats = torch.empty(images.shape)
        step = max(1, _CACHED // images.shape[-1])
        for row, image in zip(floats, images, strict=True):
            for top in range(0, images.shape[-2], step):
                lines = slice(top, top + step)
                row[:, lines].copy_(image[:, lines]).div_(white).sub_(mean).div_(std)
    else:
        floats = images.float().div_(white).sub_(mean).div_(std)
    for row, (height, width) in zip(floats, sizes or (), strict=sizes is not None):
        row[:, height:], row[:, :, width:] = 0.0, 0.0
    return floats


@lru_cache(maxsize=8)
def _scale(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """255, mean and deviation as tensors: CUDA would multiply by the rounded reciprocal of a plain number."""
    return (
        torch.tensor(255.0, device=device),
        torch.tensor(mean, device=device)[:, None, None],
        torch.tensor(std, device=device)[:, None, None],
    )


def stack_padded(images: Sequence[torch.Tensor]) -> torch.Tensor:
    """Tensors (... x H x W) of perhaps different sizes as one batch, filled up with 0 right and bottom."""
    if all(image.shape == images[0].shape for image in images):
        return torch.stack(list(images))
    height = max(image.shape[-2] for image in images)
    width = max(image.shape[-1] for image in images)
    batch = images[0].new_zeros((len(images), *images[0].shape[:-2], height, width))
    for row, image in zip(batch, images, strict=True):
        row[..., : image.shape[-2], : image.shape[-1]] = image
    return batch
