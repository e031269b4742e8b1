"""Writes pose tables as Halpe does: COCO's form with 136 keypoints, those of feet, face and hands unlabelled."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.coco_keypoints import CocoKeypointsOptions
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.coco_keypoints import category, coco_form
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import pictures_of

SLOTS = 136
COUNTED = 17
"""`num_keypoints` of the official files counts the keypoints that COCO has too."""
NAMES = {"train": "HICO_train2015_{:08d}.jpg", "val": "{:012d}.jpg"}


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Keypoints become integers and boxes get two decimals."""
    folder = root / CocoKeypointsOptions.of(card).images[split][0]
    pictures = pictures_of(table)
    names = [NAMES[split].format(number) for number in range(1, len(pictures) + 1)]
    form, out = coco_form(table, pictures, folder, names, save)
    for annotation in form["annotations"]:
        body = annotation["keypoints"]
        annotation["num_keypoints"] = sum(v > 0 for v in body[2 : 3 * COUNTED : 3])
        annotation["keypoints"] = body + [0.0] * (3 * SLOTS - len(body))
    save_json(root / CocoKeypointsOptions.of(card).files[split][0], {"categories": [category((), ())], **form})
    return out
