"""Reading sample tables: annotations of the size of COCO's training set, and the folders of Market-1501."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from humanbench.cards import load_card
from humanbench.data.samples import load_samples

SHRINK = 50
KEYPOINTS = 17


@dataclass(frozen=True)
class Folder:
    """A data root that lives as long as this object."""

    holder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    @property
    def path(self) -> Path:
        return Path(self.holder.name)


@dataclass(frozen=True)
class Coco:
    """`person_keypoints_train2017.json`: 118,287 images, 262,465 people, outlines included."""

    name: str = "reading COCO-sized keypoints (118,287 images, 262,465 people)"
    peer_name: str = "pycocotools COCO(): load and index, no arrays"
    aim: str = "<= the peer"
    tolerance: float = 1e-9

    def inputs(self, small: bool) -> Folder:
        shrink = SHRINK if small else 1
        folder = Folder()
        path = folder.path / "coco_pose" / "annotations" / "person_keypoints_train2017.json"
        path.parent.mkdir(parents=True)
        with path.open("w") as file:
            file.writelines(_coco_text(images=118_287 // shrink, people=262_465 // shrink))
        return folder

    def ours(self, inputs: Folder) -> dict[str, float]:
        table = load_samples("coco_pose", "train", data_root=inputs.path)
        return {
            "people": len(table),
            "images": len(table.attrs["image_ids"]),
            "area": float(table["area"].sum()),
            "labelled": float(table["num_keypoints"].sum()),
        }

    def peer(self, inputs: Folder) -> dict[str, float]:
        from pycocotools.coco import COCO

        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(inputs.path / "coco_pose" / "annotations" / "person_keypoints_train2017.json"))
        people = coco.dataset["annotations"]
        return {
            "people": len(people),
            "images": len(coco.imgs),
            "area": sum(a["area"] for a in people),
            "labelled": sum(a["num_keypoints"] for a in people),
        }


def _coco_text(images: int, people: int) -> Iterator[str]:
    """The file in pieces; four people in ten have no labelled keypoints, as in COCO."""
    rng = np.random.default_rng(2017)
    yield '{"info": {}, "licenses": [], "categories": [{"id": 1, "name": "person"}], "images": ['
    for i in range(images):
        end = ", " if i < images - 1 else "], "
        yield f'{{"license": 1, "file_name": "{i:012d}.jpg", "height": 480, "width": 640, "id": {i}}}{end}'
    yield '"annotations": ['
    homes = np.sort(rng.integers(0, images, people)).tolist()
    for i in range(people):
        box = np.round(rng.uniform(1, 300, 4), 2).tolist()
        points = np.zeros((KEYPOINTS, 3), int)
        if i % 10 > 3:
            points[:] = rng.integers(1, 400, points.shape)
            points[:, 2] = rng.integers(0, 3, KEYPOINTS)
            points[points[:, 2] == 0] = 0
        person = {
            "segmentation": [np.round(rng.uniform(0, 400, 40), 2).tolist()],
            "num_keypoints": int((points[:, 2] > 0).sum()),
            "area": round(box[2] * box[3] * 0.6, 4),
            "iscrowd": 0,
            "keypoints": points.ravel().tolist(),
            "image_id": homes[i],
            "bbox": box,
            "category_id": 1,
            "id": 10 * i,
        }
        yield json.dumps(person) + (", " if i < people - 1 else "]}")


@dataclass(frozen=True)
class Market:
    """The three folders of Market-1501, 36,036 file names with junk."""

    name: str = "reading Market-sized folders (12,936 + 3,368 + 19,732 images)"
    peer_name: str = "os.listdir and a regular expression, lists of tuples (as torchreid)"
    aim: str = "<= 1.2 x the peer"
    tolerance: float = 0.0

    def inputs(self, small: bool) -> Folder:
        shrink = SHRINK if small else 1
        folder = Folder()
        rng = np.random.default_rng(1501)
        for name, count in _market_folders():
            place = folder.path / "market1501" / name
            place.mkdir(parents=True)
            pids = rng.integers(1, 1502, count // shrink)
            if name == "bounding_box_test":
                pids[: len(pids) // 3] = rng.choice([0, -1], len(pids) // 3, p=[0.42, 0.58])
            cameras = rng.integers(1, 7, len(pids))
            for number, (pid, camera) in enumerate(zip(pids.tolist(), cameras.tolist(), strict=True)):
                stem = "-1" if pid < 0 else f"{pid:04d}"
                (place / f"{stem}_c{camera}s1_{number:06d}_01.jpg").touch()
        return folder

    def ours(self, inputs: Folder) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for split in ("train", "query", "gallery"):
            table = load_samples("market1501", split, data_root=inputs.path)
            numbers[f"{split} images"] = len(table)
            numbers[f"{split} identities"] = table["pid"].nunique()
            numbers[f"{split} cameras"] = float(table["camid"].sum())
        return numbers

    def peer(self, inputs: Folder) -> dict[str, float]:
        pattern = re.compile(r"([-\d]+)_c(\d)")
        numbers: dict[str, float] = {}
        for split, (name, _) in zip(("train", "query", "gallery"), _market_folders(), strict=True):
            folder = os.path.join(inputs.path, "market1501", name)
            samples = []
            for file in sorted(os.listdir(folder)):
                match = pattern.search(file)
                if file.endswith(".jpg") and match is not None and int(match[1]) != -1:
                    samples.append((os.path.join(folder, file), int(match[1]), int(match[2]) - 1))
            numbers[f"{split} images"] = len(samples)
            numbers[f"{split} identities"] = len({pid for _, pid, _ in samples})
            numbers[f"{split} cameras"] = float(sum(camera for _, _, camera in samples))
        return numbers


def _market_folders() -> list[tuple[str, int]]:
    folders = load_card("market1501").reader.options["folders"]
    return [(folders[split][0], count) for split, count in (("train", 12_936), ("query", 3_368), ("gallery", 19_732))]


CASES = (Coco(), Market())
