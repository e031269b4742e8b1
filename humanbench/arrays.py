"""Names for the arrays that appear in signatures everywhere; what their axes mean stands in each docstring."""

from __future__ import annotations

import math
import numbers
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

AnyFloats = NDArray[np.floating[Any]]
"""Floats in the precision they were given in."""


def ratio(part: Any, whole: NDArray[Any], nothing: float = math.nan) -> Floats:
    """`part / whole` of arrays of one shape, and `nothing` where there is none of the whole.

    >>> ratio(np.array([1, 0]), np.array([4, 0]))
    array([0.25,  nan])
    """
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), nothing), where=whole > 0))


LARGEST = 1e100
"""How large a number may be whose square enters a metric: up to here squares, products and sums of them are finite in
float64; no pixel and no count comes near it."""


def beyond(values: ArrayLike) -> int | None:
    """The first row of N or N x ... numbers that holds one beyond `LARGEST`, or None.

    >>> beyond([[1.0, 2.0], [3.0, -1e160]]), beyond([1e99])
    (1, None)
    """
    rows = np.asarray(values)
    large = np.abs(rows) > LARGEST
    return int(np.argwhere(large)[0, 0]) if large.any() else None


def real_numbers(value: Any) -> Floats:
    """An array, or lists of numbers in any depth, as floats. `ValueError` for lists of anything else.

    numpy by itself also takes texts ("12", with digits of any script), true and null for numbers.

    >>> real_numbers([[1, 2.5]])
    array([[1. , 2.5]])
    >>> real_numbers([1, "2"])
    Traceback (most recent call last):
    ...
    ValueError: '2' is no number
    """
    if not isinstance(value, list | tuple):
        return np.asarray(value, np.float64)
    array = np.asarray(value)
    flat: Any = value
    for _ in range(array.ndim - 1):
        flat = chain.from_iterable(flat)
    if array.dtype.kind not in "iuf" or bool in set(map(type, flat)):
        raise ValueError(f"{_odd(value)} is no number")
    return array.astype(np.float64, copy=False)


def _odd(value: Any) -> str:
    """The first item in nested lists that is no number of 64 bits."""
    if isinstance(value, list | tuple):
        return next(filter(None, map(_odd, value)), "")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return "an integer of more than 64 bits"
    plain = isinstance(value, numbers.Real | np.ndarray) and not isinstance(value, bool | np.bool_)
    return "" if plain else repr(value)[:40]


def whole_number(value: Any) -> int:
    """A whole number of a document, also one written as 3.0. `ValueError` for anything else, true and "3" too.

    >>> whole_number(3.0)
    3
    """
    plain = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not plain or not abs(value) < 1 << 63 or value != int(value):
        shown = "an integer of more than 64 bits" if plain and abs(value) >= 1 << 63 else repr(value)[:40]
        raise ValueError(f"{shown} is no whole number")
    return int(value)


def flag(value: Any) -> bool:
    """A flag of a document: 0, 1, true or false. `ValueError` for anything else ("0" would count as set).

    >>> flag(1), flag(False)
    (True, False)
    """
    number = value if isinstance(value, bool) else whole_number(value)
    if number not in (0, 1):
        raise ValueError(f"{number} is no flag, which is 0 or 1")
    return bool(number)


def shuffled_positions(count: int) -> list[int]:
    """0 to `count` - 1 in an order that is random, but always the same."""
    return [int(position) for position in np.random.default_rng(0).permutation(count)]
