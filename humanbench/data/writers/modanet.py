"""Writes parsing tables as ModaNet does: photographs and one COCO instance JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.labels import IGNORE, Map
from humanbench.data.readers.label_maps import ID
from humanbench.data.readers.modanet import ModanetOptions
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_json
from humanbench.data.writers.outlines import outlines


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """One annotation per class and image. Polygons cannot say "ignore", which becomes background; an image without any
    garment has no polygon and is not in the table read back."""
    options = ModanetOptions.of(card)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    rows = []
    row: Any
    for number, row in enumerate(table.itertuples(index=False), 1):
        label = np.where(row.label == IGNORE, 0, row.label).astype(np.uint8)
        path = root / options.splits[split].images[0].replace(ID, options.file_name.format(number=number))
        save(row.image, path)
        height, width = label.shape
        images.append({"id": number, "file_name": path.name, "width": width, "height": height, "license": 1})
        for annotation in _annotations(label):
            annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation})
        if label.any():
            rows.append((path.stem, str(path), label))
    names = [{"id": i, "name": name, "supercategory": "fashion"} for i, name in enumerate(card.labels.classes) if i]
    content = {"images": images, "annotations": annotations, "categories": names, "type": "instances"}
    save_json(root / options.annotations[split][0], content)
    return pd.DataFrame(rows, columns=["id", "image", "label"])


def _annotations(label: Map) -> Iterator[dict[str, Any]]:
    for category in np.unique(label[label > 0]).tolist():
        region = label == category
        ys, xs = np.nonzero(region)
        x, y = int(xs.min()), int(ys.min())
        yield {
            "category_id": category,
            "segmentation": outlines(region),
            "bbox": [x, y, int(xs.max()) + 1 - x, int(ys.max()) + 1 - y],
            "area": int(region.sum()),
            "iscrowd": 0,
        }
