"""People as training and test samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.transforms import apply, compose, mirroring, photometric, pixels
from humanbench.recipes import Recipe
from humanbench.tasks.pictures import AugmentedPictures, Pictures, PlainPictures
from humanbench.tasks.pose import transforms
from humanbench.tasks.pose.options import PoseSections
from humanbench.tasks.pose.transforms import Window
from humanbench.tasks.training import Sample


class PersonCrops(Pictures):
    """What training and test samples share: the pictures and the windows of people.

    A row is a person: by annotated box (`bbox`), by MPII's `center` and `scale`, or by a detection (also `bbox`, with
    `score`), which is not cut off at the picture's borders.
    """

    def __init__(self, rows: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing, seed: int = 0) -> None:
        super().__init__(rows["image"], recipe, preprocessing, seed)
        self.boxes = np.stack(list(rows["bbox"])).astype(np.float64) if len(rows) else np.zeros((0, 4))
        self.given = list(zip(rows["center"], rows["scale"], strict=True)) if "center" in rows else None
        self.detected = "score" in rows
        self.aspect = self.size[1] / self.size[0]

    def window(self, index: int, size: tuple[int, int]) -> Window:
        """The person's window in a picture of `size`."""
        if self.given is not None:
            return transforms.given_window(*self.given[index])
        box = self.boxes[index]
        return transforms.box_window(box if self.detected else transforms.clip_box(box, size), self.aspect)


class TrainingPeople(PersonCrops, AugmentedPictures):
    """People with labelled joints, cropped at random: `image`, `joints` K x 2 in input pixels, `weights` K, `index`."""

    def __init__(
        self, card: DatasetCard, rows: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing, seed: int
    ) -> None:
        super().__init__(rows, recipe, preprocessing, seed)
        self.keypoints = np.stack(list(rows["keypoints"])).astype(np.float64)
        self.upper_body = card.labels.upper_body
        self.order = transforms.swapped(card.labels.flip_pairs, len(card.labels.keypoints))
        self.augment = PoseSections.of(recipe).augment

    def __getitem__(self, index: int) -> Sample:
        rng = self.draws(index)
        image = self.opened(index)
        window = self.window(index, image.size)
        keypoints, options = self.keypoints[index], self.augment
        if self.given is None:  # a stated centre is not a box that a detector might have missed by a little
            window = transforms.shifted(window, self.boxes[index], options, rng)
        window = transforms.half_body(window, keypoints, self.upper_body, self.aspect, options, rng)
        factor, angle = transforms.scale_and_rotation(options, rng)
        flip = rng.random() < options.flip
        matrix = transforms.window_matrix(Window(window.center, window.extent * factor), self.size, angle)
        if flip:
            matrix, keypoints = compose(mirroring(self.size[1]), matrix), keypoints[self.order]
        shown = image.warped(matrix, self.size, self.interpolation)
        picture = photometric(shown.image(), options.photometric, rng)
        return {
            "index": index,
            "image": pixels(picture),
            "joints": torch.from_numpy(apply(matrix, keypoints[:, :2])).float(),
            "weights": torch.from_numpy(keypoints[:, 2] > 0).float(),
        }


class PeopleToFind(PersonCrops, PlainPictures):
    """People to be found: `image`, `window` (centre x, y, extent w, h; float64), `who`, `box_score`, `index`.

    `who` is (image id, annotation id or None).
    """

    def __init__(self, rows: pd.DataFrame, recipe: Recipe, preprocessing: Preprocessing) -> None:
        super().__init__(rows, recipe, preprocessing)
        people = rows["annotation_id"] if "annotation_id" in rows else [None] * len(rows)
        self.who = list(zip(rows["image_id"], people, strict=True))
        self.scores = rows["score"].astype(float).tolist() if self.detected else [1.0] * len(rows)

    def __getitem__(self, index: int) -> Sample:
        image = self.opened(index)
        window = self.window(index, image.size)
        matrix = transforms.window_matrix(window, self.size)
        picture = image.warped(matrix, self.size, self.interpolation)
        return {
            "index": index,
            "image": picture.pixels(),
            "window": torch.from_numpy(np.concatenate([window.center, window.extent])),
            "who": self.who[index],
            "box_score": self.scores[index],
        }


def with_keypoints(rows: pd.DataFrame) -> pd.DataFrame:
    """The people that training and average precision use: with labelled joints and a box with an area, no crowds."""
    keep = [
        not crowd and bool((np.asarray(k)[:, 2] > 0).any()) and min(box[2:]) > 0
        for k, box, crowd in zip(rows["keypoints"], rows["bbox"], rows["iscrowd"], strict=True)
    ]
    return rows[keep].reset_index(drop=True)
