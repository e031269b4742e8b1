"""From radiance to photograph: blur, exposure, colour cast, vignette, sensor noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]

_SHARP = 0.3  # sigma in pixels below which a blur changes nothing to be seen


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


def develop(image: F32, film: Film, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An H x W x 3 picture in 0..1 as H x W x 3 uint8."""
    gain, contrast, warm = (rng.uniform(*between) for between in (film.exposure, film.contrast, film.warmth))
    grey = bool(film.grey) and rng.random() < film.grey
    result = _expose(image, gain, contrast, np.array([1 + warm, 1.0, 1 - warm], np.float32), grey)
    shake = round(rng.uniform(*film.motion))
    if shake > 1:
        padded = np.pad(result, ((0, 0), (shake, 0), (0, 0)), mode="edge").cumsum(axis=1, dtype=np.float64)
        result = ((padded[:, shake:] - padded[:, :-shake]) / shake).astype(np.float32)
    sigma = rng.uniform(*film.blur)
    if sigma > _SHARP:
        result = _smooth(result, np.exp(-0.5 * (np.arange(int(3 * sigma + 1)) / sigma) ** 2).astype(np.float32))
    grain = rng.standard_normal(result.shape[:2], np.float32)
    return _printed(result, grain, rng.uniform(*film.noise))


@njit(cache=True, fastmath=True, nogil=True)
def _expose(image: F32, gain: float, contrast: float, gains: F32, grey: bool) -> F32:
    """Brightness, contrast about the middle and gains per channel (after which it may turn grey), in 0..1."""
    result = np.empty_like(image)
    scale, offset = np.float32(gain * contrast), np.float32(0.5 - 0.5 * contrast)
    low, high = np.float32(0), np.float32(1)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            r = (image[y, x, 0] * scale + offset) * gains[0]
            g = (image[y, x, 1] * scale + offset) * gains[1]
            b = (image[y, x, 2] * scale + offset) * gains[2]
            if grey:
                r = g = b = (r + g + b) * np.float32(1 / 3)
            result[y, x, 0], result[y, x, 1] = min(max(r, low), high), min(max(g, low), high)
            result[y, x, 2] = min(max(b, low), high)
    return result


@njit(cache=True, fastmath=True, nogil=True)
def _smooth(image: F32, weights: F32) -> F32:
    """Blurred by the symmetric kernel whose half, from the middle on, is `weights` (of any sum); edges repeat."""
    height, width, channels = image.shape
    n, margin = width * channels, (len(weights) - 1) * channels
    share = weights / (weights[0] + np.float32(2) * weights[1:].sum())
    rows, across = image.reshape(height, n), np.empty((height, n), np.float32)
    wide = np.empty(n + 2 * margin, np.float32)
    for y in range(height):
        wide[margin : margin + n] = rows[y]
        for j in range(margin):
            wide[j] = rows[y, j % channels]
            wide[margin + n + j] = rows[y, n - channels + j % channels]
        across[y] = share[0] * rows[y]
        for i in range(1, len(share)):
            before, after = wide[margin - i * channels :], wide[margin + i * channels :]
            for j in range(n):
                across[y, j] += share[i] * (before[j] + after[j])
    result = np.empty((height, n), np.float32)
    for y in range(height):
        result[y] = share[0] * across[y]
        for i in range(1, len(share)):
            above, below = across[max(0, y - i)], across[min(height - 1, y + i)]
            for j in range(n):
                result[y, j] += share[i] * (above[j] + below[j])
    return result.reshape(height, width, channels)


@njit(cache=True, fastmath=True, nogil=True)
def _printed(image: F32, grain: F32, strength: float) -> NDArray[np.uint8]:
    """As bytes, with grain (H x W) on all channels alike."""
    result = np.empty(image.shape, np.uint8)
    low, high, full, half = np.float32(0), np.float32(1), np.float32(255), np.float32(0.5)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            noise = np.float32(strength) * grain[y, x]
            for c in range(3):
                result[y, x, c] = np.uint8(min(max(image[y, x, c] + noise, low), high) * full + half)
    return result
