"""Writes WIDER Attribute: pictures by event and the two JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from humanbench.cards import DatasetCard
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.wider_attribute import CODING, FILES, FOLDERS
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.attributes import boxes_of, labels_of
from humanbench.data.writers.files import save_json


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Rows with the same `image` key are people of one picture; optional column `bbox` (else the whole picture)."""
    stored = {value: code for code, value in CODING.items()}
    pictures: dict[str, list[dict[str, Any]]] = {file: [] for file in FILES.values()}
    written = {}
    for split, table in tables.items():
        people: dict[Any, list[int]] = {}
        for row, image in enumerate(table["image"]):
            people.setdefault(image, []).append(row)
        boxes, labels = boxes_of(table), labels_of(card, table, unknown=-1)
        ids, paths, order = [], [], []
        for number, (image, rows) in enumerate(people.items()):
            name = f"{split}/0--Parade/0_Parade_marchingband_1_{number}.jpg"
            save(image, root / "Image" / name)
            targets = [{"attribute": [stored[int(v)] for v in labels[r]], "bbox": boxes[r]} for r in rows]
            pictures[FILES[split]].append({"file_name": name, "scene_id": 0, "targets": targets})
            ids += [f"{name}#{i}" for i in range(len(rows))]
            paths += [f"{root}/Image/{name}"] * len(rows)
            order += rows
        written[split] = frame(card, ids, paths, labels[order], bbox=[boxes[r] for r in order])
    names = {str(i): name for i, name in enumerate(card.labels.attributes)}
    for file, images in pictures.items():
        content = {"images": images, "attribute_id_map": names, "scene_id_map": {"0": "Parade"}}
        save_json(root / FOLDERS[0] / file, content)
    return written
