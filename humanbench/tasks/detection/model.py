"""Training of the detector: HumanBench's anchor-point decoder on the backbone's map, learnt as a set of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, Features, Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.collate import collate as collate
from humanbench.errors import DataError
from humanbench.recipes import Recipe
from humanbench.schema import Fraction
from humanbench.tasks import only
from humanbench.tasks.detection import Detections
from humanbench.tasks.detection.data import Augment, Scenes, to_pixels
from humanbench.tasks.detection.decoder import AnchorDecoder, Found, Head
from humanbench.tasks.detection.matching import Loss, losses
from humanbench.tasks.options import Options, fits, section
from humanbench.tasks.training import Batch


class Test(Options):
    """Boxes with a lower `score` are left out. There is no suppression of overlapping boxes."""

    score: Fraction


SECTIONS: dict[str, type[Options]] = {"augment": Augment, "head": Head, "loss": Loss, "test": Test}


def check(recipe: Recipe) -> None:
    """`RecipeError` for a key or value that the task's sections do not have."""
    fits(recipe, "short_side")
    for name, kind in SECTIONS.items():
        section(recipe, name, kind)


class Boxes(NamedTuple):
    """What is found in one picture: boxes D x 4 (x, y, w, h in its own pixels) and scores D, highest first."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


class DetectionHead(nn.Module):
    """The decoder, its losses and its answers."""

    needs: FeatureLevel = "map"

    def __init__(self, width: int, stride: int, options: Head, loss: Loss, test: Test) -> None:
        super().__init__()
        self.predictor = AnchorDecoder(width, stride, options)
        self.options, self.least = loss, test.score

    def forward(self, features: Features, batch: Batch) -> list[Found]:
        """What each decoder layer finds."""
        found: list[Found] = self.predictor(features.map, batch["size"])
        return found

    def loss(self, outputs: list[Found], batch: Batch) -> dict[str, Tensor]:
        """Losses over all decoder layers, alike."""
        people, ignored = list(batch["boxes"]), list(batch["ignored"])
        return losses(outputs, people, ignored, self.options, batch.get("people"))

    def decode(self, outputs: Sequence[list[Found]], batch: Batch) -> list[Boxes]:
        """The last layer's boxes of each picture, in original pixels."""
        (layers,) = outputs
        scores, shares = layers[-1].logits.double().sigmoid().cpu().numpy(), layers[-1].boxes.cpu().numpy()
        found = []
        for score, share, (height, width) in zip(scores, shares, batch["original"].tolist(), strict=True):
            order = np.argsort(-score, kind="stable")
            order = order[score[order] >= self.least]
            found.append(Boxes(to_pixels(share[order], (height, width)), score[order]))
        return found


def training_data(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, preprocessing: Preprocessing, seed: int
) -> Scenes:
    """Training pictures of all tables."""
    data = Scenes(pd.concat(list(tables.values()), ignore_index=True), recipe, preprocessing, training=True, seed=seed)
    if not len(data):
        raise DataError(f"{card.id}: no training picture shows anybody (all boxes are to be ignored)")
    return data


def test_data(
    card: DatasetCard,
    tables: Mapping[str, pd.DataFrame],
    recipe: Recipe,
    preprocessing: Preprocessing,
    inputs: Mapping[str, Path],
) -> Scenes:
    """Test pictures."""
    return Scenes(only(tables), recipe, preprocessing, training=False)


def build_head(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, backbone: Backbone
) -> DetectionHead:
    """A fresh decoder."""
    options, loss, test = section(recipe, "head", Head), section(recipe, "loss", Loss), section(recipe, "test", Test)
    return DetectionHead(backbone.width, backbone.stride, options, loss, test)


def test_views(recipe: Recipe) -> Sequence[str]:
    """The picture as it is."""
    return ("plain",)


def predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], decoded: Sequence[Boxes]) -> Detections:
    """The boxes of all pictures, one after the other."""
    rows = np.repeat(np.arange(len(decoded)), [len(found.scores) for found in decoded])
    boxes = np.concatenate([found.boxes for found in decoded])
    return Detections(rows, boxes, np.concatenate([found.scores for found in decoded]))
