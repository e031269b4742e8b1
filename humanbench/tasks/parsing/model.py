"""The trainable half of human parsing: a class for every pixel of the whole picture, stretched to a fixed size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from torch import nn

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.collate import collate
from humanbench.recipes import Recipe
from humanbench.tasks import only
from humanbench.tasks.options import fits, section
from humanbench.tasks.parsing.data import PicturesToParse, TrainingMaps
from humanbench.tasks.parsing.head import ParsingHead
from humanbench.tasks.parsing.options import Augment, Head, Loss, Trial
from humanbench.tasks.parsing.packing import Map, PackedMap
from humanbench.tasks.parsing.transforms import mirrored_classes

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone

__all__ = ["build_head", "check", "collate", "predictions", "test_data", "test_views", "training_data"]


def check(recipe: Recipe) -> None:
    """Raise `RecipeError` where a section has an unknown key or a value that does not fit."""
    fits(recipe, "stretch")
    for name, kind in (("augment", Augment), ("head", Head), ("loss", Loss), ("test", Trial)):
        section(recipe, name, kind)


def training_data(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, preprocessing: Preprocessing, seed: int
) -> TrainingMaps:
    """All pictures of these splits."""
    rows = pd.concat(list(tables.values()), ignore_index=True)
    augment = section(recipe, "augment", Augment)
    return TrainingMaps(card, rows, recipe.input.size, augment, preprocessing, seed)


def test_data(
    card: DatasetCard,
    tables: Mapping[str, pd.DataFrame],
    recipe: Recipe,
    preprocessing: Preprocessing,
    inputs: Mapping[str, Path],
) -> PicturesToParse:
    """All pictures of the split; no input files are needed."""
    return PicturesToParse(card, only(tables), recipe.input.size, preprocessing)


def build_head(card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, backbone: Backbone) -> nn.Module:
    """A fresh head for the card's classes."""
    classes = len(card.labels.classes)
    mirrored = mirrored_classes(card.labels.flip_pairs)[:classes].tolist()
    return ParsingHead(backbone.width, backbone.stride, classes, mirrored, section(recipe, "head", Head))


def test_views(recipe: Recipe) -> Sequence[str]:
    """The picture, and with `test.flip` its mirror image."""
    return ("plain", "flip") if section(recipe, "test", Trial).flip else ("plain",)


def predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], decoded: Sequence[PackedMap]) -> Iterable[Map]:
    """The maps one by one, unpacked as they are written."""
    return (packed.unpack() for packed in decoded)
