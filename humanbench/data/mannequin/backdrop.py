"""What is behind the people: ground in perspective and a street, plaza, room, park or studio behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from humanbench.arrays import Bools, Floats
from humanbench.data.mannequin.camera import Camera

F32 = NDArray[np.float32]


def draw_backdrop(rng: np.random.Generator, camera: Camera, kind: str, beyond: float = 0.0) -> F32:
    """An H x W x 3 float32 picture (0..1) of an empty place of this kind; what closes it is `beyond` metres away."""
    width, height = camera.size
    draw_ground, draw_wall, distance, tall = _PLACES[kind]
    far = max(beyond, float(rng.uniform(*distance)))
    base = _row_of(camera, far)
    image = np.empty((height, width, 3), np.float32)
    first = int(np.clip(np.ceil(base), 0, height))  # row of the ground
    x, z = camera.ground(np.arange(width, dtype=float)[None], np.arange(first, height, dtype=float)[:, None])
    image[first:] = draw_ground(rng, np.nan_to_num(x).astype(np.float32), np.nan_to_num(z).astype(np.float32))
    if first:
        image[:first] = draw_wall(rng, first, width, base, max(4.0, camera.focal * tall / far))
    image *= np.float32(0.86) + np.float32(0.28) * noise(rng, height, width, 5)[..., None]
    return np.clip(image, 0, 1, out=image)


def noise(rng: np.random.Generator, height: int, width: int, cells: int) -> F32:
    """Smooth noise of mean about 0.5 with three octaves, the coarsest of `cells` cells across the picture."""
    total = np.zeros((height, width), np.float32)
    for octave, weight in ((1, 0.5), (3, 0.3), (9, 0.2)):
        grid = rng.random((cells * octave + 1, cells * octave + 1)).astype(np.float32)
        picture = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += weight * np.asarray(picture)
    return total


def _row_of(camera: Camera, distance: float) -> float:
    point = camera.project(camera.view(np.array([0.0, 0.0, -distance])))
    return float(np.nan_to_num(point[1], nan=-1e6))


def _tone(rng: np.random.Generator, low: float, high: float, colour: float = 0.04) -> Floats:
    return np.clip(rng.uniform(low, high) + rng.normal(0, colour, 3), 0.02, 0.98)


def _lines(values: F32, step: float, share: float) -> Bools:
    return (values / np.float32(step)) % 1 < share


def _plane(tone: Floats, x: F32, z: F32) -> F32:
    return np.broadcast_to(tone.astype(np.float32), (len(z), x.shape[1], 3)).copy()


def _street_ground(rng: np.random.Generator, x: F32, z: F32) -> F32:
    ground = _plane(_tone(rng, 0.25, 0.45, 0.01), x, z)
    angle = rng.uniform(-0.6, 0.6)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    across = x * c + (z * s - np.float32(rng.uniform(-3, 3)))
    ground[np.abs(across) > 3.5] = _tone(rng, 0.45, 0.65, 0.02)
    if rng.random() < 0.6:
        ground[(np.abs(across) < 0.08) & _lines(z * c - x * s, 3.0, 0.5)] = 0.82
    if rng.random() < 0.3:
        ground[(np.abs(across) < 3.0) & _lines(across, 1.0, 0.5) & (np.abs(z - 8) < 1.5)] = 0.85
    return ground


def _tile_ground(rng: np.random.Generator, x: F32, z: F32) -> F32:
    tone = _tone(rng, 0.45, 0.75)
    step = rng.uniform(0.6, 2.0)
    odd = (np.floor(x / np.float32(step)) + np.floor(z / np.float32(step))) % 2 > 0
    gain = np.where(odd, np.float32(rng.uniform(0.85, 0.97)), np.float32(1))
    gain[_lines(x, step, 0.04) | _lines(z, step, 0.04)] *= np.float32(0.75)
    return gain[..., None] * tone.astype(np.float32)


def _grass_ground(rng: np.random.Generator, x: F32, z: F32) -> F32:
    green = np.array([rng.uniform(0.18, 0.32), rng.uniform(0.32, 0.46), rng.uniform(0.12, 0.20)])
    ground = _plane(green, x, z)
    winding = np.float32(rng.uniform(-3, 3)) + np.float32(0.8) * np.sin(z / np.float32(rng.uniform(3, 7)))
    ground[np.abs(x + winding) < rng.uniform(0.8, 2.2)] = (0.62, 0.56, 0.46)
    return ground


def _floor_ground(rng: np.random.Generator, x: F32, z: F32) -> F32:
    return _plane(_tone(rng, 0.5, 0.85, 0.02), x, z)


def _facades(rng: np.random.Generator, height: int, width: int, base: float, storey: float) -> F32:
    wall = np.empty((height, width, 3), np.float32)
    sky = np.array([0.60, 0.72, 0.86]) if rng.random() < 0.6 else np.array([0.78, 0.79, 0.80])
    wall[:] = sky * np.linspace(0.9, 1.1, height)[:, None, None]
    left = 0
    while left < width:
        span = max(8, int(rng.uniform(1.5, 4.0) * storey))
        top = int(base - rng.uniform(0.7, 4.0) * storey)
        right = min(width, left + span)
        wall[max(0, top) :, left:right] = _tone(rng, 0.25, 0.75, 0.07)
        step, sill = rng.uniform(0.28, 0.5) * storey, _tone(rng, 0.12, 0.4)
        for row in np.arange(base - 0.45 * storey, top, -0.55 * storey):
            for column in np.arange(left + 0.25 * step, right - 0.5 * step, step):
                y0, y1 = max(0, int(row - 0.3 * storey)), max(0, int(row))
                wall[y0:y1, int(column) : int(column + 0.55 * step)] = sill
        left = right + int(rng.uniform(0, 0.3) * storey)
    return wall


def _trees(rng: np.random.Generator, height: int, width: int, base: float, storey: float) -> F32:
    wall = np.empty((height, width, 3), np.float32)
    wall[:] = np.array([0.66, 0.77, 0.88]) * np.linspace(1.0, 1.1, height)[:, None, None]
    for _ in range(int(rng.integers(8, 22))):
        cx, cy = rng.uniform(0, width), base - rng.uniform(0.1, 1.3) * storey
        rx, ry = rng.uniform(0.3, 0.9) * storey, rng.uniform(0.3, 0.8) * storey
        left, right = max(0, int(cx - rx)), min(width, int(cx + rx) + 2)
        top, bottom = max(0, int(cy - ry)), max(0, min(height, int(cy + ry) + 2))
        rows, columns = np.ogrid[top:bottom, left:right]
        green = rng.uniform(0.5, 1.2)
        crown = ((columns - cx) / rx) ** 2 + ((rows - cy) / ry) ** 2 < 1
        wall[top:bottom, left:right][crown] = (0.16 * green, 0.33 * green, 0.12 * green)
    wall *= np.float32(0.8) + np.float32(0.4) * noise(rng, height, width, 12)[..., None]
    return wall


def _interior(rng: np.random.Generator, height: int, width: int, base: float, storey: float) -> F32:
    wall = np.empty((height, width, 3), np.float32)
    wall[:] = _tone(rng, 0.55, 0.9)
    for _ in range(int(rng.integers(3, 9))):
        w, h = rng.uniform(0.2, 0.9) * storey, rng.uniform(0.15, 0.6) * storey
        x, bottom = rng.uniform(-0.2, 1.0) * width, base - rng.choice([0.0, 0.25, 0.5]) * storey
        wall[max(0, int(bottom - h)) : max(0, int(bottom)), max(0, int(x)) : max(0, int(x + w))] = _tone(
            rng, 0.1, 0.9, 0.12
        )
    wall[max(0, int(base - 0.04 * storey)) : max(0, int(base))] *= 0.6
    return wall


def _plain(rng: np.random.Generator, height: int, width: int, base: float, storey: float) -> F32:
    return np.broadcast_to(_tone(rng, 0.55, 0.95, 0.05).astype(np.float32), (height, width, 3)).copy()


Ground = Callable[[np.random.Generator, F32, F32], F32]
Wall = Callable[[np.random.Generator, int, int, float, float], F32]
_PLACES: dict[str, tuple[Ground, Wall, tuple[float, float], float]] = {
    "street": (_street_ground, _facades, (14, 40), 3.5),
    "plaza": (_tile_ground, _facades, (30, 70), 4.0),
    "room": (_tile_ground, _interior, (6, 14), 3.0),
    "park": (_grass_ground, _trees, (15, 45), 5.0),
    "studio": (_floor_ground, _plain, (5, 9), 3.0),
}
"""By kind: the ground, what closes it, how far away that is and how high, both in metres."""
