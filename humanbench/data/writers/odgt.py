"""Writes detection tables as CrowdHuman's odgt files with one Images folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_row, detection_table, records, visible_boxes
from humanbench.data.readers.odgt import OdgtOptions
from humanbench.data.writers import Save, split_by_split

FIRST = 273271
"""What opens the ids of the official files, before a comma and a hexadecimal word; here another one for each split."""


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """One odgt file per split; boxes become whole pixels, ignored ones get the tag `mask`.

    Optional columns: `visible` (boxes or ratios), `head` (M x 4; without it the top seventh of the body).
    """
    options = OdgtOptions.of(card)
    lines, rows = [], []
    for number, row in enumerate(records(table)):
        boxes = np.round(box_array(row["boxes"]))
        visible = np.round(visible_boxes(boxes, row.get("visible")))
        head = np.round(box_array(row["head"])) if row.get("head") is not None else _heads(boxes)
        name = f"{FIRST + list(card.splits).index(split)},{number:015x}"
        path = root / options.images[split][0] / f"{name}.jpg"
        save(row["image"], path)
        people = [_person(i, *parts) for i, parts in enumerate(zip(boxes, visible, head, row["ignore"], strict=True))]
        lines.append(json.dumps({"ID": name, "gtboxes": people}))
        rows.append(detection_row(name, path, boxes, row["ignore"], visible=visible, head=head))
    (root / options.files[split][0]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return detection_table(rows, ("head",))


def _heads(boxes: Floats) -> Floats:
    x, y, w, h = boxes.T
    return np.round(np.stack([x + w / 4, y, w / 2, h / 7], axis=1))


def _person(number: int, full: Floats, visible: Floats, head: Floats, ignore: bool) -> dict[str, Any]:
    whole = [[int(v) for v in box] for box in (full, head, visible)]
    occluded = int((visible != full).any())
    record: dict[str, Any] = {"fbox": whole[0], "tag": "mask" if ignore else "person", "hbox": whole[1]}
    record["extra"] = {"ignore": 1} if ignore else {"box_id": number, "occ": occluded}
    record["vbox"] = whole[2]
    record["head_attr"] = {} if ignore else {"ignore": 0, "occ": 0, "unsure": 0}
    return record
