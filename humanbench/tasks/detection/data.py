"""Pictures with people for the detector: sizes, crops, and boxes that follow.

A picture in training is either resized so that its shorter side is one of several lengths, or first resized, cropped
and then resized: DETR's augmentation, with the lengths of the recipe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from humanbench.backbones.features import Preprocessing
from humanbench.data import transforms
from humanbench.data.rasters import Raster
from humanbench.recipes import Recipe
from humanbench.tasks.detection.options import DetectionSections
from humanbench.tasks.pictures import AugmentedPictures
from humanbench.tasks.training import Sample

Boxes = NDArray[np.float64]


class BoxedImage(NamedTuple):
    """A picture and boxes M x 4 (x, y, w, h in its pixels), `ignore` M."""

    image: Raster
    boxes: Boxes
    ignore: NDArray[np.bool_]

    def resized(self, short: int, longest: int, interpolation: str) -> BoxedImage:
        """Shorter side `short`, or less where the longer one would exceed `longest`."""
        before = self.image.size
        size = fitting(before, short, longest)
        factor = np.array([size[1] / before[1], size[0] / before[0]] * 2)
        return BoxedImage(self.image.resized(size, interpolation), self.boxes * factor, self.ignore)

    def mirrored(self) -> BoxedImage:
        """Left and right exchanged; a box's left side is where its right one was."""
        boxes = self.boxes.copy()
        boxes[:, 0] = self.image.size[1] - boxes[:, 0] - boxes[:, 2]
        return BoxedImage(self.image.mirrored(), boxes, self.ignore)

    def cropped(self, top: int, left: int, size: transforms.Size) -> BoxedImage:
        """A window of the picture, with what of the boxes lies in it."""
        moved = self._replace(image=self.image.cropped(top, left, size), boxes=self.boxes - [left, top, 0, 0])
        return moved.clipped()

    def clipped(self) -> BoxedImage:
        """Boxes cut at the picture's edges; those outside are dropped."""
        extent = np.array(self.image.size[::-1], float)
        low = np.clip(self.boxes[:, :2], 0, extent)
        high = np.clip(self.boxes[:, :2] + self.boxes[:, 2:], 0, extent)
        boxes, left = np.concatenate([low, high - low], axis=1), (high > low).all(axis=1)
        return BoxedImage(self.image, boxes[left], self.ignore[left])


def fitting(size: transforms.Size, short: int, longest: int) -> transforms.Size:
    """The size (height, width) with this shorter side, smaller where the longer one would exceed `longest`.

    >>> fitting((480, 640), 800, 1333), fitting((300, 900), 800, 1333)
    ((800, 1067), (444, 1333))
    """
    factor = min(short / min(size), longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


class Scenes(AugmentedPictures):
    """Pictures of a table at the recipe's size; augmented and with targets in training."""

    def __init__(
        self, table: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing, training: bool, seed: int = 0
    ) -> None:
        self.augment, self.training = DetectionSections.of(recipe).augment, training
        if training and self.augment.skip_empty:
            table = table[[bool((~np.asarray(ignore, bool)).any()) for ignore in table["ignore"]]]
        super().__init__(table["image"], recipe, preprocessing, seed)
        self.boxes = [np.asarray(boxes, float).reshape(-1, 4) for boxes in table["boxes"]]
        self.ignore = [np.asarray(ignore, bool) for ignore in table["ignore"]]

    def __getitem__(self, index: int) -> Sample:
        """`image`, `size` and `original` (height, width) of the input and of the file.

        In training `boxes` and `ignored`: M x 4 float32 (cx, cy, w, h) in shares of the input's size, of people and of
        regions to ignore, cut at the picture's edges, as the metrics cut them.
        """
        image = self.opened(index)
        scene = BoxedImage(image, self.boxes[index], self.ignore[index]).clipped()
        if self.training:
            scene = self._augmented(scene, self.draws(index))
        else:
            scene = scene.resized(*self.size, self.interpolation)
        size = scene.image.size
        sample: Sample = {"index": index, "image": scene.image.pixels()}
        sample |= {"size": torch.tensor(size), "original": torch.tensor(image.size)}
        if self.training:
            shares = torch.from_numpy(to_shares(scene.boxes, size))
            ignore = torch.from_numpy(scene.ignore)
            sample |= {"boxes": shares[~ignore], "ignored": shares[ignore]}
        return sample

    def _augmented(self, scene: BoxedImage, rng: np.random.Generator) -> BoxedImage:
        chosen = self.augment
        if rng.random() < chosen.flip:
            scene = scene.mirrored()
        if rng.random() < chosen.crop:
            scene = scene.resized(int(rng.choice(chosen.crop_short_sides)), _UNBOUNDED, self.interpolation)
            low, high = chosen.crop_sides
            sides = [int(rng.integers(min(low, s), min(high, s) + 1)) for s in scene.image.size]
            top = int(rng.integers(scene.image.size[0] - sides[0] + 1))
            left = int(rng.integers(scene.image.size[1] - sides[1] + 1))
            scene = scene.cropped(top, left, (sides[0], sides[1]))
        return scene.resized(int(rng.choice(chosen.short_sides)), self.size[1], self.interpolation)


_UNBOUNDED = 1 << 30


def to_shares(boxes: Boxes, size: transforms.Size) -> NDArray[np.float32]:
    """Pixels (x, y, w, h) as (cx, cy, w, h) in shares of a picture's size (height, width)."""
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    return (np.concatenate([middle, boxes[:, 2:]], axis=1) / [size[1], size[0], size[1], size[0]]).astype(np.float32)


def to_pixels(shares: NDArray[np.floating], size: transforms.Size) -> Boxes:
    """What `to_shares` undoes."""
    boxes = np.asarray(shares, np.float64) * [size[1], size[0], size[1], size[0]]
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
