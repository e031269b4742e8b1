"""WIDER Pedestrian 2019: text files of one line per image, `name x y w h x y w h ...`, for people and for regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_row, detection_table
from humanbench.data.readers import need, picture_finder
from humanbench.data.readers.coco_boxes import last_part, merged_boxes
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.options import BySplit, Choices, MergedOptions
from humanbench.errors import DataError
from humanbench.text import decimal


class WiderListOptions(MergedOptions):
    """The folder of text files, the picture folders of each split, and the one folder of all in flat copies."""

    annotations: Choices
    images: BySplit[Choices]
    flat: str


OPTIONS = WiderListOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (None)`, people before ignored regions; the id is the file name.

    Rows are the images of `<split>_list.txt`, in its order; images missing in the other two files have no box there.
    """
    options = WiderListOptions.of(card)
    official = any((root / name).is_dir() for name in options.annotations)
    if not official and (merged := merged_boxes(card, options, split, root, last_part)) is not None:
        return merged
    folder = need(card, root, *options.annotations)
    listed = list(_boxes(card, folder / f"{split}_list.txt"))
    people = _boxes(card, folder / f"{split}_bbox.txt")
    regions = _boxes(card, folder / f"{split}_ignore.txt")
    stray = sorted((set(people) | set(regions)) - set(listed))
    if stray:
        raise DataError(f"{card.id}: {folder}: the image {stray[0]} has boxes but is not in {split}_list.txt")
    find = picture_finder(card, root, options.images[split])
    none = box_array([])
    rows = []
    for name in listed:
        person_boxes = people.get(name, none)
        boxes = np.concatenate([person_boxes, regions.get(name, none)])
        rows.append(detection_row(name, find(name), boxes, np.arange(len(boxes)) >= len(person_boxes)))
    return detection_table(rows)


def _boxes(card: DatasetCard, path: Path) -> dict[str, Floats]:
    boxes: dict[str, Floats] = {}
    for number, line in enumerate(read_lines(card, path), start=1):
        name, *values = line.split() or [""]
        try:
            numbers = [decimal(v) for v in values]
        except ValueError:
            numbers = [0.0]
        if not name or len(numbers) % 4:
            raise DataError(
                f"{card.id}: {path}, line {number}: expected a name and four numbers (x y w h) per box, "
                f"found {line[:80]!r}"
            )
        boxes[name] = box_array(numbers)
    return boxes
