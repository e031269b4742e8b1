"""What the data sets of several tasks share: randomness, order, and pictures of single people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from humanbench.backbones.features import Preprocessing
from humanbench.data import transforms
from humanbench.data.rasters import open_raster
from humanbench.data.sampling import generator, shuffled_batches
from humanbench.data.strings import Strings
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables
from humanbench.tasks.training import Sample


class AugmentedPictures(ABC):
    """A training set: randomness of a sample depends on (seed, epoch, index) alone, an epoch has each sample once."""

    def __init__(self, seed: int) -> None:
        self.seed, self.epoch = seed, 0

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    def set_epoch(self, epoch: int) -> None:
        """Which augmentation the next samples get."""
        self.epoch = epoch

    def draws(self, index: int) -> np.random.Generator:
        """The generator of a sample's augmentations."""
        return generator(self.seed, self.epoch, index)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Sequence[Sequence[int]]:
        """All samples in an order of the epoch's own."""
        return shuffled_batches(len(self), batch_size, seed, epoch)


def has_each_once(data: object) -> bool:
    """Whether an epoch of a training set surely has each sample once, so that its length need not be drawn."""
    return getattr(type(data), "batches", None) is AugmentedPictures.batches


class PlainPictures(ABC):
    """A test set: the same samples every time, in order."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    def set_epoch(self, epoch: int) -> None:  # noqa: B027  # there is nothing to do, which is all it says
        """Test samples are the same every time."""

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
        super().__init__(seed)
        self.paths = Strings(str(path) for table in tables.values() for path in table["image"])
        self.size, self.library, self.preprocessing = recipe.input.size, recipe.input.library, preprocessing
        self.labels = labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:
        """`image`, and in training `label`."""
        picture = open_raster(self.paths[index], self.library)
        image = picture.resized(self.size, self.preprocessing.interpolation).image()
        label: dict[str, Any] = {}
        if self.labels is not None:
            image, label["label"] = self.augmented(image, self.labels[index], self.draws(index))
        return {"index": index, "image": transforms.pixels(image)} | label

    @abstractmethod
    def augmented(self, image: Image.Image, label: Any, rng: np.random.Generator) -> tuple[Image.Image, Any]:
        """A training picture and its label, as the network gets them."""
