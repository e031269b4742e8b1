"""Writes detection tables as EuroCity Persons: a JSON file per image, one city."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.boxes import box_array, class_indices, detection_row, detection_table, records
from humanbench.data.readers.ecp import EcpOptions
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_json

CITY = "amsterdam"
VEHICLES = ("bicycle", "buggy", "motorbike", "scooter", "tricycle", "wheelchair", "co-rider")


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Boxes become whole pixels; a vehicle that follows a rider is nested in it, as in the official files.

    Optional column: `labels` (class indices).
    """
    options = EcpOptions.of(card)
    written, number = {}, 0
    for split, table in tables.items():
        folder = root / options.labels[split][0] / CITY
        rows = []
        for row in records(table):
            stem = f"{CITY}_{number:05d}"
            number += 1
            path = root / options.images[split][0] / CITY / f"{stem}.png"
            save(row["image"], path)
            boxes = np.round(box_array(row["boxes"]))
            labels, ignore = class_indices(card, options.person, row)
            width, height = (int(v) for v in row["size"])
            frame = {"tags": [], "imageheight": height, "imagewidth": width, "identity": "frame"}
            frame["children"] = _children([card.labels.classes[k] for k in labels], boxes.astype(int).tolist())
            save_json(folder / f"{stem}.json", frame)
            rows.append(detection_row(path.name, path, boxes, ignore, labels=labels, size=(width, height)))
        written[split] = detection_table(rows, ("labels", "size"))
    return written


def _children(identities: list[str], boxes: list[list[int]]) -> list[dict[str, Any]]:
    top: list[dict[str, Any]] = []
    for identity, (x, y, w, h) in zip(identities, boxes, strict=True):
        thing: dict[str, Any] = {"tags": [], "x0": x, "y0": y, "x1": x + w, "y1": y + h, "children": []}
        thing["identity"] = identity
        nested = identity in VEHICLES and bool(top) and top[-1]["identity"] == "rider"
        (top[-1]["children"] if nested else top).append(thing)
    return top
