"""Person boxes of a detector as the people to be found (COCO's "AP-56" protocol)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from humanbench.cards import DatasetCard
from humanbench.errors import PredictionError
from humanbench.predictions.records import names, numbers, people_records
from humanbench.tasks.pose import PoseEvaluationOptions


def read_detections(card: DatasetCard, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Rows `image, image_id, bbox, score`, a row per detected person in an image of the table's split, in file order.

    The file is a JSON list of {image_id, category_id, bbox [x, y, w, h], score}; other categories than people are left
    out, and so are images that the split (or the subset) does not have. Raises `PredictionError` for anything else.
    """
    described = "a detections file is a list of objects with image_id, category_id, bbox, score"
    records = people_records(path, described)
    images = {str(i): i for i in table.attrs.get("image_ids", table["image_id"])}
    records = [r for r, name in zip(records, names(records, "image_id", path), strict=True) if name in images]
    if not records:
        raise PredictionError(f"{path}: holds no person box in any of the {len(images)} images of {card.id}")
    files = _files(card, table)
    found = [images[name] for name in names(records, "image_id", path)]
    return pd.DataFrame(
        {
            "image": [files(i) for i in found],
            "image_id": found,
            "bbox": list(numbers(records, "bbox", 4, path, "a box [x, y, w, h]")),
            "score": numbers(records, "score", 1, path, "a number")[:, 0],
        }
    )


def _files(card: DatasetCard, table: pd.DataFrame) -> Any:
    """The path of an image by its id; the table has rows for images with annotated people only."""
    known = dict(zip(table["image_id"], table["image"], strict=True))
    folder = Path(next(iter(known.values()))).parent
    pattern = PoseEvaluationOptions.of(card).image_name
    return lambda image: known.get(image) or str(folder / pattern.format(image_id=image))
