"""Windows about people, their augmentation, and the unbiased map between picture, network input and heatmap.

Everything counts in pixels with (0, 0) at the centre of the top-left one. A picture, input or heatmap of W pixels is
W - 1 long (unbiased data processing: Huang et al., "The Devil is in the Details", CVPR 2020), so a window's left and
right edges fall on the centres of the outermost pixels, and a mirrored picture gives exactly the mirrored heatmap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from humanbench.arrays import Floats
from humanbench.data.transforms import Affine, Size
from humanbench.tasks.pose.options import PoseAugmentOptions

PADDING = 1.25
"""Sides of a window over those of the box (HRNet, mmpose)."""
HALF_BODY_PADDING = 1.5
"""The same for a window about half of the joints."""
UPPER = 0.69
"""Chance of the upper body: the released code compares a *normal* draw with 0.5."""
ABSENT = -2.0
"""A centre that MPII does not state: stored as -1, and the table counts from 0."""


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture: `center` (x, y) and `extent` (width, height) in original pixels."""

    center: Floats
    extent: Floats


def clip_box(box: ArrayLike, size: Size) -> Floats:
    """A box [x, y, w, h] cut off at the picture's borders, as the paper's toolchain does with annotated boxes."""
    x, y, w, h = np.asarray(box, np.float64)
    left, top = max(0.0, x), max(0.0, y)
    right = min(size[1] - 1.0, left + max(0.0, w - 1))
    bottom = min(size[0] - 1.0, top + max(0.0, h - 1))
    return np.array([left, top, right - left, bottom - top])


def box_window(box: ArrayLike, aspect: float) -> Window:
    """The window about a box [x, y, w, h]: the shorter side grown to `aspect` (width / height), times `PADDING`."""
    x, y, w, h = np.asarray(box, np.float64)
    return Window(np.array([x + w / 2, y + h / 2]), _grown(w, h, aspect) * PADDING)


def given_window(center: ArrayLike, scale: float) -> Window:
    """MPII's window from a person's centre and scale (height / 200 pixels), as HRNet and the paper's code take it.

    Moved down by 15 * scale and 1.25 * 200 * scale wide and high. It stays square: an input that is not is a stretched
    picture, which is what the paper's configuration (256 x 192) does.
    """
    x, y = np.asarray(center, np.float64)
    if x == ABSENT:
        return Window(np.array([x, y]), np.full(2, 200.0 * scale))
    return Window(np.array([x, y + 15 * scale]), np.full(2, PADDING * 200 * scale))


def window_matrix(window: Window, size: Size, rotation: float = 0.0) -> Affine:
    """The affine map from the picture to a `size` large input that shows the window, turned by `rotation` degrees."""
    angle = np.deg2rad(rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn * (_length(size) / window.extent)[:, None]
    return np.concatenate([linear, (_length(size) / 2 - linear @ window.center)[:, None]], axis=1)


def to_picture(points: ArrayLike, window: Window, size: Size) -> Floats:
    """Points (... x 2) of a map that shows the whole window (input or heatmap, `size` large) in original pixels."""
    placed: Floats = np.asarray(points, np.float64) / _length(size) * window.extent + window.center - window.extent / 2
    return placed


def between(points: ArrayLike, source: Size, target: Size) -> Floats:
    """Points (... x 2) of one map of a window as points of another, for instance of the input as of the heatmap."""
    return np.asarray(points, np.float64) * (_length(target) / _length(source))


def shifted(window: Window, box: ArrayLike, options: PoseAugmentOptions, rng: np.random.Generator) -> Window:
    """The window moved by up to `shift` of the box's sides, with chance `shift_chance`."""
    move = rng.uniform(-1, 1, 2) * options.shift * np.asarray(box, np.float64)[2:]
    return replace(window, center=window.center + move) if rng.random() < options.shift_chance else window


def half_body(
    window: Window,
    keypoints: Floats,
    upper_body: Sequence[int],
    aspect: float,
    options: PoseAugmentOptions,
    rng: np.random.Generator,
) -> Window:
    """With chance `half_body`, the window about the upper or the lower joints of a person with enough labelled ones.

    `keypoints` K x 3. A half of fewer than three joints is not chosen unless the other has as few, and one of fewer
    than two leaves the window as it is (HRNet, mmpose).
    """
    wanted, pick_upper = rng.random() < options.half_body, rng.random() < UPPER
    labelled = keypoints[:, 2] > 0
    if not wanted or labelled.sum() <= options.half_body_joints:
        return window
    upper = np.isin(np.arange(len(keypoints)), upper_body)
    above, below = keypoints[labelled & upper, :2], keypoints[labelled & ~upper, :2]
    chosen = above if (pick_upper and len(above) > 2) or len(below) <= 2 else below
    if len(chosen) < 2:
        return window
    w, h = chosen.max(axis=0) - chosen.min(axis=0)
    return Window(chosen.mean(axis=0), _grown(w, h, aspect) * HALF_BODY_PADDING)


def scale_and_rotation(options: PoseAugmentOptions, rng: np.random.Generator) -> tuple[float, float]:
    """A factor for the window's extent and an angle in degrees."""
    factor = np.clip(1 + options.scale * rng.standard_normal(), 1 - options.scale, 1 + options.scale)
    angle = np.clip(options.rotation * rng.standard_normal(), -2 * options.rotation, 2 * options.rotation)
    return float(factor), float(angle) if rng.random() < options.rotation_chance else 0.0


def _length(size: Size) -> Floats:
    return np.array([size[1] - 1.0, size[0] - 1.0])


def _grown(w: float, h: float, aspect: float) -> Floats:
    """Sides of this aspect that hold w x h; at least a pixel, so that a box without area still has a window."""
    return np.maximum(1.0, [max(w, h * aspect), max(h, w / aspect)])
