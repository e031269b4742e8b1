"""WiderPerson: a text file of `class x1 y1 x2 y2` lines per image, under a first line that counts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_row, detection_table
from humanbench.data.readers import need, picture_finder
from humanbench.data.readers.coco_boxes import last_part, merged_boxes
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.options import BySplit, Choices, MergedOptions
from humanbench.errors import DataError
from humanbench.text import digits


class WiderpersonOptions(MergedOptions):
    """The list of each split, the folders of all pictures and annotations, and the classes that are people."""

    lists: BySplit[str]
    images: Choices
    annotations: str
    person: tuple[str, ...]


OPTIONS = WiderpersonOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (None), labels`; the id is the file name of the image.

    `labels` are class indices of the card. Boxes of a class that is not in `person` are ignored; so are boxes without
    area, of which the official files have some.
    """
    options = WiderpersonOptions.of(card)
    official = (root / options.annotations).is_dir()
    if not official and (merged := merged_boxes(card, options, split, root, last_part)) is not None:
        return merged
    stems = [line.strip() for line in read_lines(card, need(card, root, options.lists[split]))]
    find = picture_finder(card, root, options.images)
    folder = need(card, root, options.annotations)
    index = {stored: position for position, stored in enumerate(card.labels.ids)}
    people = [card.labels.classes.index(name) for name in options.person]
    rows = []
    for stem in filter(None, stems):
        name = f"{stem}.jpg"
        labels, boxes = _objects(card, folder / f"{name}.txt", index)
        ignore = ~np.isin(labels, people) | (boxes[:, 2:] <= 0).any(axis=1)
        rows.append(detection_row(name, find(name), boxes, ignore, labels=labels))
    return detection_table(rows, ("labels",))


def _objects(card: DatasetCard, path: Path, index: dict[int, int]) -> tuple[Any, Any]:
    lines = read_lines(card, path)
    numbers: list[list[int]] = []
    for number, line in enumerate(lines, start=1):
        try:
            values = [digits(v) for v in line.split()]
        except ValueError:
            values = []
        if len(values) != (1 if number == 1 else 5):
            wanted = "the number of boxes" if number == 1 else "class x1 y1 x2 y2"
            raise DataError(f"{card.id}: {path}, line {number}: expected {wanted}, found {line!r}")
        if number > 1 and values[0] not in index:
            raise DataError(f"{card.id}: {path}, line {number}: class {values[0]} is not one of {sorted(index)}")
        numbers.append(values)
    if not numbers or len(numbers) - 1 < numbers[0][0]:
        stated = numbers[0][0] if numbers else "its number of"
        raise DataError(f"{card.id}: {path} is cut off: it states {stated} boxes and holds {max(len(numbers) - 1, 0)}")
    corners = box_array([v[1:] for v in numbers[1:]])
    corners[:, 2:] -= corners[:, :2]
    return np.array([index[v[0]] for v in numbers[1:]], np.int64), corners
