"""Keypoint average precision at the size of COCO val2017, from Python dicts to the ten numbers."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO as FasterCOCO
from faster_coco_eval import COCOeval_faster
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from humanbench.metrics import keypoint_ap

IMAGES, PEOPLE, DETECTIONS = 5000, 11004, 104125  # val2017 and the detections of the AP-56 box file
KEYPOINTS = 17
SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
NAMES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")  # order of COCOeval.stats


@dataclass(frozen=True)
class Inputs:
    """A COCO dict and COCO results, as `json.load` gives them."""

    ground_truth: dict[str, Any]
    detections: list[dict[str, Any]]


def _people(rng: np.random.Generator, n: int, images: int) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    """People in a little more than half of the images; two of five lack keypoints, as in val2017."""
    corner, height = rng.uniform(0, 400, (n, 2)), rng.lognormal(4.3, 0.8, n)
    size = np.column_stack([height * rng.uniform(0.3, 0.7, n), height])
    flags = rng.choice([0, 1, 2], (n, KEYPOINTS), p=[0.3, 0.1, 0.6]) * (rng.random((n, 1)) < 0.58)
    places = corner[:, None] + size[:, None] * rng.random((n, KEYPOINTS, 2))
    points = np.concatenate([np.round(places) * (flags > 0)[..., None], flags[..., None]], axis=2)
    image = rng.choice(images, n // 4)[rng.integers(0, n // 4, n)]
    crowd = rng.random(n) < 0.02
    rows = [
        {
            "id": i + 1,
            "image_id": int(image[i]),
            "category_id": 1,
            "bbox": [*corner[i].tolist(), *size[i].tolist()],
            "area": float(size[i].prod() * 0.6),
            "iscrowd": int(crowd[i]),
            "num_keypoints": int((flags[i] > 0).sum() * (not crowd[i])),
            "keypoints": points[i].ravel().tolist(),
        }
        for i in range(n)
    ]
    return rows, places


def _detections(
    rng: np.random.Generator, people: list[dict[str, Any]], places: NDArray[np.float64], n: int, images: int
) -> list[dict[str, Any]]:
    """Each person three times with errors of different size, the rest anywhere, mostly with low scores."""
    near = np.repeat(places, 3, axis=0)
    height = np.repeat([p["bbox"][3] for p in people], 3)
    error = rng.lognormal(-3.2, 0.8, len(near))
    near = near + rng.standard_normal(near.shape) * (error * height)[:, None, None]
    rest = n - len(near)
    far = rng.uniform(0, 400, (rest, 1, 2)) + rng.lognormal(4, 0.8, (rest, 1, 1)) * rng.random((rest, KEYPOINTS, 2))
    points = np.concatenate([np.concatenate([near, far]), rng.random((n, KEYPOINTS, 1))], axis=2)
    score = np.concatenate([np.exp(-6 * error) * rng.uniform(0.7, 1, len(near)), rng.beta(0.6, 4, rest)])
    image = np.concatenate([np.repeat([p["image_id"] for p in people], 3), rng.integers(0, images, rest)])
    return [
        {"image_id": int(image[i]), "category_id": 1, "keypoints": points[i].ravel().tolist(), "score": float(score[i])}
        for i in rng.permutation(n)
    ]


def _evaluate(coco: Any, evaluation: Any, inputs: Inputs) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = inputs.ground_truth
        truth.createIndex()
        run = evaluation(truth, truth.loadRes(inputs.detections), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {name: 100 * float(value) for name, value in zip(NAMES, run.stats, strict=False)}


@dataclass(frozen=True)
class Keypoints:
    """One of the two usual evaluators as the peer."""

    name: str
    peer_name: str
    coco: Any
    evaluation: Any
    aim: str = "<= 1.9 s"

    def inputs(self, small: bool) -> Inputs:
        images, people, detections = (n // 50 if small else n for n in (IMAGES, PEOPLE, DETECTIONS))
        rng = np.random.default_rng(2017)
        annotations, places = _people(rng, people, images)
        found = _detections(rng, annotations, places, detections, images)
        truth = {"info": {}, "images": [{"id": i} for i in range(images)], "annotations": annotations}
        return Inputs(truth | {"categories": [{"id": 1, "name": "person"}]}, found)

    def ours(self, inputs: Inputs) -> dict[str, float]:
        return dict(keypoint_ap(inputs.ground_truth, inputs.detections, SIGMAS))

    def peer(self, inputs: Inputs) -> dict[str, float]:
        return _evaluate(self.coco, self.evaluation, inputs)


CASES = [
    Keypoints("keypoint AP COCO val", "pycocotools", COCO, COCOeval),
    Keypoints("keypoint AP COCO val (faster)", "faster-coco-eval", FasterCOCO, COCOeval_faster),
]
