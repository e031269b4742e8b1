"""Distances between features by matrix products, without losing the digits that tell near from nearer.

|q - g|² = |q|² + |g|² - 2 q·g cancels where both are long and the difference short, as with features that all share a
large part. So the shared part is taken off first, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import AnyFloats, Floats, Ints
from humanbench.compiled import compiled
from humanbench.errors import HumanbenchError

Distance = Literal["euclidean", "cosine"]

LARGEST_SQUARE = 1e37
"""Squared length up to which all float32 products and their differences are finite."""
BLOCK_FEATURES = 1 << 20
"""Features converted to float64 at a time."""
ONE_WAY = 0.99
"""Squared length of the mean direction above which cosines are so near 1 that float32 orders few of them well."""


@dataclass(frozen=True)
class FeatureProducts:
    """Both sides ready to be multiplied; `offset - scale * product` orders a query's gallery as the distance does.

    `repeats` are the gallery rows equal to an earlier one, `firsts` the first row equal to each.
    """

    query: AnyFloats
    gallery: AnyFloats
    offset: AnyFloats
    scale: AnyFloats
    repeats: Ints
    firsts: Ints

    def distances(self, start: int, stop: int, out: AnyFloats) -> AnyFloats:
        """Those of the queries `start:stop` to the whole gallery, up to a constant for each query, into `out`."""
        block: AnyFloats = np.matmul(self.query[start:stop], self.gallery.T, out=out)
        _products_to_distances(block, self.offset, self.scale, self.repeats, self.firsts)
        return block


def prepare(query: NDArray[Any], gallery: NDArray[Any], distance: Distance) -> FeatureProducts:
    """Features Q x D and G x D of any numbers, in float32 (in float64 for cosines all near 1).

    Raises `HumanbenchError` for features that are not finite or too large for float32 products.
    """
    for features, name in ((query, "query"), (gallery, "gallery")):
        _check_finite(features, name)
    if distance == "euclidean":
        shared = _shared_part(gallery)
        query, gallery = _less(query, shared), _less(gallery, shared)
        offset, scale = _squares(gallery) / 2, np.ones(len(gallery))
    else:
        query, gallery = _for_cosine(query, gallery)
        offset, scale = np.zeros(len(gallery)), _inverse_lengths(gallery)
    precision = gallery.dtype
    return FeatureProducts(query, gallery, offset.astype(precision), scale.astype(precision), *_repeats(gallery))


def _check_finite(features: NDArray[Any], name: str) -> None:
    """Raise unless float32 can hold every row's squared length; NaN and infinity are the rows it cannot."""
    for rows in _row_blocks(features):
        fits = np.square(features[rows], dtype=np.float64).sum(axis=1) < LARGEST_SQUARE
        if not fits.all():
            row = rows.start + int(fits.argmin())
            raise HumanbenchError(
                f"row {row} of the {name} features holds NaN, infinity or values too large to compare"
            )


def _shared_part(gallery: NDArray[Any]) -> Floats:
    """About the mean of the gallery: the nearest multiples of a power of two that is not above the features' spread.

    A plain mean would break ties: whole numbers less such multiples are still exact, and so are products of them.
    """
    if not len(gallery):
        return np.zeros(gallery.shape[1])
    mean = np.asarray(gallery.mean(axis=0, dtype=np.float64))
    squares = sum(float(((gallery[rows] - mean) ** 2).sum()) for rows in _row_blocks(gallery))
    spread = math.sqrt(squares / gallery.size)
    if spread <= np.finfo(np.float64).eps * float(np.abs(mean).max()):
        return np.asarray(gallery[0], np.float64)  # all rows are one
    step = 2.0 ** math.floor(math.log2(spread))
    return np.asarray(np.round(mean / step) * step)


def _less(features: NDArray[Any], shared: Floats) -> NDArray[np.float32]:
    """The features less what they share, subtracted in float64; a copy only where there is something to subtract."""
    if not shared.any():
        return np.ascontiguousarray(features, np.float32)
    less = np.empty(features.shape, np.float32)
    for rows in _row_blocks(features):
        less[rows] = features[rows] - shared
    return less


def _for_cosine(query: NDArray[Any], gallery: NDArray[Any]) -> tuple[AnyFloats, AnyFloats]:
    """Both sides in float32, or in float64 where the gallery points almost one way, so that all cosines are near 1."""
    single = np.ascontiguousarray(gallery, np.float32)
    scale = _inverse_lengths(single)
    sums = (scale[rows] @ single[rows].astype(np.float64) for rows in _row_blocks(single))
    mean = sum(sums, start=np.zeros(gallery.shape[1])) / max(len(gallery), 1)
    if mean @ mean > ONE_WAY:
        return np.ascontiguousarray(query, np.float64), np.ascontiguousarray(gallery, np.float64)
    return np.ascontiguousarray(query, np.float32), single


def _inverse_lengths(features: AnyFloats) -> Floats:
    squares = _squares(features)
    return np.divide(1, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)


def _row_blocks(features: NDArray[Any]) -> Iterator[slice]:
    """The rows in slices of so few that a copy of one in float64 is small."""
    step = max(1, BLOCK_FEATURES // features.shape[1])
    return (slice(start, start + step) for start in range(0, len(features), step))


def _repeats(features: AnyFloats) -> tuple[Ints, Ints]:
    """Rows that repeat an earlier one, and for each the first row equal to it."""
    keys = _keys(features, np.random.default_rng(0).standard_normal((features.shape[1],)))
    first = _first_equal(features, keys, np.argsort(keys, kind="stable"))
    repeats = np.flatnonzero(first != np.arange(len(first)))
    return repeats, first[repeats]


@compiled
def _squares(features: AnyFloats) -> Floats:
    """The squared length of each row, in float64."""
    squares = np.zeros(len(features))
    for n in range(len(features)):
        for d in range(features.shape[1]):
            squares[n] += np.float64(features[n, d]) ** 2
    return squares


@compiled
def _keys(features: AnyFloats, weights: Floats) -> Floats:
    """A number per row that equal rows share and others practically never do."""
    keys = np.zeros(len(features))
    for n in range(len(features)):
        for d in range(len(weights)):
            keys[n] += np.float64(features[n, d]) * weights[d]
    return keys


@compiled
def _first_equal(features: AnyFloats, keys: Floats, order: Ints) -> Ints:
    first = np.arange(len(keys))
    for i in range(1, len(order)):
        row, before = order[i], i - 1
        while before >= 0 and keys[order[before]] == keys[row]:
            candidate = first[order[before]]
            if np.all(features[row] == features[candidate]):
                first[row] = candidate
                break
            before -= 1
    return first


@compiled
def _products_to_distances(rows: AnyFloats, offset: AnyFloats, scale: AnyFloats, repeats: Ints, firsts: Ints) -> None:
    for row in rows:
        for t in range(len(repeats)):
            row[repeats[t]] = row[firsts[t]]
        for g in range(len(row)):
            row[g] = offset[g] - scale[g] * row[g]
