"""Training of head orientation: one linear layer over the pooled features, cross entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, Features, Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data import transforms
from humanbench.data.images import open_rgb
from humanbench.data.sampling import generator, shuffled_batches
from humanbench.recipes import Recipe
from humanbench.schema import Fraction
from humanbench.tasks.base import Tables
from humanbench.tasks.options import RecipeOptions, RecipeSections
from humanbench.tasks.training import Batch, Sample, TaskTraining
from humanbench_heading.predictions import Probabilities

Classes = NDArray[np.int64]


class HeadingAugmentOptions(RecipeOptions):
    """`flip` is the probability of a mirrored picture."""

    flip: Fraction


class HeadingLossOptions(RecipeOptions):
    """`smoothing`: share of the target that is spread over all directions."""

    smoothing: Fraction = 0.0


class HeadingTestOptions(RecipeOptions):
    """`flip`: whether the mirrored picture is averaged in."""

    flip: bool = False


class HeadingSections(RecipeSections):
    """The sections of the task's recipes. The head has no options."""

    augment: HeadingAugmentOptions
    loss: HeadingLossOptions
    test: HeadingTestOptions


def headings_of(tables: Tables) -> Classes:
    """Directions of all rows of the tables."""
    return np.concatenate([table["heading"].to_numpy(np.int64) for table in tables.values()])


def mirrored(count: int) -> NDArray[np.int64]:
    """What every direction becomes in a mirror."""
    return -np.arange(count) % count


class HeadingPictures:
    """Pictures of single people, stretched to the recipe's size; mirrored at times where they have labels."""

    def __init__(
        self,
        card: DatasetCard,
        tables: Tables,
        recipe: Recipe,
        preprocessing: Preprocessing,
        headings: Classes | None = None,
        seed: int = 0,
    ) -> None:
        self.paths = [str(path) for table in tables.values() for path in table["image"]]
        self.size, self.preprocessing, self.seed, self.epoch = recipe.input.size, preprocessing, seed, 0
        self.headings, self.count = headings, len(card.labels.classes)
        self.flip = HeadingSections.of(recipe).augment.flip

    def __len__(self) -> int:
        return len(self.paths)

    def set_epoch(self, epoch: int) -> None:
        """Which augmentation the next samples get."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> Sample:
        """`image`, and in training `heading`."""
        image = transforms.resize(open_rgb(self.paths[index]), self.size, self.preprocessing.interpolation)
        sample: Sample = {"index": index}
        if self.headings is not None:
            heading = int(self.headings[index])
            if generator(self.seed, self.epoch, index).random() < self.flip:
                image, heading = transforms.mirror(image), int(mirrored(self.count)[heading])
            sample["heading"] = heading
        return sample | {"image": transforms.pixels(image)}

    def batches(self, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
        """All pictures in a random order."""
        return shuffled_batches(len(self), batch_size, seed, epoch)


class HeadingHead(nn.Module):
    """Pooled features -> linear -> a logit per direction."""

    needs: FeatureLevel = "map"

    def __init__(self, width: int, count: int, smoothing: float) -> None:
        super().__init__()
        self.logits = nn.Linear(width, count)
        self.smoothing = smoothing

    def forward(self, features: Features, batch: Batch) -> Tensor:
        """Logits N x directions."""
        logits: Tensor = self.logits(features.pooled)
        return logits

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross entropy, mean over the batch."""
        target = batch["heading"]
        return {"heading": functional.cross_entropy(outputs.float(), target, label_smoothing=self.smoothing)}

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[NDArray[np.float64]]:
        """Probabilities of each sample; those of the mirrored picture, if there are any, turned back."""
        views = [torch.softmax(logits.double(), dim=1) for logits in outputs]
        views[1:] = [view[:, torch.from_numpy(mirrored(view.shape[1])).to(view.device)] for view in views[1:]]
        return list(torch.stack(views).mean(0).cpu().numpy())


class NearestMeanHead(nn.Module):
    """No training: the direction whose training pictures have the most similar mean feature.

    Until `set_reference_features` is called, decoding gives the features themselves.
    """

    needs: FeatureLevel = "map"
    means: Tensor

    def __init__(self, headings: Classes, count: int) -> None:
        super().__init__()
        self.headings, self.count = headings, count
        self.register_buffer("means", torch.empty(0), persistent=False)

    def set_reference_features(self, features: Sequence[NDArray[np.float32]]) -> None:
        """The features of the training pictures, in the order of their tables."""
        stacked = np.stack(features)
        means = [
            stacked[self.headings == c].mean(0) if (self.headings == c).any() else 0 * stacked[0]
            for c in range(self.count)
        ]
        self.means = functional.normalize(torch.from_numpy(np.stack(means)), dim=1)

    def forward(self, features: Features, batch: Batch) -> Tensor:
        """Pooled features N x C at unit length."""
        return functional.normalize(features.pooled.float(), dim=1)

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[NDArray[Any]]:
        """Probabilities of each sample: cosine similarities over a temperature of 0.07."""
        features = outputs[0].cpu()
        if not len(self.means):
            return list(features.numpy())
        return list(torch.softmax(features @ self.means.T.cpu() / 0.07, dim=1).double().numpy())


class HeadingTraining(TaskTraining):
    """See the methods of `TaskTraining`."""

    fits = ("stretch",)
    sections = HeadingSections

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> HeadingPictures:
        """Training pictures of all tables."""
        return HeadingPictures(card, tables, recipe, preprocessing, headings_of(tables), seed)

    def test_data(
        self,
        card: DatasetCard,
        tables: Tables,
        recipe: Recipe,
        preprocessing: Preprocessing,
        inputs: Mapping[str, Path],
    ) -> HeadingPictures:
        """Test pictures."""
        return HeadingPictures(card, tables, recipe, preprocessing)

    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> nn.Module:
        """A linear layer; without finetuning the nearest class mean among the training pictures."""
        count = len(card.labels.classes)
        if not recipe.fits:
            return NearestMeanHead(headings_of(tables), count)
        return HeadingHead(backbone.width, count, HeadingSections.of(recipe).loss.smoothing)

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[NDArray[np.float64]]) -> Probabilities:
        """Probabilities in the order of the table."""
        return np.stack(decoded)


training = HeadingTraining()
