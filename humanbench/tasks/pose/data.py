"""People as training and test samples, and the boxes of a detector as people to be found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from humanbench.backbones.features import Preprocessing
from humanbench.cards import DatasetCard
from humanbench.data.transforms import apply, compose, mirroring, photometric, pixels
from humanbench.errors import PredictionError
from humanbench.predictions.records import names, numbers, people_records
from humanbench.recipes import Recipe
from humanbench.tasks.pictures import AugmentedPictures, Pictures, PlainPictures, swapped
from humanbench.tasks.pose import PoseEvaluationOptions, transforms
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
        self.order = swapped(card.labels.flip_pairs, len(card.labels.keypoints))
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


def read_detections(card: DatasetCard, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Person boxes of a detector as the people to be found (COCO's "AP-56" protocol).

    Rows `image, image_id, bbox, score`, a row per detected person in an image of the table's split, in file order.

    The file is a JSON list of {image_id, category_id, bbox [x, y, w, h], score}; other categories than people are left
    out, and so are images that the split (or the subset) does not have. Raises `PredictionError` for anything else.
    """
    described = "a detections file is a list of objects with image_id, category_id, bbox, score"
    records = people_records(path, described)
    images = {str(i): i for i in table.attrs.get("image_ids", table["image_id"])}
    records = [r for r, name in zip(records, names(records, "image_id", path), strict=True) if name in images]
    if not records:
        raise PredictionError(f"{path}: holds no person box in any of the {len(images)} images of {card.id}")
    files = _files(card, table)
    image_ids = [images[name] for name in names(records, "image_id", path)]
    return pd.DataFrame(
        {
            "image": [files(i) for i in image_ids],
            "image_id": image_ids,
            "bbox": list(numbers(records, "bbox", 4, path, "a box [x, y, w, h]")),
            "score": numbers(records, "score", 1, path, "a number")[:, 0],
        }
    )


def _files(card: DatasetCard, table: pd.DataFrame) -> Any:
    """The path of an image by its id; the table has rows for images with annotated people only."""
    known = dict(zip(table["image_id"], table["image"], strict=True))
    folder = Path(next(iter(known.values()))).parent
    pattern = PoseEvaluationOptions.of(card).image_name
    return lambda image: known.get(image) or str(folder / pattern.format(image_id=image))
