"""Writes pose tables as JRDB-Pose does: frames by camera and scene, a COCO-form file per scene and camera."""

from __future__ import annotations

from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers.jrdb import JrdbOptions
from humanbench.data.readers.people import join_tables
from humanbench.data.writers import Save, split_by_split
from humanbench.data.writers.coco_keypoints import category, coco_form
from humanbench.data.writers.files import save_json
from humanbench.data.writers.people import pictures_of, sequences


@split_by_split
def write(card: DatasetCard, root: Path, split: str, table: Table, save: Save) -> Table:
    """Scenes of a few frames, each seen by one of the split's cameras in turn; keypoints become integers."""
    options = JrdbOptions.of(card)
    cameras, scenes = options.cameras[split], []
    for number, pictures in enumerate(sequences(pictures_of(table))):
        scene, camera = f"scene-{number:03d}-2019-02-07_0", cameras[number % len(cameras)]
        keys = [f"{camera}/{scene}/{frame:06d}" for frame in range(len(pictures))]
        form, out = coco_form(table, pictures, root / options.images[0], [f"{key}.jpg" for key in keys], save)
        for annotation in form["annotations"]:
            annotation["track_id"] = annotation["id"]
        file = f"{scene}.json" if camera == "image_stitched" else f"{scene}_{camera.replace('_', '')}.json"
        content = {**form, "categories": [category(card.labels.keypoints, card.labels.skeleton)]}
        save_json(root / options.files[split] / file, content)
        out["image_id"] = [keys[number - 1] for number in out["image_id"]]
        out["id"] = [f"{i}/{a}" for i, a in zip(out["image_id"], out["annotation_id"], strict=True)]
        out.attrs["image_ids"] = keys
        scenes.append(out)
    return join_tables(scenes)
