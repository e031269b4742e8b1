"""Thresholds of ratios of counts: strict ones, those that may be reached, and the counts that pass them."""

from __future__ import annotations

import numpy as np

from humanbench.arrays import Floats, Ints
from humanbench.compiled import compiled


def at_least(threshold: float) -> float:
    """The number that makes `x > number` mean `x >= threshold`."""
    return float(np.nextafter(threshold, -np.inf))


@compiled
def fewest_beyond(thresholds: Floats, total: int) -> Ints:
    """The fewest `n` of which `n / total` is more than each of the thresholds, as floats compare."""
    fewest = np.empty(len(thresholds), np.int64)
    for i in range(len(thresholds)):
        n = max(0, int(thresholds[i] * total) - 1)
        while n / total <= thresholds[i]:
            n += 1
        fewest[i] = n
    return fewest
