"""How far predicted directions are from the true ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from humanbench.errors import HumanbenchError
from humanbench.metrics import Scores
from humanbench.metrics.directions import Direction

MAAD = Direction(higher_is_better=False, unit="degrees")
"""Mean absolute angular deviation, 0 to 180 degrees."""


def headings(predicted: ArrayLike, true: ArrayLike, count: int) -> Scores:
    """MAAD (degrees) and accuracy (percent) of N directions out of `count` equal sectors; the units are images.

    >>> dict(headings([0, 7, 2, 4], [0, 0, 2, 0], 8))
    {'MAAD': 56.25, 'accuracy': 50.0}
    """
    guess, truth = np.asarray(predicted, np.int64), np.asarray(true, np.int64)
    if guess.shape != truth.shape or not len(truth):
        raise HumanbenchError(f"{len(guess)} directions for {len(truth)} pictures; one each is needed")
    turn = np.abs(guess - truth) % count
    angle = np.minimum(turn, count - turn) * (360 / count)
    return Scores(np.stack([angle, 100.0 * (turn == 0)]), _reduce, n=len(truth), unit="image")


def _reduce(parts: NDArray[np.float64], counts: NDArray[np.int64]) -> Mapping[str, float]:
    angle, right = parts @ counts / counts.sum()
    return {"MAAD": float(angle), "accuracy": float(right)}
