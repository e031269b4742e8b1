"""AI Challenger keypoints: the official JSON, or the COCO-form conversion of mmpose; both give the same rows."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import first_present, need
from humanbench.data.readers.coco_boxes import numbered
from humanbench.data.readers.coco_keypoints import CocoKeypointsOptions, coco_table
from humanbench.data.readers.files import array, converted, load_json
from humanbench.data.readers.options import BySplit, Choices
from humanbench.data.readers.people import SharedIds, person_table
from humanbench.errors import DataError

_VISIBILITY = np.array([np.nan, 2.0, 1.0, 0.0])
"""Official code -> v: 1 visible, 2 labelled but hidden, 3 not labelled (the reverse of COCO's)."""


class AicOptions(CocoKeypointsOptions):
    """`files` in the official form, `converted` in COCO's."""

    converted: BySplit[Choices]


OPTIONS = AicOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """People by image id (40 hex digits) and number within the image (1 ...); `area` is that of the box."""
    options = AicOptions.of(card)
    path = need(card, root, *options.files[split], *options.converted[split])
    images = first_present(root, options.images[split])
    official = path.relative_to(root).as_posix() in options.files[split]
    if official:
        table = _official(card, path, images)
    else:
        table = converted(card, split, _converted(card, path, images), path, whole=True)
    numbered(table, root, options.converted[split])
    return table


def _official(card: DatasetCard, path: Path, images: Path) -> Table:
    entries = load_json(card, path)
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise DataError(f"{card.id}: {path} is not a list of images with human_annotations and keypoint_annotations")
    keys: list[str] = []
    numbers: list[int] = []
    boxes: list[Any] = []
    points: list[Any] = []
    for position, entry in enumerate(entries, 1):
        try:
            key, humans, joints = entry["image_id"], entry["human_annotations"], entry["keypoint_annotations"]
            for number, name in enumerate(sorted(humans, key=lambda n: int(n.removeprefix("human"))), 1):
                boxes.append(humans[name])
                points.append(joints[name])
                keys.append(key)
                numbers.append(number)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{card.id}: {path}: entry {position} ({entry.get('image_id', 'without image_id')}) is malformed: "
                f"expected image_id and the same human1, human2 ... in human_annotations and keypoint_annotations"
            ) from error
    corners = array(card, path, boxes, "human_annotations", (None, 4)) if boxes else np.zeros((0, 4))
    table = person_table(
        image=[str(images / f"{key}.jpg") for key in keys],
        image_id=keys,
        annotation_id=numbers,
        keypoints=_keypoints(card, path, keys, points),
        bbox=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
        image_ids=sorted(e["image_id"] for e in entries),
    )
    return _in_order(table)


def _keypoints(card: DatasetCard, path: Path, keys: list[str], points: list[Any]) -> Floats:
    count = len(card.labels.keypoints)
    if not points:
        return np.zeros((0, count, 3))
    keypoints = array(card, path, points, "keypoint_annotations", (None, 3 * count)).reshape(-1, count, 3)
    codes = keypoints[..., 2]
    odd = ~np.isin(codes, (1, 2, 3))
    if odd.any():
        raise DataError(
            f"{card.id}: {path}: image {keys[int(odd.any(axis=1).argmax())]} has the visibility {codes[odd][0]:g}, "
            "expected 1 (visible), 2 (hidden) or 3 (not labelled)"
        )
    keypoints[..., 2] = _VISIBILITY[codes.astype(np.int64)]
    return keypoints


def _converted(card: DatasetCard, path: Path, images: Path) -> Table:
    """The same rows from the conversion: its own image and annotation numbers give way to the official names.

    `num_keypoints`, which the official form does not state, is not read by the evaluation either.
    """
    table = coco_table(card, path, images, image_key=image_name)
    table = table.sort_values("annotation_id", kind="stable")
    table["annotation_id"] = table.groupby("image_id", sort=False).cumcount() + 1
    table["id"] = table["image_id"] + "/" + table["annotation_id"].astype(str)
    table.attrs["image_ids"] = SharedIds(sorted(table.attrs["image_ids"]))
    return _in_order(table.drop(columns=["size", "num_keypoints"], errors="ignore"))


def _in_order(table: Table) -> Table:
    return table.sort_values(["image_id", "annotation_id"], kind="stable").reset_index(drop=True)


def image_name(file_name: str) -> str:
    """The id of an image file: its name of 40 hex digits."""
    return PurePosixPath(file_name).stem
