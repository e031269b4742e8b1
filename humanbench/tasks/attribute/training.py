"""Training of attribute recognition: one linear layer with batch normalisation over the pooled features.

Head, loss weights and augmentation follow the released code of HumanBench (PATH); the weights are those of Li et al.
(DeepMAR, ACPR 2015) in the exponential form that the field uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from humanbench.arrays import ratio
from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, Features, Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data import transforms
from humanbench.recipes import DIRECT, Recipe
from humanbench.tasks.attribute.options import AttributeLossOptions, AttributeSections
from humanbench.tasks.attribute.predictions import Probabilities
from humanbench.tasks.attribute.untrained import LinearProbe, NeighbourHead
from humanbench.tasks.base import Tables
from humanbench.tasks.maps import BatchNorm1d
from humanbench.tasks.pictures import PersonPictures, swapped
from humanbench.tasks.pooling import Pool, pool_of
from humanbench.tasks.training import Batch, Inputs, TaskTraining

Labels = NDArray[np.int8]


def labels_of(card: DatasetCard, tables: Tables) -> Labels:
    """N x A labels of the tables one after the other: 1 present, 0 absent, -1 unknown."""
    return np.concatenate([t[list(card.labels.attributes)].to_numpy(np.int8) for t in tables.values()])


def positive_ratios(labels: Labels) -> NDArray[np.float32]:
    """Share of the images known to have each attribute, among those of which it is known; 0.5 where it never is."""
    return ratio((labels == 1).sum(axis=0), (labels >= 0).sum(axis=0), nothing=0.5).astype(np.float32)


class AttributePictures(PersonPictures):
    """Pictures of people with their attributes: in training `label` (A: 1, 0, -1 unknown)."""

    def __init__(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing,
        labels: Labels | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(tables, recipe, preprocessing, labels, seed)
        self.augment = AttributeSections.of(recipe).augment
        self.mirrored = swapped(card.labels.flip_pairs, len(card.labels.attributes))

    def augmented(self, image: Image.Image, label: Labels, rng: np.random.Generator) -> tuple[Image.Image, Tensor]:
        image = transforms.pad_and_crop(image, self.augment.pad, rng)
        if rng.random() < self.augment.flip:
            image, label = transforms.mirror(image), label[self.mirrored]
        return image, torch.from_numpy(label.astype(np.float32))


class AttributeHead(nn.Module):
    """Pooled features -> linear -> batch normalisation -> a logit per attribute."""

    ratios: Tensor

    def __init__(
        self, width: int, ratios: NDArray[np.float32], options: AttributeLossOptions, pool: Pool | None = None
    ) -> None:
        super().__init__()
        self.weighted = options.weighted
        self.pool = pool if pool is not None else Pool("mean", width)
        self.needs: FeatureLevel = self.pool.needs
        self.logits = nn.Sequential(nn.Linear(width, len(ratios)), BatchNorm1d(len(ratios)))
        # Known from the training labels, so no part of what is learnt and stored.
        self.register_buffer("ratios", torch.from_numpy(ratios), persistent=False)

    def forward(self, features: Features, batch: Batch) -> Tensor:
        """Logits N x A."""
        logits: Tensor = self.logits(self.pool(features))
        return logits

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Binary cross entropy, weighted, summed over the known attributes, mean over the batch."""
        label, logits = batch["label"], outputs.float()
        known = (label >= 0).float()
        if self.weighted:
            known = known * torch.where(label == 1, torch.exp(1 - self.ratios), torch.exp(self.ratios))
        each = functional.binary_cross_entropy_with_logits(logits, label.clamp(min=0), weight=known, reduction="none")
        return {"attributes": each.sum() / len(label)}

    def decode(self, outputs: Sequence[Tensor], batch: Batch) -> list[NDArray[np.float64]]:
        """Probabilities (A) of each sample, the mean over views."""
        mean = torch.stack([torch.sigmoid(logits.double()) for logits in outputs]).mean(0)
        return list(mean.cpu().numpy())


class AttributeTraining(TaskTraining):
    """Data sets, head and decoding of the task."""

    fits = ("stretch",)
    sections = AttributeSections

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> AttributePictures:
        """Training pictures of all tables."""
        return AttributePictures(card, tables, recipe, preprocessing, labels_of(card, tables), seed)

    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> AttributePictures:
        """Test pictures."""
        return AttributePictures(card, tables, recipe, preprocessing)

    def build_head(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone
    ) -> AttributeHead | NeighbourHead | LinearProbe:
        """A fresh head for the card's attributes, with the positive ratios of the training tables.

        Without finetuning, and without the head of a pretraining (variant `direct`), nearest neighbours among them, or
        a linear probe.
        """
        labels = labels_of(card, tables)
        ratios = positive_ratios(labels)
        sections = AttributeSections.of(recipe)
        if not recipe.fits and recipe.variant != DIRECT:
            chosen = sections.test
            if chosen.probe == "linear":
                return LinearProbe(labels, ratios)
            return NeighbourHead(labels, ratios, chosen.neighbours, chosen.temperature)
        return AttributeHead(backbone.width, ratios, sections.loss, pool_of(sections.head.pooling, backbone))

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[NDArray[np.float64]]) -> Probabilities:
        """Probabilities N x A in the order of the table."""
        return np.stack(decoded)


training = AttributeTraining()
