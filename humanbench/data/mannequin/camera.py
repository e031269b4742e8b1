"""A pinhole camera above the ground, looking along -z of the world and tilted down.

World: right-handed, x to the right of the picture, y up, z toward the viewer; metres, ground at y = 0. Camera frame:
x right, y down, z forward. Pixel (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from humanbench.arrays import Floats


@dataclass(frozen=True)
class Camera:
    """`focal` and principal point (`cx`, `cy`) in pixels, `height` in metres, `tilt` in radians down, `size` (w, h)."""

    focal: float
    height: float
    tilt: float
    size: tuple[int, int]
    cx: float
    cy: float

    @classmethod
    def centred(cls, focal: float, height: float, tilt: float, size: tuple[int, int]) -> Camera:
        """A camera whose principal point is the middle of the picture."""
        return cls(focal, height, tilt, size, (size[0] - 1) / 2, (size[1] - 1) / 2)

    def window(self, left: float, top: float, scale: float, size: tuple[int, int]) -> Camera:
        """The part of the picture whose corner lies at (left, top), enlarged by `scale`, as a picture of `size`.

        `left` and `top` are edges of pixels, so that a window of the whole picture at scale 1 starts at -0.5.
        """
        cx = (self.cx - left) * scale - 0.5
        cy = (self.cy - top) * scale - 0.5
        return Camera(self.focal * scale, self.height, self.tilt, size, cx, cy)

    @property
    def rotation(self) -> Floats:
        """World to camera directions, 3 x 3."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([[1.0, 0.0, 0.0], [0.0, -c, s], [0.0, -s, -c]])

    def view(self, points: Floats) -> Floats:
        """World points (... x 3) in the camera frame."""
        viewed: Floats = (points - np.array([0.0, self.height, 0.0])) @ self.rotation.T
        return viewed

    def project(self, viewed: Floats) -> Floats:
        """Camera-frame points (... x 3) to pixels (... x 2); points behind the camera give nan."""
        z = np.where(viewed[..., 2] > 1e-3, viewed[..., 2], np.nan)
        return np.stack([viewed[..., 0] / z * self.focal + self.cx, viewed[..., 1] / z * self.focal + self.cy], axis=-1)

    def ground(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Where the rays through pixels meet the ground: world x and distance forward (-z); nan above the horizon.

        `x` and `y` broadcast; the distance has the shape of `y`, as all of a row is equally far.
        """
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        down = (y - self.cy) / self.focal
        falling = c * down + s
        reach = self.height / np.where(falling > 1e-4, falling, np.nan)
        return (x - self.cx) / self.focal * reach, (c - s * down) * reach
