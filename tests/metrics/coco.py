"""Random COCO keypoint data with every special case, and pycocotools' answer to it."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")  # order of COCOeval.stats
SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000

Annotation = dict[str, Any]


def pycocotools_scores(
    ground_truth: dict[str, Any], detections: list[Annotation], sigmas: np.ndarray = SIGMAS
) -> dict[str, float]:
    """Percent, `nan` where pycocotools says -1."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(ground_truth)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(detections)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.asarray(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: 100 * v if v >= 0 else float("nan") for name, v in zip(NAMES, evaluation.stats, strict=True)}


def random_coco(
    seed: int, images: int = 25, keypoints: int = 17, ties: bool = False, categories: tuple[int, ...] = (1,)
) -> tuple[dict[str, Any], list[Annotation]]:
    """Crowds, people without labelled keypoints, flags at odds with `num_keypoints`, all sizes, empty images on either
    side, images with more than 20 detections; with `ties` scores have one decimal."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(images * 3)[:images].tolist()
    annotations: list[Annotation] = []
    detections: list[Annotation] = []
    for image in ids:
        people = [
            _person(rng, len(annotations) + i + 1, image, keypoints, categories)
            for i in range(rng.choice([0, 0, 1, 2, 3, 6]))
        ]
        annotations += people
        n = int(rng.choice([0, 1, 4, 12, 30]))
        detections += [_detection(rng, people, image, keypoints, ties, categories) for _ in range(n)]
    rng.shuffle(detections)  # type: ignore[arg-type]
    return {
        "images": [{"id": i} for i in ids],
        "annotations": annotations,
        "categories": [{"id": c, "name": f"kind {c}"} for c in categories],
    }, detections


def _person(rng: np.random.Generator, id_: int, image: int, keypoints: int, categories: tuple[int, ...]) -> Annotation:
    x, y = rng.uniform(0, 400, 2)
    w, h = rng.choice([12, 60, 80, 150, 300]) * rng.uniform(0.7, 1.3, 2)
    flags = rng.choice([0, 1, 2], keypoints, p=[0.3, 0.2, 0.5]) * (rng.random() > 0.25)
    points = np.stack([x + w * rng.random(keypoints), y + h * rng.random(keypoints), flags], axis=1)
    points[flags == 0] = 0
    return {
        "id": id_,
        "image_id": image,
        "category_id": int(rng.choice(categories)),
        "bbox": [float(v) for v in (x, y, w, h)],
        "area": float(w * h * rng.uniform(0.3, 0.8)),
        "iscrowd": int(rng.random() < 0.15),
        "num_keypoints": int((flags > 0).sum() * (rng.random() > 0.1)),
        "keypoints": points.ravel().tolist(),
    }


def _detection(
    rng: np.random.Generator,
    people: list[Annotation],
    image: int,
    keypoints: int,
    ties: bool,
    categories: tuple[int, ...],
) -> Annotation:
    category = int(rng.choice(categories))
    if people and rng.random() < 0.7:
        person = people[rng.integers(len(people))]
        x, y, w, h = person["bbox"]
        points = np.reshape(person["keypoints"], (keypoints, 3)).copy()
        points[points[:, 2] == 0, :2] = [x, y] + [w, h] * rng.random(2)
        points[:, :2] += rng.normal(size=(keypoints, 2)) * rng.choice([0, 0.02, 0.06, 0.15]) * (w + h) / 2
        category = person["category_id"]
    else:
        corner, size = rng.uniform(0, 400, 2), rng.choice([20, 60, 200])
        points = np.column_stack([corner + size * rng.random((keypoints, 2)), np.ones(keypoints)])
    points[:, 2] = rng.random(keypoints)
    score = float(rng.random())
    return {
        "image_id": image,
        "category_id": category,
        "keypoints": points.ravel().tolist(),
        "score": round(score, 1) if ties else score,
    }
