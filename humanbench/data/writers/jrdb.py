"""Writes pose tables as JRDB-Pose does: frames by camera and scene, a COCO-form file per scene and camera."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.jrdb import JrdbOptions
from humanbench.data.readers.people import join_tables
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.coco_keypoints import category, image_record, records
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import PictureRows, pictures_of, sequences


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Scenes of a few frames, each seen by one of the split's cameras in turn; keypoints become integers."""
    written = {}
    for split, table in tables.items():
        parts = []
        cameras = JrdbOptions.of(card).cameras[split]
        for number, scene in enumerate(sequences(pictures_of(table))):
            parts.append(_scene(card, root, split, f"scene-{number:03d}-2019-02-07_0", cameras, scene, table, save))
            cameras = cameras[1:] + cameras[:1]
        written[split] = join_tables(parts)
    return written


def _scene(
    card: DatasetCard,
    root: Path,
    split: str,
    scene: str,
    cameras: tuple[str, ...],
    pictures: list[PictureRows],
    table: Table,
    save: Save,
) -> Table:
    images = root / JrdbOptions.of(card).images[0]
    camera = cameras[0]
    names = [f"{camera}/{scene}/{frame:06d}.jpg" for frame in range(len(pictures))]
    people, out = records(table, pictures, [str(images / name) for name in names])
    for annotation in people:
        annotation["track_id"] = annotation["id"]
    for picture, name in zip(pictures, names, strict=True):
        save(picture.key, images / name)
    content = {
        "images": [image_record(n, name, p) for n, (name, p) in enumerate(zip(names, pictures, strict=True), 1)],
        "annotations": people,
        "categories": [category(card.labels.keypoints, card.labels.skeleton)],
    }
    file = f"{scene}.json" if camera == "image_stitched" else f"{scene}_{camera.replace('_', '')}.json"
    save_json(root / JrdbOptions.of(card).files[split] / file, content)
    keys = [name.removesuffix(".jpg") for name in names]
    out["image_id"] = [keys[number - 1] for number in out["image_id"]]
    out["id"] = [f"{i}/{a}" for i, a in zip(out["image_id"], out["annotation_id"], strict=True)]
    out.attrs["image_ids"] = keys
    return out
