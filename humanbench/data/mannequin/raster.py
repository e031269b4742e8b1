"""Drawing capsules: depth-tested coverage with normals, then shading and texture, in compiled loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from humanbench.compiled import compiled

F32 = NDArray[np.float32]

PATTERNS: tuple[str, ...] = ("plain", "stripes", "pinstripes", "checks", "logo", "splice", "dots")


@compiled(fastmath=True)
def cover(geometry: F32, flat: NDArray[np.bool_], depth: F32, hit: NDArray[np.int32], normal: F32) -> None:
    """Draw capsules into the buffers, nearest wins.

    geometry: P x 10 float32 in pixels and metres: x0, y0, z0, r0, x1, y1, z1, r1 (pixel positions and radii, z in
    metres), then the world radii R0, R1 in metres for the bulge toward the camera. depth H x W starts at infinity, hit
    H x W at -1 (index of the nearest capsule), normal H x W x 2 (x, y of the unit normal; z points to the camera).
    """
    height, width = depth.shape
    for p in range(geometry.shape[0]):
        x0, y0, z0, r0 = geometry[p, 0], geometry[p, 1], geometry[p, 2], geometry[p, 3]
        x1, y1, z1, r1 = geometry[p, 4], geometry[p, 5], geometry[p, 6], geometry[p, 7]
        if z0 < 0.2 or z1 < 0.2:
            continue
        left = max(0, int(np.floor(min(x0 - r0, x1 - r1))))
        right = min(width - 1, int(np.ceil(max(x0 + r0, x1 + r1))))
        top = max(0, int(np.floor(min(y0 - r0, y1 - r1))))
        bottom = min(height - 1, int(np.ceil(max(y0 + r0, y1 + r1))))
        dx, dy = x1 - x0, y1 - y0
        length2 = dx * dx + dy * dy
        inverse = 1.0 / length2 if length2 > 1e-6 else 0.0
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                t = ((x - x0) * dx + (y - y0) * dy) * inverse
                if flat[p] and (t < 0.0 or t > 1.0):
                    continue
                t = min(1.0, max(0.0, t))
                radius = r0 + t * (r1 - r0)
                ex, ey = x - (x0 + t * dx), y - (y0 + t * dy)
                d2 = (ex * ex + ey * ey) / max(radius * radius, 1e-6)
                if d2 > 1.0:
                    continue
                bulge = np.sqrt(1.0 - d2)
                z = z0 + t * (z1 - z0) - bulge * (geometry[p, 8] + t * (geometry[p, 9] - geometry[p, 8]))
                if z < depth[y, x]:
                    depth[y, x] = z
                    hit[y, x] = p
                    normal[y, x, 0] = ex / max(radius, 1e-3)
                    normal[y, x, 1] = ey / max(radius, 1e-3)


@compiled(fastmath=True)
def _texture(pattern: int, scale: float, u: float, v: float, w: float) -> float:
    """Share of the second colour at body coordinates u (left), v (up), w (front), in metres."""
    if pattern == 1:
        return 1.0 if (v / scale) % 1.0 < 0.5 else 0.0
    if pattern == 2:
        return 1.0 if (u / (0.6 * scale)) % 1.0 < 0.3 else 0.0
    if pattern == 3:
        a = 1.0 if (v / scale) % 1.0 < 0.5 else 0.0
        b = 1.0 if (u / scale) % 1.0 < 0.5 else 0.0
        return 0.5 * (a + b)
    if pattern == 4:
        return 1.0 if w > 0.0 and abs(u) < 0.085 and abs(v - 0.09) < 0.055 else 0.0
    if pattern == 5:
        return 1.0 if v > 0.06 else 0.0
    if pattern == 6:
        a = (u / scale) % 1.0 - 0.5
        b = (v / scale) % 1.0 - 0.5
        return 1.0 if a * a + b * b < 0.07 else 0.0
    return 0.0


@compiled(fastmath=True)
def shade(
    image: F32,
    depth: F32,
    hit: NDArray[np.int32],
    normal: F32,
    material_of: NDArray[np.int32],
    materials: F32,
    frames: F32,
    lens: F32,
    light: F32,
) -> None:
    """Colour the covered pixels of `image` (H x W x 3 float32, 0..1) in place.

    materials: M x 9: rgb, second rgb, pattern index, pattern scale in metres, gloss. frames: P x 12: texture origin
    (3) and the rows of the camera-to-body rotation (9). lens: focal length, cx, cy in pixels. light: direction to the
    light in camera coordinates (3), its strength, ambient strength, haze per metre, haze rgb (3).
    """
    height, width = depth.shape
    for y in range(height):
        for x in range(width):
            p = hit[y, x]
            if p < 0:
                continue
            m = material_of[p]
            nx, ny = normal[y, x, 0], normal[y, x, 1]
            nz = -np.sqrt(max(0.0, 1.0 - nx * nx - ny * ny))
            z = depth[y, x]
            px = (x - lens[1]) / lens[0] * z - frames[p, 0]
            py = (y - lens[2]) / lens[0] * z - frames[p, 1]
            pz = z - frames[p, 2]
            u = frames[p, 3] * px + frames[p, 4] * py + frames[p, 5] * pz
            v = frames[p, 6] * px + frames[p, 7] * py + frames[p, 8] * pz
            w = frames[p, 9] * px + frames[p, 10] * py + frames[p, 11] * pz
            share = _texture(int(materials[m, 6]), materials[m, 7], u, v, w)
            lambert = nx * light[0] + ny * light[1] + nz * light[2]
            fold = 1.0 + 0.05 * np.sin(41.0 * v + 17.0 * u) * np.sin(29.0 * w - 13.0 * v)
            lit = (light[4] + light[3] * max(0.0, lambert)) * fold
            shine = materials[m, 8] * max(0.0, lambert) ** 12
            fade = 1.0 - np.exp(-light[5] * z)
            for c in range(3):
                base = materials[m, c] * (1.0 - share) + materials[m, 3 + c] * share
                image[y, x, c] = (base * lit + shine) * (1.0 - fade) + light[6 + c] * fade
