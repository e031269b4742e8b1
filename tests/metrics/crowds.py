"""Small made-up crowds for the box metrics. Python's own generator: its numbers are the same in every version."""

from __future__ import annotations

import random
from typing import Any

import numpy as np


def jittered(rng: random.Random, box: list[float], amount: float) -> list[float]:
    x, y, w, h = box
    return [
        x + rng.gauss(0, amount) * w,
        y + rng.gauss(0, amount) * h,
        w * max(0.2, 1 + rng.gauss(0, amount)),
        h * max(0.2, 1 + rng.gauss(0, amount)),
    ]


def people(rng: random.Random, count: int, width: int, height: int, tallest: float) -> list[list[float]]:
    """Boxes in a few clusters, so that neighbours overlap; some reach outside the image."""
    boxes: list[list[float]] = []
    for _ in range(count):
        if boxes and rng.random() < 0.7:
            x, y, w, h = rng.choice(boxes)
            boxes.append([x + rng.gauss(0, 0.25) * w, y + rng.gauss(0, 0.1) * h, w, h])
        else:
            h = rng.uniform(0.1 * tallest, tallest)
            boxes.append([rng.uniform(-0.1, 1) * width, rng.uniform(-0.1, 0.9) * height, 0.41 * h, h])
    return boxes


def detections(rng: random.Random, boxes: list[list[float]], width: int, height: int, tallest: float) -> Any:
    """Near copies, misses, repeats and false alarms, in no order; two-digit scores, so that many are equal."""
    found = []
    for box in boxes:
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            found.append([*jittered(rng, box, 0.12), round(min(1.0, max(0.0, rng.gauss(0.6, 0.25))), 2)])
    for _ in range(rng.randrange(8)):
        box = people(rng, 1, width, height, tallest)[0]
        found.append([*box, round(rng.random() ** 2, 2)])
    if found and rng.random() < 0.5:
        found.append(list(rng.choice(found)))
    if rng.random() < 0.2:
        found.append([rng.uniform(0, width), rng.uniform(0, height), 0.0, 5.0, 0.5])
    rng.shuffle(found)
    return np.array(found).reshape(-1, 5)


def crowd(seed: int, images: int) -> list[dict[str, Any]]:
    """`images` inputs of `crowdhuman`; each has ground truth, sometimes only ignore regions or no detections."""
    rng = random.Random(seed)
    out = []
    for number in range(images):
        width, height = rng.randrange(200, 800), rng.randrange(200, 600)
        boxes = people(rng, rng.choice((0, 1, 3, 8, 15)), width, height, 200)
        regions = people(rng, rng.randrange(0 if boxes else 1, 3), width, height, 300)
        gt = [[*b, 0] for b in boxes] + [[*b, 1] for b in regions]
        rng.shuffle(gt)
        det = detections(rng, boxes + regions, width, height, 200) if rng.random() < 0.95 else np.empty((0, 5))
        out.append({"id": f"im{number}", "width": width, "height": height, "gt": np.array(gt), "det": det})
    return out


def visible(rng: random.Random, width: int) -> float:
    """The visible fraction of a box of which whole columns are hidden: 0, 1 or a multiple of 1 / width."""
    return rng.choice((0.0, 1.0, 1.0, 1.0, *(round(width * f) / width for f in (0.2, 0.3, 0.5, 0.65, 0.8))))


def street(seed: int, frames: int) -> list[dict[str, Any]]:
    """`frames` inputs of `caltech`, whole-pixel boxes as in the annotations; many frames without people."""
    rng = random.Random(seed)
    out = []
    for number in range(frames):
        boxes = [[float(round(v)) for v in b] for b in people(rng, rng.choice((0, 0, 1, 2, 5)), 640, 480, 160)]
        gt = [[*b, visible(rng, int(b[2])), int(rng.random() < 0.15)] for b in boxes]
        out.append(
            {
                "id": f"frame{number}",
                "width": 640,
                "height": 480,
                "gt": np.array(gt).reshape(-1, 6),
                "det": detections(rng, boxes, 640, 480, 160),
            }
        )
    return out
