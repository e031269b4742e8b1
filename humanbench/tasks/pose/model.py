"""The trainable half of pose estimation: top-down, one heatmap per joint.

A person's window (box grown to the input's aspect, times 1.25) becomes the input; joints are learned as Gaussians and
read from the heatmaps of the picture and its mirror image. Whose windows are tested is part of the protocol: those of
annotated boxes, or of a detector's, which then are the input file `boxes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.collate import collate
from humanbench.errors import DataError, RecipeError
from humanbench.recipes import Recipe
from humanbench.tasks import evaluation_options, metric_name, only
from humanbench.tasks.options import fits, section
from humanbench.tasks.pose import METRICS, People
from humanbench.tasks.pose.data import PeopleToFind, TrainingPeople, labelled
from humanbench.tasks.pose.detections import read_detections
from humanbench.tasks.pose.head import PoseHead
from humanbench.tasks.pose.options import Augment, Head, Loss, Trial
from humanbench.tasks.pose.rescoring import Found, kept_people, person_score

if TYPE_CHECKING:
    from humanbench.backbones.backbone import Backbone

BOXES = "boxes"
"""Name of the input file with a detector's boxes."""

__all__ = [
    "build_head", "check", "collate", "predictions", "test_data", "test_views", "training_data",
]  # fmt: skip


def check(recipe: Recipe) -> None:
    """Raise `RecipeError` where a section has an unknown key or a value that does not fit."""
    fits(recipe, "box")
    for name, kind in (("augment", Augment), ("head", Head), ("loss", Loss), ("test", Trial)):
        section(recipe, name, kind)


def training_data(
    card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, preprocessing: Preprocessing, seed: int
) -> TrainingPeople:
    """The people of these splits with labelled joints; `DataError` where there is none."""
    rows = labelled(pd.concat(list(tables.values()), ignore_index=True))
    if rows.empty:
        raise DataError(f"{card.id}: none of the people of {', '.join(tables)} has labelled joints to train on")
    return TrainingPeople(card, rows, recipe, section(recipe, "augment", Augment), preprocessing, seed)


def test_data(
    card: DatasetCard,
    tables: Mapping[str, pd.DataFrame],
    recipe: Recipe,
    preprocessing: Preprocessing,
    inputs: Mapping[str, Path],
) -> PeopleToFind:
    """Every given person, or those that average precision counts, or what a detector found."""
    table = only(tables)
    given = METRICS[metric_name(card, tables, METRICS)].given
    if section(recipe, "test", Trial).boxes == "annotations":
        return PeopleToFind(table if given else labelled(table), recipe, preprocessing)
    if given:
        raise RecipeError(f"{card.id}: its people are given, so test.boxes must be annotations")
    if BOXES not in inputs:
        raise RecipeError(f"{card.id}: test.boxes = detections needs the file of them as the input {BOXES!r}")
    return PeopleToFind(read_detections(card, table, inputs[BOXES]), recipe, preprocessing)


def build_head(card: DatasetCard, tables: Mapping[str, pd.DataFrame], recipe: Recipe, backbone: Backbone) -> nn.Module:
    """A fresh head with a heatmap per joint of the card."""
    head, loss, test = section(recipe, "head", Head), section(recipe, "loss", Loss), section(recipe, "test", Trial)
    return PoseHead(
        backbone.width, backbone.stride, len(card.labels.keypoints), card.labels.flip_pairs, head, loss, test
    )


def test_views(recipe: Recipe) -> Sequence[str]:
    """The picture, and with `test.flip` its mirror image."""
    return ("plain", "flip") if section(recipe, "test", Trial).flip else ("plain",)


def predictions(card: DatasetCard, tables: Mapping[str, pd.DataFrame], decoded: Sequence[Found]) -> People:
    """Given people in the table's order, with the mean joint score; found people rescored and without doubles.

    The card's evaluation options `joint_threshold` and `oks_nms` are those of the rescoring and the suppression.
    """
    table, points = only(tables), len(card.labels.keypoints)
    if METRICS[metric_name(card, tables, METRICS)].given:
        by_person = {found.annotation_id: found for found in decoded}
        keypoints = np.stack([by_person[i].keypoints for i in table["annotation_id"]])
        return People(list(table["image_id"]), keypoints, keypoints[..., 2].mean(1), list(table["annotation_id"]))
    chosen: Mapping[str, Any] = evaluation_options(card)
    scores = np.array([person_score(found, chosen["joint_threshold"]) for found in decoded])
    kept = kept_people(decoded, scores, card.labels.sigmas, chosen["oks_nms"])
    keypoints = np.array([decoded[i].keypoints for i in kept]).reshape(len(kept), points, 3)
    return People([decoded[i].image_id for i in kept], keypoints, scores[kept])
