"""Box metrics at CrowdHuman size, against the plain way of the official tool: Python loops over images and boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from humanbench import metrics

Array = NDArray[np.float64]
Images = list[dict[str, Any]]

IMAGES, PEOPLE, DETECTIONS, REGIONS = 4370, 99_481, 300_000, 30_000
REFERENCES = (0.0100, 0.0178, 0.0316, 0.0562, 0.1000, 0.1778, 0.3162, 0.5623, 1.0000)


def _shares(rng: np.random.Generator, total: int, images: int) -> NDArray[np.int64]:
    """How many of `total` fall to each image: some images are far more crowded than others, as in the dataset."""
    crowdedness = rng.gamma(1.5, size=images)
    return rng.multinomial(total, crowdedness / crowdedness.sum())


def _crowd(rng: np.random.Generator, count: int, width: int, height: int) -> Array:
    """People around a few centres: upright boxes that overlap each other, some cut by the border."""
    centres = rng.uniform((0, 0.2 * height), (width, 0.8 * height), (max(1, count // 6), 2))
    tall = rng.uniform(0.1, 0.6, len(centres)) * height
    group = rng.integers(len(centres), size=count)
    h = tall[group] * rng.normal(1, 0.1, count).clip(0.6, 1.4)
    w = h * rng.normal(0.42, 0.05, count).clip(0.3, 0.6)
    centre = centres[group] + rng.normal(0, (0.8, 0.15), (count, 2)) * tall[group, None]
    return np.column_stack((centre - np.column_stack((w, h)) / 2, w, h))


def _detections(rng: np.random.Generator, truth: Array, count: int, width: int, height: int) -> Array:
    """Near copies of people and regions, the better the higher their score, repeats lower, and low ones anywhere."""
    aimed = rng.random(count) < (0.75 if len(truth) else 0)
    boxes = _crowd(rng, count, width, height)
    scores = rng.beta(1, 8, count)
    error = rng.exponential(0.12, count)
    if len(truth):
        target = rng.integers(len(truth), size=count)
        of = truth[target]
        repeat = np.ones(count, dtype=bool)
        repeat[np.unique(target, return_index=True)[1]] = False
        moved = np.concatenate(
            (of[:, :2] + rng.normal(0, 1, (count, 2)) * error[:, None] * of[:, 2:], of[:, 2:]), axis=1
        )
        moved[:, 2:] *= np.exp(rng.normal(0, 1, (count, 2)) * error[:, None])
        boxes[aimed] = moved[aimed]
        scores[aimed] = (np.exp(-3 * error) * rng.beta(8, 2, count) * np.where(repeat, 0.4, 1))[aimed]
    return np.column_stack((boxes, scores.round(4)))


def images(small: bool) -> Images:
    """Inputs of `metrics.crowdhuman`, as many images, people and detections as the validation set."""
    rng = np.random.default_rng(0)
    part = 100 if small else 1
    count = IMAGES // part
    people = _shares(rng, PEOPLE // part, count)
    regions = rng.multinomial(REGIONS // part, np.full(count, 1 / count))
    detections = rng.multinomial(DETECTIONS // part, (people + 3) / (people + 3).sum())
    out = []
    for i in range(count):
        width, height = int(rng.integers(600, 1400)), int(rng.integers(500, 1000))
        gt = _crowd(rng, int(people[i] + regions[i]), width, height)
        ignore = np.arange(len(gt)) >= people[i]
        det = _detections(rng, gt, int(detections[i]), width, height)
        out.append({"id": i, "width": width, "height": height, "gt": np.column_stack((gt, ignore)), "det": det})
    return out


def _corners(boxes: Array, width: int, height: int) -> Array:
    x1, y1, x2, y2 = boxes[:, 0], boxes[:, 1], boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]
    return np.stack((x1.clip(0, width - 1), y1.clip(0, height - 1), x2.clip(0, width), y2.clip(0, height)), axis=1)


def _overlaps(a: Array, b: Array, over_union: bool) -> Array:
    """All pairs' intersection over union, or over the area of `a`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod((high - low).clip(0), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1)[:, None], np.prod(b[:, 2:] - b[:, :2], axis=1)[None]
    result: Array = common / ((area_a + area_b - common if over_union else area_a) + 1e-6)
    return result


def _prepared(images: Images) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Per image: detections' corners and scores by falling score, people's corners, regions' corners."""
    for image in images:
        gt, det = image["gt"], image["det"]
        det = det[np.argsort(-det[:, 4], kind="stable")]
        box = _corners(gt, image["width"], image["height"])
        yield _corners(det, image["width"], image["height"]), det[:, 4], box[gt[:, 4] == 0], box[gt[:, 4] != 0]


def _judge(iou: Array, ioa: Array) -> Iterator[tuple[int, bool]]:
    """Detections in order, each with whether it is right; those in ignore regions are passed over."""
    free = [True] * iou.shape[1]
    for d in range(len(iou)):
        best, highest = -1, 0.5
        for g in range(iou.shape[1]):
            if free[g] and iou[d, g] > highest:
                best, highest = g, iou[d, g]
        if best >= 0:
            free[best] = False
            yield d, True
        elif not any(ioa[d, r] > 0.5 for r in range(ioa.shape[1])):
            yield d, False


def plain_curve(images: Images) -> dict[str, float]:
    """AP50, MR-2 and recall as defined, one detection after the other."""
    judged: list[tuple[float, bool]] = []
    people = 0
    for det, score, real, region in _prepared(images):
        people += len(real)
        judged += [(score[d], hit) for d, hit in _judge(_overlaps(det, real, True), _overlaps(det, region, False))]
    judged.sort(key=lambda item: -item[0])
    hits = alarms = 0
    recall, precision, fppi = [], [], []
    for _, hit in judged:
        hits, alarms = hits + hit, alarms + (not hit)
        recall.append(hits / people)
        precision.append(hits / (hits + alarms))
        fppi.append(alarms / len(images))
    steps = range(1, len(recall))
    area = sum((recall[i] - recall[i - 1]) * (precision[i] + precision[i - 1]) / 2 for i in steps)
    reads = [next((i for i, f in enumerate(fppi) if f >= reference), len(fppi) - 1) for reference in REFERENCES]
    missed = np.exp(np.mean(np.log([1 - recall[i] for i in reads])))
    return {"AP50": 100 * area, "MR-2": float(100 * missed), "recall": 100 * recall[-1]}


def plain_jaccard(images: Images) -> dict[str, float]:
    """JI as defined: every image anew at every threshold, with one assignment problem each."""
    means = []
    for threshold in 0.1 * np.arange(10):
        ratios = []
        for det, score, real, region in _prepared(images):
            det = det[score > threshold]
            iou = _overlaps(det, real, True)
            rows, columns = linear_sum_assignment(np.where(iou > 0.5, iou, 0), maximize=True)
            good = iou[rows, columns] > 0.5
            rest = np.delete(det, rows[good], axis=0), np.delete(real, columns[good], axis=0)
            excused = [int((_overlaps(r, region, False) > 0.5).any(axis=1).sum()) for r in rest]
            n, m, k = len(det) - excused[0], len(real) - excused[1], int(good.sum())
            if m or n:
                ratios.append(k / (m + n - k))
        means.append(np.mean(ratios))
    return {"JI": float(100 * max(means))}


class CrowdCurve:
    """AP50 and MR-2."""

    name = "CrowdHuman AP + MR-2"
    peer_name = "plain Python, as the official tool"
    aim = "<= 0.8 s"

    def inputs(self, small: bool) -> Images:
        """4,370 images, 99,481 people, 30,000 regions, 300,000 detections."""
        return images(small)

    def ours(self, inputs: Images) -> dict[str, float]:
        """Without the Jaccard index."""
        return dict(metrics.crowdhuman(inputs, jaccard=False))

    def peer(self, inputs: Images) -> dict[str, float]:
        """One detection after the other."""
        return plain_curve(inputs)


class CrowdJaccard(CrowdCurve):
    """The Jaccard index; ours computes AP50 and MR-2 in the same call."""

    name = "CrowdHuman JI"
    peer_name = "an assignment per image and threshold"
    aim = "<= 5 s"

    def ours(self, inputs: Images) -> dict[str, float]:
        """All values."""
        return dict(metrics.crowdhuman(inputs))

    def peer(self, inputs: Images) -> dict[str, float]:
        """Ten passes over the images."""
        return plain_jaccard(inputs)


CASES = (CrowdCurve(), CrowdJaccard())
