"""EuroCity Persons: a JSON file per image, objects nested (a rider holds the vehicle and co-riders)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import real_numbers, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_row, detection_table
from humanbench.data.ranges import UNKNOWN
from humanbench.data.readers import need
from humanbench.data.readers.coco_boxes import last_part, merged_boxes
from humanbench.data.readers.files import expecting, load_json
from humanbench.data.readers.options import BySplit, Choices, MergedOptions
from humanbench.errors import DataError
from humanbench.leftovers import files_in


class EcpOptions(MergedOptions):
    """The folders of annotations and of pictures of each split, and the identities that are people."""

    labels: BySplit[Choices]
    images: BySplit[Choices]
    person: tuple[str, ...]


OPTIONS = EcpOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (None), labels, size`, sorted by city and name; the id is the file name.

    `labels` are class indices of the card (the identity); -1 where an object states none, or one that the card does not
    know, which is remarked. Every identity that is not in `person` is an ignored box, also those nested in another
    object.
    """
    options = EcpOptions.of(card)
    official = any((root / name).is_dir() for name in options.labels[split])
    if not official and (merged := merged_boxes(card, options, split, root, last_part)) is not None:
        return merged
    labels_folder = need(card, root, *options.labels[split])
    pictures = need(card, root, *options.images[split])
    index = {name: position for position, name in enumerate(card.labels.classes)}
    people = [index[name] for name in options.person]
    rows = []
    unknown: Counter[str] = Counter()
    for path in files_in(labels_folder, "*/*.json"):
        content = load_json(card, path)
        expected = "imagewidth, imageheight and children with identity, x0, y0, x1, y1"
        with expecting(f"{card.id}: {path}: expected {expected}; found "):
            objects = [(o["identity"], _box(o)) for o in _nested(content["children"])]
            size = (whole_number(content["imagewidth"]), whole_number(content["imageheight"]))
        unknown.update(str(identity) for identity, _ in objects if identity is not None and identity not in index)
        labels = np.array([index.get(identity, UNKNOWN) for identity, _ in objects], np.int64)
        name = f"{path.stem}.png"
        boxes = box_array([box for _, box in objects])
        picture, ignore = pictures / path.parent.name / name, ~np.isin(labels, people)
        rows.append(detection_row(name, picture, boxes, ignore, labels=labels, size=size))
    if not rows:
        raise DataError(f"{card.id}: no <city>/<name>.json file under {labels_folder}")
    table = detection_table(rows, ("labels", "size"))
    if unknown:
        named = ", ".join(f"{name!r} ({count:,})" for name, count in unknown.most_common(5))
        table.attrs["remarks"] = [
            f"{card.id} {split}: {unknown.total():,} objects are of identities that the card does not know and are "
            f"taken as boxes to ignore: {named}"
        ]
    return table


def _nested(children: Any) -> Iterator[Any]:
    """Objects and the objects inside them, parents first."""
    for child in children:
        yield child
        yield from _nested(child.get("children", ()))


def _box(thing: Any) -> list[float]:
    x0, y0, x1, y1 = real_numbers([thing[k] for k in ("x0", "y0", "x1", "y1")]).tolist()
    return [x0, y0, x1 - x0, y1 - y0]
