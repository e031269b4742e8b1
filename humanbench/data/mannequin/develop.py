"""From radiance to photograph: blur, exposure, colour cast, vignette, sensor noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import Floats
from humanbench.compiled import compiled
from humanbench.schema import Record

F32 = NDArray[np.float32]

_SHARP = 0.3  # sigma in pixels below which a blur changes nothing to be seen


class Film(Record):
    """Ranges (low, high) from which each picture draws; see styles.toml."""

    exposure: tuple[float, float] = (0.8, 1.2)
    contrast: tuple[float, float] = (0.9, 1.1)
    warmth: tuple[float, float] = (-0.06, 0.06)
    blur: tuple[float, float] = (0.0, 0.6)  # Gaussian sigma in pixels
    motion: tuple[float, float] = (0.0, 0.0)  # pixels of horizontal shake, about the middle
    noise: tuple[float, float] = (0.005, 0.025)
    grey: float = 0.0  # share of black-and-white pictures
    quality: tuple[int, int] = (75, 95)  # JPEG


def develop(image: F32, film: Film, rng: np.random.Generator) -> NDArray[np.uint8]:
    """An H x W x 3 picture in 0..1 as H x W x 3 uint8."""
    gain, contrast, warm = (rng.uniform(*between) for between in (film.exposure, film.contrast, film.warmth))
    grey = bool(film.grey) and rng.random() < film.grey
    tone = np.array([gain * contrast, 0.5 - 0.5 * contrast, 1 + warm, 1.0, 1 - warm], np.float32)
    shake, sigma = rng.uniform(*film.motion), rng.uniform(*film.blur)
    down = _gaussian(sigma)
    across = np.convolve(down, _box(shake))
    grain = rng.standard_normal(image.shape[:2], np.float32)
    grain *= np.float32(rng.uniform(*film.noise))
    return _print(image, tone, grey, across.astype(np.float32), down.astype(np.float32), grain)


def _gaussian(sigma: float) -> Floats:
    """Weights of a blur, symmetric about the middle one."""
    if sigma <= _SHARP:
        return np.ones(1)
    at = np.arange(-int(3 * sigma), int(3 * sigma) + 1)
    weights = np.exp(-0.5 * (at / sigma) ** 2)
    blur: Floats = weights / weights.sum()
    return blur


def _box(width: float) -> Floats:
    """Weights of a mean over `width` pixels about the middle one."""
    if width <= 1:
        return np.ones(1)
    at = np.arange(-int(width / 2 + 0.5), int(width / 2 + 0.5) + 1)
    weights = np.clip(width / 2 + 0.5 - np.abs(at), 0, 1)
    mean: Floats = weights / weights.sum()
    return mean


@compiled(fastmath=True)
def _print(image: F32, tone: F32, grey: bool, across: F32, down: F32, grain: F32) -> NDArray[np.uint8]:
    """Tone, blur and grain in one pass over the rows, of which only those under the vertical blur are kept.

    tone: factor and offset, then a gain per channel. across, down: odd numbers of weights; edges repeat. grain: H x W,
    added to all channels alike.
    """
    height, width, channels = image.shape
    n, margin, reach = width * channels, (len(across) // 2) * channels, len(down) // 2
    result = np.empty((height, n), np.uint8)
    wide = np.empty(n + 2 * margin, np.float32)
    blurred = np.empty((len(down), n), np.float32)
    for y in range(height + reach):
        if y < height:
            _expose(image[y], tone, grey, wide[margin : margin + n])
            for j in range(margin):
                wide[j] = wide[margin + j % channels]
                wide[margin + n + j] = wide[margin + n - channels + j % channels]
            _weighted(across, wide, channels, blurred[y % len(down)])
        line = y - reach
        if line >= 0:
            total = np.zeros(n, np.float32)
            for i in range(len(down)):
                row = blurred[min(max(line + i - reach, 0), height - 1) % len(down)]
                for j in range(n):
                    total[j] += down[i] * row[j]
            for x in range(width):
                for c in range(channels):
                    value = min(max(total[x * channels + c] + grain[line, x], np.float32(0)), np.float32(1))
                    result[line, x * channels + c] = np.uint8(value * np.float32(255) + np.float32(0.5))
    return result.reshape(height, width, channels)


@compiled(fastmath=True)
def _expose(row: F32, tone: F32, grey: bool, result: F32) -> None:
    """A row of W x 3 through the tone (and perhaps to grey), in 0..1."""
    low, high = np.float32(0), np.float32(1)
    for x in range(row.shape[0]):
        r = (row[x, 0] * tone[0] + tone[1]) * tone[2]
        g = (row[x, 1] * tone[0] + tone[1]) * tone[3]
        b = (row[x, 2] * tone[0] + tone[1]) * tone[4]
        if grey:
            r = g = b = (r + g + b) * np.float32(1 / 3)
        result[3 * x], result[3 * x + 1] = min(max(r, low), high), min(max(g, low), high)
        result[3 * x + 2] = min(max(b, low), high)


@compiled(fastmath=True)
def _weighted(weights: F32, values: F32, step: int, result: F32) -> None:
    """Sums of values `step` apart."""
    result[:] = 0
    for i in range(len(weights)):
        part = values[i * step : i * step + len(result)]
        for j in range(len(result)):
            result[j] += weights[i] * part[j]
