"""Distances between features by matrix products, without losing the digits that tell near from nearer.

|q - g|² = |q|² + |g|² - 2 q·g cancels where both are long and the difference short, as with features that all share a
large part. So the shared part is taken off first, in float64. Where what is left still is so much longer than the
differences between neighbours that float32 would order them by rounding (groups far apart, one column that outweighs
the others), products are taken in float64; a sample of the pairs tells. A power of two brings features of any magnitude
to where products neither vanish nor overflow, and changes no digit.
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
SMALLEST_SQUARE = 1e-20
"""Squared length of the longest row down to which float32 products keep their digits."""
SAMPLE = (32, 512)
"""Queries and gallery rows, evenly spaced, that are compared in float64 to see what float32 would do."""
NEAR = 8
"""Place among the sampled gallery rows up to which they count as near a query."""
NOISE = 1e-4
"""Rounding in float32, as a share of the squared distance of what is near, above which float64 is taken."""
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
    """Features Q x D and G x D of any numbers, in float32, or in float64 where float32 would not order what is near.

    Raises `HumanbenchError` for features that are not finite.
    """
    longest = max(_longest(query, "query"), _longest(gallery, "gallery"))
    if not SMALLEST_SQUARE < longest < LARGEST_SQUARE:
        query, gallery = _of_ordinary_size(query, gallery)
    if distance == "euclidean":
        shared, spread = _shared_part(gallery)
        size = 1.0 if spread == 0 or spread**2 > SMALLEST_SQUARE else 2.0 ** -math.floor(math.log2(spread))
        precision = _precision(*(_less(sample, shared, np.float64, size) for sample in _samples(query, gallery)))
        query, gallery = (_less(side, shared, precision, size) for side in (query, gallery))
        offset, scale = _squares(gallery) / 2, np.ones(len(gallery))
    else:
        query, gallery = _for_cosine(query, gallery)
        offset, scale = np.zeros(len(gallery)), _inverse_lengths(gallery)
    dtype = gallery.dtype
    return FeatureProducts(query, gallery, offset.astype(dtype), scale.astype(dtype), *_repeats(gallery))


def _longest(features: NDArray[Any], name: str) -> float:
    """The largest squared length of a row, infinite beyond float64; raise for a row with NaN or infinity in it."""
    longest = 0.0
    for rows in _row_blocks(features):
        with np.errstate(over="ignore"):
            top = float(np.square(features[rows], dtype=np.float64).sum(axis=1).max(initial=0.0))
        if not top < LARGEST_SQUARE and not (finite := np.isfinite(features[rows]).all(axis=1)).all():
            row = rows.start + int(finite.argmin())
            raise HumanbenchError(f"row {row} of the {name} features holds NaN or infinity")
        longest = max(longest, top)
    return longest


def _of_ordinary_size(query: NDArray[Any], gallery: NDArray[Any]) -> tuple[Floats, Floats]:
    """Both in float64, times the power of two that brings the largest number to 0.5 .. 1."""
    sides = np.asarray(query, np.float64), np.asarray(gallery, np.float64)
    _, exponent = math.frexp(max(float(np.abs(side).max(initial=0.0)) for side in sides))
    first, second = (np.ldexp(side, -exponent) for side in sides)
    return first, second


def _samples(query: NDArray[Any], gallery: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Some rows of each side, evenly spaced; at most `SAMPLE`."""
    first, second = (side[:: -(-len(side) // most) or 1] for side, most in zip((query, gallery), SAMPLE, strict=True))
    return first, second


def _precision(query: AnyFloats, gallery: AnyFloats) -> type[np.floating[Any]]:
    """float64 where float32 products of such rows would blur the distances of a quarter of the queries to what is near.

    Both are centred samples. The rounding of a product is taken as float32's of the two lengths, that of a length which
    float32 cannot hold as infinite; rows equal to the query are no neighbours.
    """
    if not len(query) or not len(gallery):
        return np.float32
    lengths, others = _squares(query), _squares(gallery)
    if max(lengths.max(), others.max()) >= LARGEST_SQUARE:
        return np.float64
    apart = np.stack([((gallery - row) ** 2).sum(axis=1) for row in query])
    apart[apart == 0] = np.inf
    near = min(NEAR, -(-len(gallery) // NEAR)) - 1
    place = np.argpartition(apart, near, axis=1)[:, near]
    rounding = np.finfo(np.float32).eps * np.sqrt(lengths * others[place]) + np.finfo(np.float32).tiny
    share = rounding / apart[np.arange(len(query)), place]
    return np.float64 if np.quantile(share, 0.75) > NOISE else np.float32


def _shared_part(gallery: NDArray[Any]) -> tuple[Floats, float]:
    """About the mean of the gallery, and the spread of its features about it (0 where all rows are one).

    It is the nearest multiples of a power of two that is not above the spread.

    A plain mean would break ties: whole numbers less such multiples are still exact, and so are products of them.
    """
    if not len(gallery):
        return np.zeros(gallery.shape[1]), 0.0
    mean = np.asarray(gallery.mean(axis=0, dtype=np.float64))
    squares = sum(float(((gallery[rows] - mean) ** 2).sum()) for rows in _row_blocks(gallery))
    spread = math.sqrt(squares / gallery.size)
    if spread <= np.finfo(np.float64).eps * float(np.abs(mean).max()):
        return np.asarray(gallery[0], np.float64), 0.0  # all rows are one
    step = 2.0 ** math.floor(math.log2(spread))
    return np.asarray(np.round(mean / step) * step), spread


def _less(
    features: NDArray[Any], shared: Floats, precision: type[np.floating[Any]], size: float
) -> NDArray[np.floating[Any]]:
    """The features less what they share, subtracted in float64, times `size`; a copy only where that changes them."""
    if not shared.any() and size == 1:
        return np.ascontiguousarray(features, precision)
    less = np.empty(features.shape, precision)
    for rows in _row_blocks(features):
        less[rows] = (features[rows] - shared) * size
    return less


def _for_cosine(query: NDArray[Any], gallery: NDArray[Any]) -> tuple[AnyFloats, AnyFloats]:
    """Both sides in float32, or in float64 where the gallery points almost one way, so that all cosines are near 1."""
    single = np.ascontiguousarray(gallery, np.float32)
    scale = _inverse_lengths(single)
    sums = (scale[rows] @ single[rows].astype(np.float64) for rows in _row_blocks(single))
    mean = sum(sums, start=np.zeros(gallery.shape[1])) / max(len(gallery), 1)
    units = (_unit_rows(sample) for sample in _samples(query, gallery))
    precision = np.float64 if mean @ mean > ONE_WAY else _precision(*units)
    gallery = single if precision == np.float32 else np.ascontiguousarray(gallery, precision)
    return np.ascontiguousarray(query, precision), gallery


def _unit_rows(features: NDArray[Any]) -> Floats:
    rows = np.ascontiguousarray(features, np.float64)
    return rows * _inverse_lengths(rows)[:, None]


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
