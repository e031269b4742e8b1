"""Heatmaps: the Gaussians that are learned, and the joints that are read from what was learned."""

from __future__ import annotations

import torch
from torch import Tensor

from humanbench.tasks.maps import blurred

RADIUS = 3
"""Where a target Gaussian ends, in standard deviations."""
LOWEST, HIGHEST = 1e-3, 50.0
"""Bounds of a blurred heatmap before its logarithm (UDP's DARK refinement)."""
STEP = 2.0
"""Longest step of the refinement in cells; a heatmap without a peak would send a joint anywhere."""


def gaussians(joints: Tensor, size: tuple[int, int], sigma: float) -> tuple[Tensor, Tensor]:
    """Target heatmaps N x K x h x w (peak 1 at the joint's exact place), and N x K bool, which of them hold anything.

    `joints` N x K x 2 in heatmap cells. As in UDP (mmpose), a Gaussian is cut to the cells at most 3 sigma from the
    joint's nearest cell, and a joint whose square lies outside the map is not learned.
    """
    rows, columns = (torch.arange(n, dtype=joints.dtype, device=joints.device) for n in size)
    nearest = torch.trunc(joints + 0.5)  # towards zero left of and above the map, as mmpose does
    reach = RADIUS * sigma

    def along(cells: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        apart = cells - joints[..., axis, None]
        inside = (cells - nearest[..., axis, None]).abs() <= reach
        return torch.exp(-(apart**2) / (2 * sigma**2)) * inside, inside.any(-1)

    (x, in_x), (y, in_y) = along(columns, 0), along(rows, 1)
    return y[..., :, None] * x[..., None, :], in_x & in_y


def peaks(heatmaps: Tensor, blur: int) -> tuple[Tensor, Tensor]:
    """Joints N x K x 2 (x, y in heatmap cells, between them) and scores N x K of heatmaps N x K x h x w.

    The highest cell gives the score and the start; one Newton step on the logarithm of the blurred heatmap gives the
    place between cells: DARK (Zhang et al., CVPR 2020) in UDP's form, as mmpose's `refine_keypoints_dark_udp`.

    Zeros outside pull joints that lie within half a kernel of the border inwards, by up to 0.9 cells on the outermost
    two; windows about annotated boxes leave a margin in which few joints lie. With `blur` 1 nothing is blurred and the
    step is taken from the nearest cell that has neighbours on all sides: a Gaussian is then read exactly wherever its
    peak is.
    """
    h, w = heatmaps.shape[2:]
    scores, best = heatmaps.flatten(2).max(-1)
    x, y = best % w, best // w
    smooth = blurred(heatmaps, blur)
    # Blurring lowers the peak; the bounds below are meant for maps with the peak that they had.
    top = smooth.flatten(2).amax(-1).clamp_min(1e-12)
    smooth = smooth * (scores.clamp_min(0) / top)[..., None, None]
    log = smooth.clamp(LOWEST, HIGHEST).log().double()
    if blur == 1 and min(h, w) > 2:
        x, y = x.clamp(1, w - 2), y.clamp(1, h - 2)
    # Row by row the nine cells about the start; outside the map its border goes on.
    around = [
        log.flatten(2).gather(-1, ((y + j).clamp(0, h - 1) * w + (x + i).clamp(0, w - 1))[..., None])[..., 0]
        for j in (-1, 0, 1)
        for i in (-1, 0, 1)
    ]
    step = _newton(around)
    place = torch.stack([x, y], -1).double()
    return place - step.clamp(-STEP, STEP), scores


def _newton(around: list[Tensor]) -> Tensor:
    """Inverse Hessian times gradient from the 3 x 3 cells about a point, in UDP's differences: ... x 2."""
    upper_left, up, _, left, middle, right, _, down, lower_right = around
    gradient = torch.stack([right - left, down - up], -1) / 2
    xx, yy = right - 2 * middle + left, down - 2 * middle + up
    xy = (lower_right - right - down + 2 * middle - left - up + upper_left) / 2
    epsilon = torch.finfo(torch.float32).eps
    xx, yy = xx + epsilon, yy + epsilon
    determinant = xx * yy - xy**2
    flat = determinant.abs() < 1e-12
    inverse = torch.stack([torch.stack([yy, -xy], -1), torch.stack([-xy, xx], -1)], -2)
    inverse = inverse / torch.where(flat, torch.inf, determinant)[..., None, None]
    return (inverse @ gradient[..., None])[..., 0]
