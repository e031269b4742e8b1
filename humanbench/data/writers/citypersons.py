"""Writes detection tables as CityPersons: MATLAB cells of structs beside Cityscapes folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, class_indices, detection_row, detection_table, records, visible_boxes
from humanbench.data.readers.citypersons import CitypersonsOptions
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_mat

CITIES = {"train": "aachen", "val": "frankfurt"}
FIRST_INSTANCE = 24000  # Cityscapes instance ids: class id 24 (person) times 1,000


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Boxes become whole pixels. Optional columns: `labels` (class indices), `visible` (boxes or ratios).

    The visible box of a class that is not a person is its whole box, as in the official files.
    """
    options = CitypersonsOptions.of(card)
    city = CITIES.get(split, split)
    cells = np.empty((1, len(table)), object)
    rows = []
    for number, row in enumerate(records(table)):
        name = f"{city}_{number:06d}_000019_leftImg8bit.png"
        path = root / options.images[split][0] / city / name
        save(row["image"], path)
        boxes = np.round(box_array(row["boxes"]))
        labels, ignore = class_indices(card, options.person, row)
        visible = np.where(ignore[:, None], boxes, np.round(visible_boxes(boxes, row.get("visible"))))
        cells[0, number] = _struct(city, name, _matrix([card.labels.ids[k] for k in labels], boxes, visible))
        rows.append(detection_row(name, path, boxes, ignore, visible=visible, labels=labels))
    save_mat(root / options.files[split][0], {options.variables[split]: cells})
    return detection_table(rows, ("labels",))


def _matrix(classes: list[int], boxes: Any, visible: Any) -> Any:
    instances = FIRST_INSTANCE + np.arange(len(boxes))
    matrix = np.column_stack([np.asarray(classes, float), boxes, instances, visible])
    return matrix.astype(np.int16 if (matrix < 0).any() else np.uint16)


def _struct(city: str, name: str, matrix: Any) -> Any:
    entry = np.empty((1, 1), [("cityname", object), ("im_name", object), ("bbs", object)])
    entry[0, 0] = (city, name, matrix)
    return entry
