"""COCO instances files as a person detection dataset: the boxes of one category, crowd regions to be ignored."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from humanbench.arrays import flag, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_table
from humanbench.data.readers import need, picture_finder
from humanbench.data.readers.coco_boxes import merged_boxes
from humanbench.data.readers.files import expecting, load_json
from humanbench.data.readers.options import BySplit, Choices, MergedOptions
from humanbench.errors import DataError


class CocoInstancesOptions(MergedOptions):
    """The annotation files and picture folders of each split, and the category whose boxes are taken."""

    files: BySplit[Choices]
    images: BySplit[Choices]
    category: str


OPTIONS = CocoInstancesOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (None), size, image_id`; the id is the file name.

    All images of the file are there, those without a person with no box. `iscrowd` boxes are ignored ones.
    """
    options = CocoInstancesOptions.of(card)
    official = any((root / name).is_file() for name in options.files[split])
    if not official and (merged := merged_boxes(card, options, split, root)) is not None:
        return merged
    path = need(card, root, *options.files[split])
    find = picture_finder(card, root, options.images[split])
    content = load_json(card, path)
    form = "a COCO instances file with images, annotations and categories"
    with expecting(f"{card.id}: {path} is not {form} (", ")"):
        boxes, crowd = _boxes(card, content, path)
        rows = [
            {
                "id": image["file_name"],
                "image": find(image["file_name"]),
                "boxes": box_array(boxes[image["id"]]),
                "ignore": crowd[image["id"]],
                "size": (whole_number(image["width"]), whole_number(image["height"])),
                "image_id": whole_number(image["id"]),
            }
            for image in content["images"]
        ]
    table = detection_table(rows, ("size",))
    table["image_id"] = [row["image_id"] for row in rows]
    return table


def _boxes(card: DatasetCard, content: Any, path: Path) -> tuple[dict[int, list[Any]], dict[int, list[bool]]]:
    """Boxes and crowd flags of the card's category by image id."""
    wanted = CocoInstancesOptions.of(card).category
    ids = {c["id"] for c in content["categories"] if c["name"] == wanted}
    if not ids:
        names = ", ".join(str(c["name"]) for c in content["categories"][:5])
        raise DataError(f"{card.id}: {path} has no category {wanted!r}; it has {names}")
    known = {image["id"] for image in content["images"]}
    boxes: dict[int, list[Any]] = defaultdict(list)
    crowd: dict[int, list[bool]] = defaultdict(list)
    for annotation in content["annotations"]:
        if annotation["category_id"] not in ids:
            continue
        image, box = annotation["image_id"], annotation["bbox"]
        if image not in known or len(box) != 4:
            raise DataError(
                f"{card.id}: {path}: annotation {annotation['id']} names an unknown image ({image}) "
                f"or its bbox is not four numbers ({box})"
            )
        boxes[image].append(box)
        crowd[image].append(flag(annotation.get("iscrowd", 0)))
    return boxes, crowd
