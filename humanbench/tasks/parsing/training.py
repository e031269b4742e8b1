"""The trainable half of human parsing: a class for every pixel of the whole picture, stretched to a fixed size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from torch import nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.labels import Map
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables, only
from humanbench.tasks.parsing.data import PicturesToParse, TrainingMaps, mirrored_classes
from humanbench.tasks.parsing.head import PackedMap, ParsingHead
from humanbench.tasks.parsing.options import ParsingSections
from humanbench.tasks.training import FolderPicture, Inputs, TaskTraining


class ParsingTraining(TaskTraining):
    """Data sets, head and decoding of the task."""

    fits = ("stretch",)
    sections = ParsingSections
    decoded = PackedMap

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> TrainingMaps:
        """All pictures of these splits."""
        rows = pd.concat(list(tables.values()), ignore_index=True)
        return TrainingMaps(card, rows, recipe, preprocessing, seed)

    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> PicturesToParse:
        """All pictures of the split; no input files are needed."""
        return PicturesToParse(card, only(tables), recipe, preprocessing)

    def picture_tables(self, card: DatasetCard, pictures: Sequence[FolderPicture]) -> dict[str, pd.DataFrame]:
        """Pictures without label maps; the answers are of the pictures' size."""
        tables = super().picture_tables(card, pictures)
        only(tables)["label"] = None
        return tables

    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> nn.Module:
        """A fresh head for the card's classes."""
        classes = len(card.labels.classes)
        mirrored = mirrored_classes(card.labels.flip_pairs)[:classes].tolist()
        return ParsingHead(backbone.width, backbone.stride, classes, mirrored, ParsingSections.of(recipe).head)

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[PackedMap]) -> Iterable[Map]:
        """The maps one by one, unpacked as they are written."""
        return (packed.unpack() for packed in decoded)


training = ParsingTraining()
