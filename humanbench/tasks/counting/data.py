"""Pictures with head points as training and test samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from humanbench.arrays import Floats
from humanbench.backbones.features import Preprocessing
from humanbench.data.rasters import Raster
from humanbench.data.transforms import mirror, photometric, pixels
from humanbench.recipes import Recipe
from humanbench.tasks.counting.density import density_map, inside, kernels
from humanbench.tasks.counting.options import CountingAugmentOptions, CountingSections
from humanbench.tasks.pictures import AugmentedPictures, PlainPictures
from humanbench.tasks.training import Sample


def random_window(
    image: Raster, points: Floats, options: CountingAugmentOptions, interpolation: str, rng: np.random.Generator
) -> tuple[Image.Image, Floats, NDArray[np.bool_], float]:
    """A random window of the scaled picture: the window, all points in its pixels, which lie in it, and the factor.

    The factor is raised where the picture would not fill the window.
    """
    (height, width), (rows, columns) = options.crop, image.size
    factor = max(rng.uniform(*options.scale), height / rows, width / columns)
    left = rng.uniform(0, max(0.0, columns - width / factor))
    top = rng.uniform(0, max(0.0, rows - height / factor))
    box = (left, top, min(columns, left + width / factor), min(rows, top + height / factor))
    window = image.resized((height, width), interpolation, box).image()
    # Edges of pixels scale, not their centres: pixel x reaches from x - 0.5 to x + 0.5.
    moved = (points + 0.5 - [left, top]) * factor - 0.5
    in_window: NDArray[np.bool_] = np.all((moved >= -0.5) & (moved < [width - 0.5, height - 0.5]), axis=1)
    return window, moved, in_window, factor


class TrainingCrowds(AugmentedPictures):
    """Windows of crowds: `image`, `density` h x w (people per cell of the head's stride), `index`."""

    def __init__(self, rows: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing, seed: int) -> None:
        super().__init__(rows["image"], recipe, preprocessing, seed)
        self.points, options = list(rows["points"]), CountingSections.of(recipe)
        self.augment, self.kernel, self.stride = options.augment, options.loss, options.head.stride

    def __getitem__(self, index: int) -> Sample:
        rng = self.draws(index)
        image = self.opened(index)
        points = inside(np.asarray(self.points[index], np.float64).reshape(-1, 2), image.size)
        sigmas = kernels(points, self.kernel)
        window, points, in_window, factor = random_window(image, points, self.augment, self.interpolation, rng)
        points, sigmas = points[in_window], sigmas[in_window] * factor
        if rng.random() < self.augment.flip:
            window, points = mirror(window), [window.width - 1, 0] + points * [-1, 1]
        window = photometric(window, self.augment.photometric, rng)
        return {
            "index": index,
            "image": pixels(window),
            "density": torch.from_numpy(density_map(points, sigmas, self.augment.crop, self.stride)),
        }


class CrowdsToCount(PlainPictures):
    """Whole pictures, shrunk only where they are larger than the recipe's size: `image`, `size` (height, width),
    `index`."""

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        """The pictures one by one: padding to a common size would change what a transformer sees."""
        return [[index] for index in range(len(self))]

    def __getitem__(self, index: int) -> Sample:
        image = self.opened(index)
        height, width = image.size
        factor = min(1.0, self.size[0] / height, self.size[1] / width)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        if factor < 1:
            image = image.resized(size, self.interpolation)
        return {"index": index, "image": image.pixels(), "size": size}
