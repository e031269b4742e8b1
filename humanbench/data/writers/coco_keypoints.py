"""Writes pose tables as COCO does: `person_keypoints_<split>2017.json` and a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from humanbench.arrays import Bools
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.coco_keypoints import CocoKeypointsOptions
from humanbench.data.readers.people import person_table
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import PictureRows, order_of, pictures_of, plain, stacked, tuples


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Keypoints become integers and boxes get two decimals, as in the official files."""
    folder = root / CocoKeypointsOptions.of(card).images[split][0]
    pictures = pictures_of(table)
    names = [f"{number:012d}.jpg" for number in range(1, len(pictures) + 1)]
    form, out = coco_form(table, pictures, folder, names, save)
    for annotation, size in zip(form["annotations"], out["size"], strict=True):
        annotation["segmentation"] = _outline(annotation, size)
    content = {
        "info": {
            "description": card.name,
            "url": card.homepage,
            "version": "1.0",
            "year": 2017,
            "contributor": "",
            "date_created": "",
        },
        "licenses": [{"url": "", "id": 1, "name": ""}],
        **form,
        "categories": [category(card.labels.keypoints, card.labels.skeleton)],
    }
    save_json(root / CocoKeypointsOptions.of(card).files[split][0], content)
    return out


def coco_form(
    table: Table, pictures: list[PictureRows], folder: Path, names: list[str], save: Save
) -> tuple[dict[str, list[dict[str, Any]]], Table]:
    """Store the pictures under these names; `images` and `annotations` of COCO's form (without segmentation), whose ids
    count from 1, and the table."""
    for picture, name in zip(pictures, names, strict=True):
        save(picture.key, folder / name)
    taken = [number for number, picture in enumerate(pictures) for _ in picture.rows]  # a picture for each person
    order = order_of(pictures)
    keypoints = np.rint(stacked(table, "keypoints", order))
    keypoints[keypoints[..., 2] == 0] = 0
    out = person_table(
        image=[str(folder / names[number]) for number in taken],
        image_id=[number + 1 for number in taken],
        annotation_id=list(range(1, len(taken) + 1)),
        keypoints=keypoints,
        bbox=stacked(table, "bbox", order).round(2),
        area=table["area"].to_numpy(np.float64)[order],
        iscrowd=table["iscrowd"].to_numpy(np.int64)[order],
        image_ids=range(1, len(pictures) + 1),
        size=[pictures[number].size for number in taken],
    )
    images = [_image(n, name, p) for n, (name, p) in enumerate(zip(names, pictures, strict=True), 1)]
    return {"images": images, "annotations": [_annotation(row) for row in tuples(out)]}, out


def _image(number: int, name: str, picture: PictureRows) -> dict[str, Any]:
    """An entry of `images` with the keys of the official files."""
    return {
        "license": 1,
        "file_name": name,
        "coco_url": "",
        "height": picture.size[1],
        "width": picture.size[0],
        "date_captured": "",
        "flickr_url": "",
        "id": number,
    }


def _annotation(row: Any) -> dict[str, Any]:
    """An entry of `annotations` for a row of the table."""
    return {
        "num_keypoints": int((row.keypoints[:, 2] > 0).sum()),
        "area": float(row.area),
        "iscrowd": int(row.iscrowd),
        "keypoints": [int(v) for v in row.keypoints.ravel()],
        "image_id": row.image_id,
        "bbox": plain(row.bbox),
        "category_id": 1,
        "id": row.annotation_id,
    }


def category(keypoints: tuple[str, ...], skeleton: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """The entry of `categories`; bones count keypoints from 1."""
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton],
    }


def _outline(annotation: dict[str, Any], size: tuple[int, int]) -> Any:
    """The box as a polygon, for crowds as run lengths in column order (COCO's two forms of a segmentation)."""
    x, y, w, h = annotation["bbox"]
    if not annotation["iscrowd"]:
        return [[x, y, x + w, y, x + w, y + h, x, y + h]]
    inside: Bools = np.zeros((size[1], size[0]), bool)
    inside[int(max(y, 0)) : int(y + h), int(max(x, 0)) : int(x + w)] = True
    return run_lengths(inside)


def run_lengths(inside: Bools) -> dict[str, Any]:
    """COCO's uncompressed run lengths of a mask: column by column, starting with the zeros."""
    changes = np.flatnonzero(np.diff(inside.ravel(order="F"), prepend=False))
    return {"counts": np.diff([0, *changes, inside.size]).tolist(), "size": list(inside.shape)}
