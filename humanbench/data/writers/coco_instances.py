"""Writes detection tables as COCO instances files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.boxes import box_array, detection_row, detection_table, records
from humanbench.data.readers.coco_instances import CocoInstancesOptions
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.coco_keypoints import run_lengths
from humanbench.data.writers.files import save_json


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """One JSON per split; boxes keep two decimals. The outline of a person is their box, ignored ones are crowds."""
    options = CocoInstancesOptions.of(card)
    written = {}
    for position, (split, table) in enumerate(tables.items()):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        for number, row in enumerate(records(table), start=1):
            image_id = position * 500_000 + number
            name = f"{image_id:012d}.jpg"
            path = root / options.images[split][0] / name
            save(row["image"], path)
            width, height = (int(v) for v in row["size"])
            images.append({"license": 1, "file_name": name, "height": height, "width": width, "id": image_id})
            boxes = np.round(box_array(row["boxes"]), 2)
            for box, crowd in zip(boxes, row["ignore"], strict=True):
                annotations.append(_annotation(len(annotations) + 1, image_id, box, bool(crowd), width, height))
            rows.append(detection_row(name, path, boxes, row["ignore"], size=(width, height), image_id=image_id))
        category = {"supercategory": "person", "id": 1, "name": options.category}
        content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": [category]}
        save_json(root / options.files[split][0], content)
        written[split] = detection_table(rows, ("size",))
        written[split]["image_id"] = [row["image_id"] for row in rows]
    return written


def _annotation(number: int, image_id: int, box: Floats, crowd: bool, width: int, height: int) -> dict[str, Any]:
    x, y, w, h = (float(v) for v in box)
    outline: Any = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    if crowd:
        inside = np.zeros((height, width), bool)
        left, top = np.maximum(np.round(box[:2]), 0).astype(int)
        right, bottom = np.maximum(np.round(box[:2] + box[2:]), 0).astype(int)
        inside[top:bottom, left:right] = True
        outline = run_lengths(inside)
    return {
        "segmentation": outline,
        "area": w * h,
        "iscrowd": int(crowd),
        "image_id": image_id,
        "bbox": [x, y, w, h],
        "category_id": 1,
        "id": number,
    }
