"""Writes parsing tables as DeepFashion2 does: an image and a JSON with one item per garment class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.labels import IGNORE, Map
from humanbench.data.readers.label_maps import ID, LabelMapsOptions
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_json
from humanbench.data.writers.outlines import outlines


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """One image and one JSON per row; polygons cannot say "ignore", which becomes background."""
    options = LabelMapsOptions.of(card)
    where = options.splits[split]
    rows = []
    row: Any
    for number, row in enumerate(table.itertuples(index=False), 1):
        name = options.file_name.format(number=number)
        image, annotation = (root / where.images[0].replace(ID, name), root / where.labels[0].replace(ID, name))
        save(row.image, image)
        label = np.where(row.label == IGNORE, 0, row.label).astype(np.uint8)
        save_json(annotation, _annotation(card, label, number))
        rows.append((name, str(image), label))
    return pd.DataFrame(rows, columns=["id", "image", "label"])


def _annotation(card: DatasetCard, label: Map, number: int) -> dict[str, Any]:
    """Source, pair and an item per class; the fields of which a label map knows nothing have their plainest value."""
    annotation: dict[str, Any] = {"source": "user", "pair_id": number}
    for item, category in enumerate(np.unique(label[label > 0]).tolist(), 1):
        region = label == category
        ys, xs = np.nonzero(region)
        annotation[f"item{item}"] = {
            "category_name": card.labels.classes[category],
            "category_id": category,
            "bounding_box": [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1],
            "segmentation": outlines(region),
            "landmarks": [],
            "scale": 2,
            "occlusion": 1,
            "zoom_in": 1,
            "viewpoint": 2,
            "style": 0,
        }
    return annotation
