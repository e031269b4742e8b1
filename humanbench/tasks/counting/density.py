"""Density maps from head points: one person's mass around each point, whatever is cut or scaled.

The kernels are those of MCNN (Zhang et al., "Single-Image Crowd Counting via Multi-Column Convolutional Neural
Network", CVPR 2016): of one width where perspective is weak (ShanghaiTech part B), and growing with the distance to the
nearest heads in dense crowds (part A). A cell holds the exact integral of the Gaussians over its square, not a sample.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtr

from humanbench.arrays import Floats
from humanbench.data.transforms import Size
from humanbench.tasks.counting.options import CountingLossOptions
from humanbench.tasks.maps import cells

NARROWEST = 1.0
"""Smallest kernel in pixels: two heads at the same place would otherwise have none."""


def inside(points: Floats, size: Size) -> Floats:
    """Points N x 2 (x, y) moved onto the picture: annotators also mark heads a little outside, and those count."""
    return np.clip(points, 0.0, [size[1] - 1.0, size[0] - 1.0])


def kernels(points: Floats, options: CountingLossOptions) -> Floats:
    """Standard deviations of the Gaussians of N points, in pixels of the picture that the points are in."""
    if options.kernel == "fixed" or len(points) <= options.neighbours:
        return np.full(len(points), options.sigma)
    distances = np.asarray(cKDTree(points).query(points, options.neighbours + 1)[0])
    widths: Floats = np.maximum(NARROWEST, options.spread * distances[:, 1:].mean(axis=1))
    return widths


def density_map(points: Floats, sigmas: Floats, size: Size, stride: int) -> NDArray[np.float32]:
    """People per cell: ceil(H / stride) x ceil(W / stride), whose sum is the number of points.

    `points` N x 2 lie on the picture of `size`; the part of a Gaussian that would fall outside is shared out over the
    inside, so that cutting a picture in two loses nobody.
    """
    rows, columns = cells(size, stride)

    def shares(places: Floats, count: int) -> Floats:
        edges = np.arange(count + 1) * stride - 0.5
        mass = np.diff(ndtr((edges - places[:, None]) / sigmas[:, None]), axis=1)
        share: Floats = mass / mass.sum(axis=1, keepdims=True)
        return share

    return (shares(points[:, 1], rows).T @ shares(points[:, 0], columns)).astype(np.float32)
