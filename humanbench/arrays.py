"""Names for the arrays that appear in signatures everywhere; what their axes mean stands in each docstring."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

AnyFloats = NDArray[np.floating[Any]]
"""Floats in the precision they were given in."""
