"""Writes detection tables as WiderPerson: lists of stems, a text file of boxes per image, one Images folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.boxes import box_array, class_indices, detection_row, detection_table, records
from humanbench.data.readers.widerperson import WiderpersonOptions
from humanbench.data.writers import Save, Tables


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Stems count through the splits; boxes become whole pixels. Optional column: `labels` (class indices)."""
    options = WiderpersonOptions.of(card)
    annotations = root / options.annotations
    annotations.mkdir(parents=True, exist_ok=True)
    written, number = {}, 0
    for split, table in tables.items():
        rows = []
        for row in records(table):
            number += 1
            name = f"{number:06d}.jpg"
            path = root / options.images[0] / name
            save(row["image"], path)
            boxes = np.round(box_array(row["boxes"]))
            labels, ignore = class_indices(card, options.person, row)
            corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(int)
            lines = [str(len(boxes))]
            lines += [
                " ".join(map(str, (card.labels.ids[k], *box))) for k, box in zip(labels, corners.tolist(), strict=True)
            ]
            (annotations / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            rows.append(detection_row(name, path, boxes, ignore, labels=labels))
        stems = "".join(f"{Path(r['id']).stem}\n" for r in rows)
        (root / options.lists[split]).write_text(stems, encoding="utf-8")
        written[split] = detection_table(rows, ("labels",))
    return written
