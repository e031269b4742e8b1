"""Pictures with part maps as training and test samples: mirrored, scaled and cut together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from PIL import Image

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.frames import check_map
from humanbench.data.labels import IGNORE, Map, load_label
from humanbench.data.rasters import Raster
from humanbench.data.strings import Strings
from humanbench.data.transforms import Size, photometric, pixels, resize
from humanbench.recipes import Recipe
from humanbench.tasks.parsing.options import ParsingSections
from humanbench.tasks.pictures import AugmentedPictures, PlainPictures, swapped
from humanbench.tasks.training import Sample


class TrainingMaps(AugmentedPictures):
    """Pictures cut at random, with their classes: `image`, `label` H x W uint8 (255 = ignore), `index`."""

    def __init__(
        self, card: DatasetCard, rows: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> None:
        super().__init__(rows["image"], recipe, preprocessing, seed)
        self.card, self.labels = card, Strings(rows["label"])
        self.augment = ParsingSections.of(recipe).augment
        self.table = mirrored_classes(card.labels.flip_pairs)

    def __getitem__(self, index: int) -> Sample:
        rng = self.draws(index)
        image, label = self.opened(index), load_label(self.card, self.labels[index])
        check_map(self.paths[index], image.size[::-1], (label.shape[1], label.shape[0]))
        if rng.random() < self.augment.flip:
            image, label = mirrored(image, label, self.table)
        scale = rng.uniform(*self.augment.scale)
        image, label = window(image, label, self.size, scale, self.interpolation, rng)
        shown = photometric(image.image(), self.augment.photometric, rng)
        return {"index": index, "image": pixels(shown), "label": torch.from_numpy(label)}


class PicturesToParse(PlainPictures):
    """Whole pictures stretched to the input size: `image`, `map_size` (height, width of the answer), `index`."""

    def __init__(self, card: DatasetCard, rows: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing) -> None:
        super().__init__(rows["image"], recipe, preprocessing)
        self.card, self.labels = card, list(rows["label"])

    def __getitem__(self, index: int) -> Sample:
        picture = self.opened(index)
        image = picture.resized(self.size, self.interpolation).pixels()
        if self.labels[index] is None:
            return {"index": index, "image": image, "map_size": picture.size}
        # Maps are scored at the size of the ground truth, which need not be the picture's, but is of its shape.
        rows, columns = load_label(self.card, self.labels[index]).shape
        check_map(self.paths[index], picture.size[::-1], (columns, rows))
        return {"index": index, "image": image, "map_size": (rows, columns)}


def mirrored_classes(pairs: Sequence[tuple[int, int]]) -> Map:
    """A look-up table that exchanges the left and right classes; all other values stay, 255 (ignore) too."""
    return np.array(swapped(pairs, 256), np.uint8)


def mirrored(image: Raster, label: Map, table: Map) -> tuple[Raster, Map]:
    """Both mirrored; what was a left arm is a right one then."""
    return image.mirrored(), table[label[:, ::-1]]


def window(
    image: Raster, label: Map, size: Size, scale: float, interpolation: str, rng: np.random.Generator
) -> tuple[Raster, Map]:
    """Both stretched to `scale` times `size`, then a random window of `size`.

    Where the scaled picture is smaller it lies at the top left, and the rest is black and ignored (as in the paper's
    code).
    """
    scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    top, left = (int(rng.integers(0, max(0, have - want) + 1)) for have, want in zip(scaled, size, strict=True))
    nearest = np.asarray(resize(Image.fromarray(label), scaled, "nearest"))
    stretched = nearest[top : top + size[0], left : left + size[1]]
    cut = np.full(size, IGNORE, np.uint8)
    cut[: stretched.shape[0], : stretched.shape[1]] = stretched
    return image.resized(scaled, interpolation).cropped(top, left, size), cut
