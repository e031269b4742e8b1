"""Datasets and predictions of paper size, made from a seed: what whole commands are measured on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bench import boxes, keypoints, ranking
from humanbench.hashing import content_sha256
from humanbench.metrics.ranking import JUNK
from humanbench.scoring import scored
from tests.leaderboard.made import made_result

Make = Callable[[Path, Path], list[str]]
"""Writes a dataset and predictions; returns the peer's arguments."""

DISTINCT = 50
"""Label maps that are drawn; the others are the same files under other names."""

FIRST_SCHEMA = 2
"""Of results that all checkouts read that are measured."""


def coco(root: Path, predictions: Path) -> list[str]:
    given = keypoints.CASES[0].inputs(small=False)
    truth = root / "annotations/person_keypoints_val2017.json"
    truth.parent.mkdir(parents=True)
    images = [{"id": i["id"], "file_name": f"{i['id']:012d}.jpg"} for i in given.ground_truth["images"]]
    truth.write_text(json.dumps(given.ground_truth | {"images": images}))
    predictions.write_text(json.dumps(given.detections))
    return [str(truth), str(predictions)]


def crowdhuman(root: Path, predictions: Path) -> list[str]:
    (root / "Images").mkdir(parents=True)
    lines, found = [], []
    for image in boxes.images(small=False):
        name = f"{image['id']},0"
        people = [
            {"tag": "person", "fbox": row[:4], "vbox": row[:4], "hbox": row[:4], "extra": {"ignore": int(row[4])}}
            for row in image["gt"].tolist()
        ]
        lines.append(
            json.dumps({"ID": name, "gtboxes": people, "width": image["width"], "height": image["height"]}) + "\n"
        )
        rows = image["det"].tolist()
        found += [{"image_id": name, "category_id": 1, "bbox": row[:4], "score": row[4]} for row in rows]
    (root / "annotation_val.odgt").write_text("".join(lines))
    predictions.write_text(json.dumps(found))
    return []


def pa100k(root: Path, predictions: Path) -> list[str]:
    import scipy.io

    from humanbench.cards import load_card

    names, images = load_card("pa100k").labels.attributes, [f"{90001 + i:06d}.jpg" for i in range(10_000)]
    rng = np.random.default_rng(0)
    (root / "release_data/release_data").mkdir(parents=True)
    content = {"attributes": np.array([[n] for n in names], object)}
    for split, count in (("train", 0), ("val", 0), ("test", len(images))):
        content[f"{split}_images_name"] = np.array([[n] for n in images[:count]], object).reshape(-1, 1)
        content[f"{split}_label"] = rng.integers(0, 2, (count, len(names)), dtype=np.uint8)
    scipy.io.savemat(root / "annotation.mat", content)
    rows = [",".join([image, *map(str, rng.random(len(names)).round(4))]) for image in images]
    predictions.write_text("\n".join([",".join(["image", *names]), *rows]) + "\n")
    return []


def market1501(root: Path, predictions: Path) -> list[str]:
    """The folders hold empty files: only their names are read."""
    query, gallery = root / "query", root / "bounding_box_test"
    given = ranking.CASES[0].inputs(small=False)
    names = []
    for folder, ids, cameras in (
        (query, given.query_ids, given.query_cams),
        (gallery, given.gallery_ids, given.gallery_cams),
    ):
        folder.mkdir(parents=True)
        pairs = enumerate(zip(ids.tolist(), cameras.tolist(), strict=True))
        names.append(
            [f"{folder.name}/{'-1' if p < 0 else f'{p:04d}'}_c{c + 1}s1_{i:06d}_01.jpg" for i, (p, c) in pairs]
        )
        for name in names[-1]:
            (root / name).touch()
    kept = given.gallery_ids != JUNK
    np.savez(
        predictions,
        query_names=names[0],
        query_features=given.query,
        gallery_names=np.array(names[1])[kept],
        gallery_features=given.gallery[kept],
    )
    return []


def lip(root: Path, predictions: Path) -> list[str]:
    """Label maps of 450 x 300 of seven of the 20 classes each, a tenth of their patches predicted as another class.

    A few are drawn, the others are links. The pictures are empty, none is read.
    """
    rng = np.random.default_rng(0)
    folders = [root / "val_images", root / "val_segmentations", predictions]
    for folder in folders:
        folder.mkdir(parents=True)
    names = [f"{number}_{number}" for number in range(1, 10_001)]
    (root / "val_id.txt").write_text("\n".join(names) + "\n")
    for name in names[:DISTINCT]:
        shown = rng.choice(20, 7, replace=False).astype(np.uint8)
        truth = rng.choice(shown, (20, 14))
        found = np.where(rng.random(truth.shape) < 0.1, rng.choice(shown, truth.shape), truth)
        for folder, parts in zip(folders[1:], (truth, found), strict=True):
            Image.fromarray(parts).resize((300, 450), Image.Resampling.NEAREST).save(folder / f"{name}.png")
    for place, name in enumerate(names[DISTINCT:]):
        for folder in folders[1:]:
            os.link(folder / f"{names[place % DISTINCT]}.png", folder / f"{name}.png")
    for name in names:
        (folders[0] / f"{name}.jpg").touch()
    return []


def two_runs(folder: Path, made: dict[str, Path]) -> None:
    """Run folders `base` and `new` with a result per dataset: these predictions, and the same with other numbers."""
    for run in ("base", "new"):
        for part in ("results", "predictions"):
            (folder / run / part).mkdir(parents=True)
        for dataset, predictions in made.items():
            path = folder / run / "predictions" / f"{dataset}{predictions.suffix}"
            (shutil.copy if run == "base" else _changed)(predictions, path)
            _write_result(folder / run, dataset, path, folder)


def _changed(given: Path, path: Path) -> None:
    """Predictions of somewhat other scores, or features."""
    rng = np.random.default_rng(1)
    if given.suffix == ".json":
        records = json.loads(given.read_text())
        factors = rng.uniform(0.7, 1, len(records)).tolist()
        changed = [one | {"score": one["score"] * factor} for one, factor in zip(records, factors, strict=True)]
        path.write_text(json.dumps(changed))
        return
    with np.load(given) as arrays:
        names = dict(arrays)
    for name in ("query_features", "gallery_features"):
        names[name] += rng.normal(0, 0.01, names[name].shape).astype(np.float32)
    np.savez(path, **names)


def _write_result(run: Path, dataset: str, predictions: Path, data_root: Path) -> None:
    """In the form of the first schema, so that older checkouts read it too."""
    of = scored(dataset, predictions, data_root)
    usual = made_result(dataset, run.name)
    assert usual.provenance is not None
    metrics = {of.main: {"value": of.scores[of.main], "low": None, "high": None, "n": of.scores.n}}
    document = usual.model_dump(mode="json", exclude_defaults=True) | {
        "schema_version": FIRST_SCHEMA,
        "metrics": metrics,
        "unit": of.scores.unit,
        "predictions": f"predictions/{predictions.name}",
    }
    document["provenance"]["predictions_sha256"] = content_sha256(predictions)
    (run / "results" / f"{dataset}.json").write_text(json.dumps(document))
