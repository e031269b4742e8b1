"""Pictures with part maps as training and test samples."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.frames import check_map
from humanbench.data.labels import load_label
from humanbench.data.rasters import open_raster
from humanbench.data.strings import Strings
from humanbench.data.transforms import Size, photometric, pixels
from humanbench.recipes import Library
from humanbench.tasks.parsing import transforms
from humanbench.tasks.parsing.options import ParsingAugmentOptions
from humanbench.tasks.pictures import AugmentedPictures, PlainPictures

Sample = dict[str, Any]


class TrainingMaps(AugmentedPictures):
    """Pictures cut at random, with their classes: `image`, `label` H x W uint8 (255 = ignore), `index`."""

    def __init__(
        self,
        card: DatasetCard,
        rows: pd.DataFrame,
        size: Size,
        augment: ParsingAugmentOptions,
        preprocessing: Preprocessing,
        seed: int,
        library: Library = "pillow",
    ) -> None:
        super().__init__(seed)
        self.card = card
        self.images, self.labels = Strings(rows["image"]), Strings(rows["label"])
        self.size, self.library = size, library
        self.augment = augment
        self.table = transforms.mirrored_classes(card.labels.flip_pairs)
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        rng = self.draws(index)
        image, label = open_raster(self.images[index], self.library), load_label(self.card, self.labels[index])
        check_map(self.images[index], image.size[::-1], (label.shape[1], label.shape[0]))
        if rng.random() < self.augment.flip:
            image, label = transforms.mirrored(image, label, self.table)
        scale = rng.uniform(*self.augment.scale)
        image, label = transforms.window(image, label, self.size, scale, self.preprocessing.interpolation, rng)
        shown = photometric(image.image(), self.augment.photometric, rng)
        return {
            "index": index,
            "image": pixels(shown),
            "label": torch.from_numpy(label),
        }


class PicturesToParse(PlainPictures):
    """Whole pictures stretched to the input size: `image`, `map_size` (height, width of the answer), `index`."""

    def __init__(
        self,
        card: DatasetCard,
        rows: pd.DataFrame,
        size: Size,
        preprocessing: Preprocessing,
        library: Library = "pillow",
    ) -> None:
        self.card = card
        self.images, self.labels = list(rows["image"]), list(rows["label"])
        self.size, self.library = size, library
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        picture = open_raster(self.images[index], self.library)
        image = picture.resized(self.size, self.preprocessing.interpolation).pixels()
        if self.labels[index] is None:
            return {"index": index, "image": image, "map_size": picture.size}
        # Maps are scored at the size of the ground truth, which need not be the picture's, but is of its shape.
        rows, columns = load_label(self.card, self.labels[index]).shape
        check_map(self.images[index], picture.size[::-1], (columns, rows))
        return {"index": index, "image": image, "map_size": (rows, columns)}
