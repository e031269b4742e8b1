"""COCO-form files of boxes in which toolchains (Pedestron, Hulk, the paper's) keep a detection dataset of another form.

They number the images, and often leave those without people out; some spell the category `pedestrain`. Boxes of other
categories, with `iscrowd` or with `ignore` are ignored ones. A reader that also takes such files lists them in the
option `merged`, and where the pictures are in `merged_images`: paths below the root, with `{file}` the stated file
name, `{name}` its last part and `{city}` what comes before the first underscore of that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from humanbench.arrays import flag, real_numbers, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_table
from humanbench.data.images import listed
from humanbench.data.readers import first_file, stated_name
from humanbench.data.readers.files import converted, expecting, load_json
from humanbench.data.readers.options import Choices, MergedOptions
from humanbench.errors import DataError

PEOPLE = ("person", "pedestrian", "pedestrain")

Name = Callable[[str], str]
"""The id that a dataset's own reader gives the image of this file name."""


def merged_boxes(card: DatasetCard, options: MergedOptions, split: str, root: Path, name: Name = str) -> Table | None:
    """Table `id, image, boxes, ignore, visible` (boxes, ratios or None), and `size` where stated; None without a file.

    `attrs["conversion"]` is true: the counts of a card are those of the official files.
    """
    path = first_file(root, options.merged.get(split, ()))
    if path is None:
        return None
    content = load_json(card, path, without="segmentation")
    form = "a COCO-form file of boxes with images, annotations and categories"
    with expecting(f"{card.id}: {path} is not {form} (", ")"):
        people = {c["id"] for c in content["categories"] if c["name"] in PEOPLE}
        boxes: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            boxes[annotation["image_id"]].append(annotation)
        find = _finder(root, options.merged_images[split])
        rows = [_row(image, boxes.pop(image["id"], []), people, find, name) for image in content["images"]]
    if not people:
        raise DataError(f"{card.id}: {path} has no category {' or '.join(PEOPLE[:2])}")
    if boxes:
        raise DataError(f"{card.id}: {path}: an annotation is of image {next(iter(boxes))!r}, which is not there")
    table = detection_table(rows, ("size",) if all(row["size"] for row in rows) else ())
    return converted(card, split, table, path)


def last_part(file_name: str) -> str:
    """The id of an image for readers that call it by the file's own name."""
    return PurePosixPath(file_name).name


def numbered(table: Table, root: Path, names: Choices) -> None:
    """Note in `attrs["numbered"]` the first of these conversions that is there: results may use its image numbers."""
    if (path := first_file(root, names)) is not None:
        table.attrs["numbered"] = str(path)


def _row(
    image: dict[str, Any], annotations: list[dict[str, Any]], people: set[Any], find: Name, name: Name
) -> dict[str, Any]:
    stated = stated_name(image)
    ignore = [
        a["category_id"] not in people or flag(a.get("iscrowd", 0)) or flag(a.get("ignore", 0)) for a in annotations
    ]
    boxes = box_array([a["bbox"] for a in annotations])
    visible: Any = None
    if annotations and all("vis_bbox" in a for a in annotations):
        visible = box_array([a["vis_bbox"] for a in annotations])
    elif annotations and all("vis_ratio" in a for a in annotations):
        visible = real_numbers([a["vis_ratio"] for a in annotations])
    sized = "width" in image and "height" in image
    return {
        "id": name(stated),
        "image": find(stated),
        "boxes": boxes,
        "ignore": np.array(ignore, bool) | (boxes[:, 2:] <= 0).any(axis=1),
        "visible": visible,
        "size": (whole_number(image["width"]), whole_number(image["height"])) if sized else None,
    }


def _finder(root: Path, patterns: Choices) -> Name:
    """The first of the patterned paths that is there, each folder being listed once; the first pattern otherwise."""
    there = listed()

    def find(stated: str) -> str:
        last = stated.rpartition("/")[2]
        parts = {"file": stated, "name": last, "city": last.partition("_")[0]}
        paths = [f"{root}/{pattern.format(**parts)}" for pattern in patterns]
        return next(filter(there, paths), paths[0])

    return find
