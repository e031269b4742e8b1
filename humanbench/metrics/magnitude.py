"""How large a number may be whose square enters a metric."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

LARGEST = 1e100
"""Up to here squares, products and sums of them are finite in float64; no pixel and no count comes near it."""


def beyond(values: ArrayLike) -> int | None:
    """The first row of N or N x ... numbers that holds one beyond `LARGEST`, or None.

    >>> beyond([[1.0, 2.0], [3.0, -1e160]]), beyond([1e99])
    (1, None)
    """
    rows = np.asarray(values)
    large = np.abs(rows) > LARGEST
    return int(np.argwhere(large)[0, 0]) if large.any() else None
