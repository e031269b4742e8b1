"""Confusion counts and scores of a parsing split: maps of LIP's size and number of classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humanbench.metrics import confusion, parsing

CLASSES, HEIGHT, WIDTH = 20, 450, 300
Maps = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def _person(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Ellipses of a few parts on background, with a thin ignored edge as some sets have."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    for part in rng.choice(np.arange(1, CLASSES), 8, replace=False):
        y, x = rng.uniform(0.1, 0.9, 2) * (HEIGHT, WIDTH)
        h, w = rng.uniform(0.05, 0.3, 2) * (HEIGHT, WIDTH)
        found[((rows - y) / h) ** 2 + ((columns - x) / w) ** 2 < 1] = part
    found[:, :2] = 255
    return found


@dataclass(frozen=True)
class Parsing:
    """The peer counts as the field's evaluators do: one `bincount` over class pairs a map."""

    name: str = "parsing 500 maps 450 x 300, 20 classes"
    peer_name: str = "numpy bincount"
    aim: str = "<= 0.40 s (0.8 ms a map)"

    def inputs(self, small: bool) -> Maps:
        """Predictions are the truth moved a few pixels with one pixel in fifty changed."""
        rng = np.random.default_rng(20)
        pairs: Maps = []
        for _ in range(20 if small else 500):
            gt = _person(rng)
            pred = np.roll(np.where(gt == 255, 0, gt), rng.integers(-4, 5, 2), axis=(0, 1)).astype(np.uint8)
            changed = rng.random(gt.shape) < 0.02
            pred[changed] = rng.integers(0, CLASSES, int(changed.sum()))
            pairs.append((pred, gt))
        return pairs

    def ours(self, inputs: Maps) -> dict[str, float]:
        return dict(parsing((confusion(pred, gt, CLASSES) for pred, gt in inputs), CLASSES))

    def peer(self, inputs: Maps) -> dict[str, float]:
        total = np.zeros((CLASSES, CLASSES))
        for pred, gt in inputs:
            kept = gt != 255
            index = gt[kept].astype(np.int64) * CLASSES + pred[kept]
            total += np.bincount(index, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        right, labelled, predicted = np.diag(total), total.sum(axis=1), total.sum(axis=0)
        return {
            "mIoU": 100 * float(np.mean(right / (labelled + predicted - right))),
            "pACC": 100 * float(right.sum() / total.sum()),
            "mACC": 100 * float(np.mean(right / labelled)),
            "F1": 100 * float(np.mean(2 * right / (labelled + predicted))),
        }


CASES = [Parsing()]
