"""The trainable half of pose estimation: top-down, one heatmap per joint.

A person's window (box grown to the input's aspect, times 1.25) becomes the input; joints are learned as Gaussians and
read from the heatmaps of the picture and its mirror image. Whose windows are tested is part of the protocol: those of
annotated boxes, or of a detector's, which then are the input file `boxes`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import nn

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.errors import DataError, RecipeError
from humanbench.recipes import Recipe
from humanbench.tasks.base import Tables, only
from humanbench.tasks.pose import PoseEvaluationOptions
from humanbench.tasks.pose.data import PeopleToFind, TrainingPeople, read_detections, with_keypoints
from humanbench.tasks.pose.head import PoseHead
from humanbench.tasks.pose.options import PoseSections
from humanbench.tasks.pose.predictions import PredictedPoses, metric_of
from humanbench.tasks.pose.rescoring import CropPose, oks_nms, rescore
from humanbench.tasks.training import FolderPicture, Inputs, TaskTraining

BOXES = "boxes"
"""Name of the input file with a detector's boxes."""


class PoseTraining(TaskTraining):
    """Data sets, head and decoding of the task."""

    fits = ("box",)
    sections = PoseSections
    decoded = CropPose
    takes_boxes = True

    def training_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> TrainingPeople:
        """The people of these splits with labelled joints; `DataError` where there is none."""
        rows = with_keypoints(pd.concat(list(tables.values()), ignore_index=True))
        if rows.empty:
            raise DataError(f"{card.id}: none of the people of {', '.join(tables)} has labelled joints to train on")
        return TrainingPeople(card, rows, recipe, preprocessing, seed)

    def test_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing, inputs: Inputs
    ) -> PeopleToFind:
        """Every given person, or those that average precision counts, or what a detector found."""
        table = only(tables)
        given = metric_of(card, tables).given
        if PoseSections.of(recipe).test.boxes == "annotations":
            return PeopleToFind(table if given else with_keypoints(table), recipe, preprocessing)
        if given:
            raise RecipeError(f"{card.id}: its people are given, so test.boxes must be annotations")
        if BOXES not in inputs:
            raise RecipeError(f"{card.id}: test.boxes = detections needs the file of them as the input {BOXES!r}")
        return PeopleToFind(read_detections(card, table, inputs[BOXES]), recipe, preprocessing)

    def picture_tables(self, card: DatasetCard, pictures: Sequence[FolderPicture]) -> dict[str, pd.DataFrame]:
        """A row per box; people are numbered from 1 on."""
        tables = super().picture_tables(card, [p for p in pictures for _ in p.boxes])
        table, people = only(tables), [person for p in pictures for person in p.boxes]
        table["image_id"] = table["id"]
        table["annotation_id"] = np.arange(1, len(people) + 1)
        table["id"] = [str(number) for number in table["annotation_id"]]
        table["bbox"] = pd.Series([np.array(box) for box, _ in people], dtype=object)
        table["score"] = np.array([score for _, score in people], float)
        table.attrs["image_ids"] = [p.id for p in pictures]
        return tables

    def picture_data(
        self, card: DatasetCard, tables: Tables, recipe: Recipe, preprocessing: Preprocessing
    ) -> PeopleToFind:
        """Everybody in a box."""
        return PeopleToFind(only(tables), recipe, preprocessing)

    def build_head(self, card: DatasetCard, tables: Tables, recipe: Recipe, backbone: Backbone) -> nn.Module:
        """A fresh head with a heatmap per joint of the card."""
        options = PoseSections.of(recipe)
        head, loss, test = options.head, options.loss, options.test
        return PoseHead(
            backbone.width, backbone.stride, len(card.labels.keypoints), card.labels.flip_pairs, head, loss, test
        )

    def predictions(self, card: DatasetCard, tables: Tables, decoded: Sequence[CropPose]) -> PredictedPoses:
        """Given people in the table's order, with the mean joint score; found people rescored and without doubles.

        The card's evaluation options `joint_threshold` and `oks_nms` are those of the rescoring and the suppression.
        """
        table, points, options = only(tables), len(card.labels.keypoints), PoseEvaluationOptions.of(card)
        if metric_of(card, tables).given:
            by_person = {person.annotation_id: person for person in decoded}
            keypoints = np.stack([by_person[i].keypoints for i in table["annotation_id"]])
            return PredictedPoses(
                list(table["image_id"]), keypoints, keypoints[..., 2].mean(1), list(table["annotation_id"])
            )
        scores = np.array([rescore(person, options.joint_threshold) for person in decoded])
        survivors = oks_nms(decoded, scores, card.labels.sigmas, options.oks_nms)
        keypoints = np.array([decoded[i].keypoints for i in survivors]).reshape(len(survivors), points, 3)
        return PredictedPoses([decoded[i].image_id for i in survivors], keypoints, scores[survivors])


training = PoseTraining()
