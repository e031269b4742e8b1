"""Training of the detector: HumanBench's anchor-point decoder on the backbone's map, learnt as a set of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import FeatureLevel, Features, Preprocessing
from humanbench.cards import DatasetCard
from humanbench.errors import DataError
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables, only
from humanbench.tasks.detection.data import Scenes, to_pixels
from humanbench.tasks.detection.decoder import AnchorDecoder, LayerOutput
from humanbench.tasks.detection.matching import losses
from humanbench.tasks.detection.options import DetectionSections
from humanbench.tasks.detection.predictions import Detections
from humanbench.tasks.training import Batch, FolderPicture, Inputs, TaskTraining


class PictureDetections(NamedTuple):
    """What is found in one picture: boxes D x 4 (x, y, w, h in its own pixels) and scores D, highest first."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


class DetectionHead(nn.Module):
    """The decoder, its losses and its answers."""

    needs: FeatureLevel = "map"

    def __init__(self, width: int, stride: int, options: DetectionSections) -> None:
        super().__init__()
        self.predictor = AnchorDecoder(width, stride, options.head)
        self.options, self.least = options.loss, options.test.score

    def forward(self, features: Features, batch: Batch) -> list[LayerOutput]:
        """What each decoder layer finds."""
        layers: list[LayerOutput] = self.predictor(features.map, batch["size"])
        return layers

    def loss(self, outputs: list[LayerOutput], batch: Batch) -> dict[str, Tensor]:
        """Losses over all decoder layers, alike."""
        people, ignored = list(batch["boxes"]), list(batch["ignored"])
        return losses(outputs, people, ignored, self.options, batch.get("people"))

    def decode(self, outputs: Sequence[list[LayerOutput]], batch: Batch) -> list[PictureDetections]:
        """The last layer's boxes of each picture, in original pixels."""
        (layers,) = outputs
        scores, shares = layers[-1].logits.double().sigmoid().cpu().numpy(), layers[-1].boxes.cpu().numpy()
        detections = []
        for score, share, (height, width) in zip(scores, shares, batch["original"].tolist(), strict=True):
            order = np.argsort(-score, kind="stable")
            order = order[score[order] >= self.least]
            detections.append(PictureDetections(to_pixels(share[order], (height, width)), score[order]))
        return detections


class DetectionTraining(TaskTraining):
    """Data sets, head and decoding of the task."""

    fits = ("short_side",)
    sections = DetectionSections
    decoded = PictureDetections

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> Scenes:
        """Training pictures of all tables."""
        data = Scenes(
            pd.concat(list(tables.values()), ignore_index=True), recipe, preprocessing, training=True, seed=seed
        )
        if not len(data):
            raise DataError(f"{card.id}: no training picture shows anybody (all boxes are to be ignored)")
        return data

    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> Scenes:
        """Test pictures."""
        return Scenes(only(tables), recipe, preprocessing, training=False)

    def picture_tables(self, card: DatasetCard, pictures: Sequence[FolderPicture]) -> dict[str, pd.DataFrame]:
        """Pictures in which nobody is annotated."""
        tables = super().picture_tables(card, pictures)
        nobody: dict[str, Any] = {"boxes": np.zeros((0, 4)), "ignore": np.zeros(0, bool), "visible": None}
        for name, value in nobody.items():
            only(tables)[name] = pd.Series([value] * len(pictures), dtype=object)
        return tables

    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> DetectionHead:
        """A fresh decoder."""
        return DetectionHead(backbone.width, backbone.stride, DetectionSections.of(recipe))

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[PictureDetections]) -> Detections:
        """The boxes of all pictures, one after the other."""
        rows = np.repeat(np.arange(len(decoded)), [len(picture.scores) for picture in decoded])
        boxes = np.concatenate([picture.boxes for picture in decoded])
        return Detections(rows, boxes, np.concatenate([picture.scores for picture in decoded]))


training = DetectionTraining()
