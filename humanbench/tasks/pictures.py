"""What the data sets of several tasks share: randomness, order, and pictures of single people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from humanbench.backbones.features import Preprocessing
from humanbench.data import transforms
from humanbench.data.rasters import Raster, open_raster
from humanbench.data.sampling import generator, shuffled_batches
from humanbench.data.strings import Strings
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables
from humanbench.tasks.training import Sample


def swapped(pairs: Sequence[tuple[int, int]], count: int) -> list[int]:
    """For each of `count` indices, the one that takes its place in a mirrored picture.

    >>> swapped([(1, 2)], 4)
    [0, 2, 1, 3]
    """
    order = list(range(count))
    for left, right in pairs:
        order[left], order[right] = right, left
    return order


class Pictures(ABC):
    """Pictures of files as a recipe wants them: what the training and test sets of all tasks hold."""

    def __init__(self, paths: Iterable[str], recipe: Recipe, preprocessing: Preprocessing, seed: int = 0) -> None:
        self.paths = Strings(map(str, paths))
        self.size, self.library = recipe.input.size, recipe.input.library
        self.interpolation = preprocessing.interpolation
        self.seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return len(self.paths)

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """The sample of a picture."""

    def opened(self, index: int) -> Raster:
        """The decoded picture."""
        return open_raster(self.paths[index], self.library)

    def set_epoch(self, epoch: int) -> None:
        """Which augmentation the next samples get; those of a test are the same every time."""
        self.epoch = epoch


class AugmentedPictures(Pictures):
    """A training set: randomness of a sample depends on (seed, epoch, index) alone, an epoch has each sample once."""

    def draws(self, index: int) -> np.random.Generator:
        """The generator of a sample's augmentations."""
        return generator(self.seed, self.epoch, index)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        """All samples in an order of the epoch's own."""
        return shuffled_batches(len(self), batch_size, seed, epoch)


def has_each_once(data: object) -> bool:
    """Whether an epoch of a training set surely has each sample once, so that its length need not be drawn."""
    return getattr(type(data), "batches", None) is AugmentedPictures.batches


class PlainPictures(Pictures):
    """A test set: the same samples every time, in order."""

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        """The samples in order."""
        return [range(start, min(start + batch_size, len(self))) for start in range(0, len(self), batch_size)]


class PersonPictures(AugmentedPictures):
    """Pictures of single people, stretched to the recipe's size: `image`, `index`; augmented where they have `labels`.

    `labels` has a row per picture of all tables, one after the other; None in testing.
    """

    def __init__(
        self, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, labels: NDArray[Any] | None, seed: int
    ) -> None:
        super().__init__((path for table in tables.values() for path in table["image"]), recipe, preprocessing, seed)
        self.labels = labels

    def __getitem__(self, index: int) -> Sample:
        """`image`, and in training `label`."""
        image = self.opened(index).resized(self.size, self.interpolation).image()
        label: dict[str, Any] = {}
        if self.labels is not None:
            image, label["label"] = self.augmented(image, self.labels[index], self.draws(index))
        return {"index": index, "image": transforms.pixels(image)} | label

    @abstractmethod
    def augmented(self, image: Image.Image, label: Any, rng: np.random.Generator) -> tuple[Image.Image, Any]:
        """A training picture and its label, as the network gets them."""
