"""The trainable half of crowd counting: a density map, whose sum over the whole picture is the count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables, only
from humanbench.tasks.counting.data import CrowdsToCount, TrainingCrowds
from humanbench.tasks.counting.head import CountingHead, PooledCountHead
from humanbench.tasks.counting.options import CountingSections
from humanbench.tasks.counting.predictions import Counts
from humanbench.tasks.pooling import pool_of
from humanbench.tasks.training import Inputs, TaskTraining


class CountingTraining(TaskTraining):
    """Data sets, head and decoding of the task."""

    fits = ("as_is",)
    sections = CountingSections

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> TrainingCrowds:
        """All pictures of these splits."""
        rows = pd.concat(list(tables.values()), ignore_index=True)
        return TrainingCrowds(rows, recipe, preprocessing, seed)

    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> CrowdsToCount:
        """All pictures of the split; no input files are needed."""
        return CrowdsToCount(only(tables)["image"], recipe, preprocessing)

    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> nn.Module:
        """A fresh head."""
        options = CountingSections.of(recipe)
        if options.head.pooling is not None:
            pool = pool_of(options.head.pooling, backbone)
            return PooledCountHead(backbone.width, pool, options.head.stride, options.loss)
        return CountingHead(backbone.width, backbone.stride, options.head, options.loss)

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[float]) -> Counts:
        """Counts in the table's order."""
        return np.array(decoded, np.float64)


training = CountingTraining()
