"""From radiance to photograph: blur, exposure, colour cast, vignette, sensor noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Film:
    """Ranges (low, high) from which each picture draws; see styles.toml."""

    exposure: tuple[float, float] = (0.8, 1.2)
    contrast: tuple[float, float] = (0.9, 1.1)
    warmth: tuple[float, float] = (-0.06, 0.06)
    blur: tuple[float, float] = (0.0, 0.6)  # Gaussian sigma in pixels
    motion: tuple[float, float] = (0.0, 0.0)  # pixels of horizontal shake
    noise: tuple[float, float] = (0.005, 0.025)
    grey: float = 0.0  # share of black-and-white pictures
    quality: tuple[int, int] = (75, 95)  # JPEG


def develop(image: NDArray[np.float32], film: Film, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An H x W x 3 picture in 0..1 as H x W x 3 uint8."""
    gain = rng.uniform(*film.exposure)
    contrast = rng.uniform(*film.contrast)
    warm = rng.uniform(*film.warmth)
    result = (image * np.float32(gain) - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5)
    result *= np.array([1 + warm, 1.0, 1 - warm], np.float32)
    if film.grey and rng.random() < film.grey:
        result = np.repeat(result.mean(axis=2, keepdims=True), 3, axis=2)
    shake = round(rng.uniform(*film.motion))
    if shake > 1:
        padded = np.pad(result, ((0, 0), (shake, 0), (0, 0)), mode="edge").cumsum(axis=1)
        result = (padded[:, shake:] - padded[:, :-shake]) / shake
    sigma = rng.uniform(*film.blur)
    if sigma > 0.2:
        small = Image.fromarray((np.clip(result, 0, 1) * 255).astype(np.uint8))
        result = np.asarray(small.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / np.float32(255)
    grain = rng.standard_normal(result.shape[:2], np.float32)[..., None] * np.float32(rng.uniform(*film.noise))
    return (np.clip(result + grain, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
