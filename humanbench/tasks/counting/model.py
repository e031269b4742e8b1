"""The trainable half of crowd counting: a density map, whose sum over the whole picture is the count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import nn

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.collate import collate
from humanbench.recipes import Recipe
from humanbench.tasks import only
from humanbench.tasks.counting import Counts
from humanbench.tasks.counting.data import CrowdsToCount, TrainingCrowds
from humanbench.tasks.counting.head import CountingHead
from humanbench.tasks.counting.options import Augment, Head, Loss, Trial
from humanbench.tasks.options import fits, section

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone

__all__ = ["build_head", "check", "collate", "predictions", "test_data", "test_views", "training_data"]


def check(recipe: Recipe) -> None:
    """Raise `RecipeError` where a section has an unknown key or a value that does not fit."""
    fits(recipe, "as_is")
    for name, kind in (("augment", Augment), ("head", Head), ("loss", Loss), ("test", Trial)):
        section(recipe, name, kind)


def training_data(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, preprocessing: Preprocessing, seed: int
) -> TrainingCrowds:
    """All pictures of these splits."""
    rows = pd.concat(list(tables.values()), ignore_index=True)
    augment, loss = section(recipe, "augment", Augment), section(recipe, "loss", Loss)
    return TrainingCrowds(rows, augment, loss, section(recipe, "head", Head).stride, preprocessing, seed)


def test_data(
    card: DatasetCard,
    tables: Mapping[str, pd.DataFrame],
    recipe: Recipe,
    preprocessing: Preprocessing,
    inputs: Mapping[str, Path],
) -> CrowdsToCount:
    """All pictures of the split; no input files are needed."""
    return CrowdsToCount(only(tables), recipe.input.size, preprocessing)


def build_head(card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, backbone: Backbone) -> nn.Module:
    """A fresh head."""
    head, loss = section(recipe, "head", Head), section(recipe, "loss", Loss)
    return CountingHead(backbone.width, backbone.stride, head, loss)


def test_views(recipe: Recipe) -> Sequence[str]:
    """The picture as it is."""
    return ("plain",)


def predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], decoded: Sequence[float]) -> Counts:
    """Counts in the table's order."""
    return np.array(decoded, np.float64)
