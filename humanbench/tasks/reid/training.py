"""Training of person re-identification: identities are classified, the feature under the classifier is what is ranked.

Head, losses and augmentation follow the released code of HumanBench (PATH): a batch-norm neck without bias before a
classifier without bias, cross entropy after the neck and a batch-hard triplet loss before it (Hermans et al.,
arXiv 1703.07737), batches of a few images of each of several identities. Tested is the feature before the neck, so
nothing of the head takes part in the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, Preprocessing
from humanbench.backbones.features import Features as BackboneFeatures
from humanbench.cards import DatasetCard
from humanbench.data import transforms
from humanbench.data.sampling import Batches
from humanbench.errors import DataError
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables
from humanbench.tasks.maps import BatchNorm1d
from humanbench.tasks.pictures import PersonPictures
from humanbench.tasks.pooling import Pool
from humanbench.tasks.reid.options import ReidHeadOptions, ReidLossOptions, ReidSections
from humanbench.tasks.reid.predictions import ReidFeatures
from humanbench.tasks.training import Batch, FolderPicture, Inputs, TaskTraining, picture_table


def identities(tables: Tables) -> tuple[NDArray[np.int64], int]:
    """Class 0, 1 … of each row of the tables one after the other, and how many there are.

    The same person id in splits of one dataset is one class; in different datasets they are two.
    """
    by_dataset: dict[str, list[NDArray[Any]]] = {}
    for table in tables.values():
        by_dataset.setdefault(str(table.attrs["dataset"]), []).append(table["pid"].to_numpy())
    people, first = {}, 0
    for dataset in sorted(by_dataset):
        people[dataset] = (first, np.unique(np.concatenate(by_dataset[dataset])))
        first += len(people[dataset][1])
    classes = [np.zeros(0, np.int64)]
    for table in tables.values():
        start, persons = people[str(table.attrs["dataset"])]
        classes.append(start + np.searchsorted(persons, table["pid"].to_numpy()))
    return np.concatenate(classes), first


class IdentityPictures(PersonPictures):
    """Pictures of people with the number of who they are: in training `label`."""

    def __init__(
        self, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, labels: NDArray[np.int64] | None = None,
        seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(tables, recipe, preprocessing, labels, seed)
        options = ReidSections.of(recipe)
        self.augment, self.per_identity = options.augment, options.loss.images_per_identity

    def augmented(self, image: Image.Image, label: Any, rng: np.random.Generator) -> tuple[Image.Image, int]:
        chosen = self.augment
        if rng.random() < chosen.flip:
            image = transforms.mirror(image)
        image = transforms.pad_and_crop(image, chosen.pad, rng)
        if rng.random() < chosen.erase:
            image = transforms.erase(image, chosen.erase_area, chosen.erase_aspect, rng)
        return image, int(label)

    def batches(self, batch_size: int, seed: int, epoch: int) -> Batches:
        """Batches of `batch_size` / K identities with K images each; see `identity_batches`."""
        if self.labels is None:
            raise ValueError("test samples are not drawn by identity")
        return identity_batches(self.labels, batch_size, self.per_identity, np.random.default_rng((seed, epoch)))


def identity_batches(
    labels: NDArray[np.int64], batch_size: int, per_identity: int, rng: np.random.Generator
) -> Batches:
    """An epoch of batches with `per_identity` images of each of batch_size / per_identity different identities.

    Every identity's images are shuffled and cut into groups of `per_identity` (one with fewer images repeats some; a
    remainder is left out of this epoch). Batches take the next group of identities drawn at random until too few are
    left. Where there are fewer identities than a batch takes, a batch takes them all.
    """
    groups = []
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        rows = rng.permutation(members)
        rows = rows if len(rows) >= per_identity else rng.choice(rows, per_identity)
        groups.append(rows[: len(rows) // per_identity * per_identity].reshape(-1, per_identity))
    people = min(max(batch_size // per_identity, 2), len(groups))
    left = np.array([len(group) for group in groups])
    live = np.arange(len(groups))
    batches = []
    while len(live) >= people:
        chosen = rng.choice(live, people, replace=False)
        left[chosen] -= 1
        batches.append(np.concatenate([groups[person][left[person]] for person in chosen]))
        if not left[chosen].all():
            live = live[left[live] > 0]
    rows = np.concatenate([np.zeros(0, np.int64), *batches])
    return Batches(rows, range(0, len(rows), people * per_identity))


class Outputs(NamedTuple):
    """`feature` N x C as the backbone gives it; `logits` N x identities while training."""

    feature: Tensor
    logits: Tensor | None


class ReidHead(nn.Module):
    """Neck and classifier over a feature of the backbone, or over one that attention pools from its map."""

    def __init__(self, width: int, people: int, options: ReidHeadOptions, loss: ReidLossOptions) -> None:
        super().__init__()
        self.pool = Pool("mean" if options.feature == "pooled" else options.feature, width)
        self.needs: FeatureLevel = self.pool.needs
        self.triplet = loss.triplet
        self.neck = BatchNorm1d(width)
        # The neck's bias stays 0 for good: a buffer is no parameter, so no regime and no optimiser can train it.
        del self.neck.bias
        self.neck.register_buffer("bias", torch.zeros(width))
        self.classifier = nn.Linear(width, people, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    def forward(self, features: BackboneFeatures, batch: Batch) -> Outputs:
        """Logits only in training: the test needs none."""
        no_token = self.pool.kind == "class_token" and features.class_token is None
        feature = features.pooled if no_token else self.pool(features)
        return Outputs(feature, self.classifier(self.neck(feature)) if self.training else None)

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Cross entropy of identities, and the triplet loss on the feature before the neck."""
        if outputs.logits is None:
            raise ValueError("the head is in evaluation mode, where it computes no logits")
        label = batch["label"]
        return {
            "identity": functional.cross_entropy(outputs.logits.float(), label),
            "triplet": self.triplet * batch_hard_triplet_loss(outputs.feature.float(), label),
        }

    def decode(self, outputs: Sequence[Outputs], batch: Batch) -> list[NDArray[np.float32]]:
        """The feature of each sample at unit length (the mean over views, where there are several)."""
        mean = torch.stack([functional.normalize(o.feature.float(), dim=1) for o in outputs]).mean(0)
        return list(functional.normalize(mean, dim=1).cpu().numpy())


def batch_hard_triplet_loss(feature: Tensor, label: Tensor) -> Tensor:
    """Mean over the batch of log(1 + exp(d+ - d-)): distance to the farthest of the same, the nearest of another.

    Euclidean distances of N x C features. An image whose identity is all there is in the batch counts 0.
    """
    distance = torch.cdist(feature, feature, compute_mode="donot_use_mm_for_euclid_dist")
    same = label[:, None] == label[None, :]
    farthest = distance.masked_fill(~same, -torch.inf).amax(dim=1)
    nearest = distance.masked_fill(same, torch.inf).amin(dim=1)
    return functional.softplus(farthest - nearest).mean()


class ReidTraining(TaskTraining):
    """Data sets, head and decoding of the task."""

    fits = ("stretch",)
    sections = ReidSections
    whole_batches = True  # so many people, so many pictures of each

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> IdentityPictures:
        """Training pictures of all tables, which may be of several datasets."""
        labels, people = identities(tables)
        if people < 2:
            raise DataError(f"{card.id}: the training images show {people} identity; a triplet needs at least 2")
        return IdentityPictures(tables, recipe, preprocessing, labels, seed)

    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> IdentityPictures:
        """Query pictures, then gallery pictures."""
        return IdentityPictures(tables, recipe, preprocessing)

    def picture_tables(self, card: DatasetCard, pictures: Sequence[FolderPicture]) -> dict[str, pd.DataFrame]:
        """What lies in the folders `query` and `gallery`; without both of them every picture is in either."""
        assert card.evaluation is not None
        parts = [[p for p in pictures if p.id.startswith(f"{name}/")] for name in ("query", "gallery")]
        if sum(map(len, parts)) < len(pictures) or not all(parts):
            parts = [list(pictures)] * 2
        return {
            split: picture_table(card, part).assign(pid=-1, camid=-1)
            for split, part in zip(card.evaluation.test, parts, strict=True)
        }

    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> ReidHead:
        """A fresh head with a class per identity of the training tables."""
        _, people = identities(tables)
        options = ReidSections.of(recipe)
        return ReidHead(backbone.width, people, options.head, options.loss)

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[NDArray[np.float32]]) -> ReidFeatures:
        """Features of queries and gallery, in the order of their tables."""
        queries = len(next(iter(tables.values())))
        return ReidFeatures(np.stack(decoded[:queries]), np.stack(decoded[queries:]))


training = ReidTraining()
