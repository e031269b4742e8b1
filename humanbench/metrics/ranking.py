"""Person re-identification: mAP, CMC and mINP of a gallery ranked by distance.

Only the ranks of a query's matches enter these numbers, and a match's rank is a count of gallery images in front of it.
So no row is ever sorted: one pass keeps the images not farther than the farthest match, and each of those is placed
among the query's few matches by bisection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from humanbench.arrays import AnyFloats, Floats, Ints
from humanbench.compiled import compiled
from humanbench.errors import HumanbenchError
from humanbench.metrics.feature_products import prepare
from humanbench.metrics.scores import DrawCounts, Scores, UnitErrors
from humanbench.threads import cores

Read = Callable[[int, int], AnyFloats]

JUNK = -1
"""Identity of a detection that is neither right nor wrong (Market-1501): out of every ranking."""
NO_CAMERA = -1
"""Camera of an image of unknown origin (SenseReID): no pair of such images counts as seen by one camera."""
DEPTHS = (1, 5, 10)
BLOCK_ROWS = (32, 256)
"""Fewest and most rows of distances a worker holds: a matrix product is slow with few and no faster with more."""
BLOCK_BYTES = 200_000_000
"""What all workers together hold of the distance matrix, as long as each keeps its fewest rows."""


def reid(
    distances: ArrayLike, query_ids: ArrayLike, gallery_ids: ArrayLike, query_cams: ArrayLike, gallery_cams: ArrayLike
) -> Scores:
    """mAP, rank-1, rank-5, rank-10 and mINP in percent from a distance matrix.

    `distances` is Q x G, smaller is nearer; ids and cameras are integers of length Q and G. For each query

    - gallery images of id -1 (junk) and those with the query's id and camera are removed; camera -1 means unknown and
      removes nothing. Every other id is an ordinary one: Market-1501's distractors (id 0) stay and match no query;
    - the rest is ranked by distance, equal distances in gallery order;
    - AP is the mean, over the matches, of the precision at their ranks (no interpolation); rank-k asks whether a match
      is among the first k; INP is the number of matches over the rank of the last one.

    The values are means over the queries that have a match: these are the units of the result, `info["valid"]` holds
    their row numbers, `info["dropped"]` the number of the others, `info["queries"]` that of all. `info["tied pairs"]`
    counts the pairs of a match and another image at one distance from their query: which of the two comes first is
    decided by gallery order alone, so a large number says that the distances have lost their digits.

    Raises `HumanbenchError` for shapes that do not fit, ids beyond the range of int64, distances that are NaN, a query
    of id -1, and where no query has a match. Definition: `eval_market1501` of KaiyangZhou/deep-person-reid, with a
    stable order; mINP as in JDAI-CV/fast-reid.

    >>> dict(reid([[0.1, 0.3, 0.2]], [7], [7, 7, 8], [0], [0, 1, 1]))
    {'mAP': 50.0, 'rank-1': 0.0, 'rank-5': 100.0, 'rank-10': 100.0, 'mINP': 50.0}
    """
    matrix = _matrix(distances, "distances")
    pairing = _Pairing.of(query_ids, gallery_ids, query_cams, gallery_cams)
    if matrix.shape != pairing.shape:
        raise HumanbenchError(
            f"the distances are {_times(matrix.shape)}, but there are {_times(pairing.shape)} query and gallery ids"
        )
    exact = np.float64 if matrix.dtype.kind in "iu" or matrix.dtype.itemsize > 4 else np.float32

    def read(start: int, stop: int) -> AnyFloats:
        block: AnyFloats = np.ascontiguousarray(matrix[start:stop], dtype=exact)
        if block.size and np.isnan(block.min()):  # the minimum of anything with NaN is NaN
            row = start + int(np.isnan(block).any(axis=1).argmax())
            raise HumanbenchError(f"the distances of query {row} hold NaN, so its gallery cannot be ranked")
        return block

    return _scores(*_outcomes(lambda rows: read, pairing))


def reid_from_features(
    query_features: ArrayLike,
    gallery_features: ArrayLike,
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
    query_cams: ArrayLike,
    gallery_cams: ArrayLike,
    distance: Literal["euclidean", "cosine"] = "euclidean",
) -> Scores:
    """`reid` of the distances between features Q x D and G x D, never holding more than a slice of the Q x G matrix.

    `euclidean` ranks by |g|² / 2 - q·g, which orders a query's gallery as the Euclidean distance does, squared or not;
    `cosine` by -q·g / |g|. A gallery row of zeros has cosine 0 with everything.

    What all features share is taken off first, in float64, because it changes no Euclidean order and would cost the
    products their digits. Products are then taken in float32, as the field's tools do: distances that differ by less
    than about 1e-6 of |q| |g| may be ordered by rounding. Where a sample shows that this would blur the order of near
    images (groups far apart, one column that outweighs the others), and for cosines all near 1, they are taken in
    float64. Features of any magnitude are scaled by a power of two, which changes no digit. Gallery rows equal
    in all features always tie (and so keep gallery order): the product of the first is used for all of them, because a
    matrix product may round the same row differently at another position. `info["tied pairs"]` counts what order
    decides, as in `reid`.

    Raises `HumanbenchError` as `reid` does, and for features that are not finite.
    """
    if distance not in ("euclidean", "cosine"):
        raise HumanbenchError(f"distance is {distance!r}; it can be 'euclidean' or 'cosine'")
    query = _matrix(query_features, "query features")
    gallery = _matrix(gallery_features, "gallery features")
    for matrix, name in ((query, "query"), (gallery, "gallery")):
        if matrix.shape[1] == 0:
            raise HumanbenchError(f"the {name} features have no columns")
    if query.shape[1] != gallery.shape[1]:
        raise HumanbenchError(
            f"query features have {query.shape[1]} columns and gallery features {gallery.shape[1]}; both need the same"
        )
    pairing = _Pairing.of(query_ids, gallery_ids, query_cams, gallery_cams)
    if pairing.shape != (len(query), len(gallery)):
        raise HumanbenchError(
            f"there are {_times((len(query), len(gallery)))} query and gallery features, "
            f"but {_times(pairing.shape)} query and gallery ids"
        )
    products = prepare(query, gallery, distance)

    def reader(rows: int) -> Read:
        out = np.empty((rows, len(products.gallery)), products.gallery.dtype)

        def read(start: int, stop: int) -> AnyFloats:
            return products.distances(start, stop, out[: stop - start])

        return read

    return _scores(*_outcomes(reader, pairing))


def ranked_gallery(
    distances: ArrayLike, query_id: int, gallery_ids: ArrayLike, query_cam: int, gallery_cams: ArrayLike
) -> Ints:
    """Positions of the gallery images of one query in the order in which `reid` ranks them; what it removes is absent.

    >>> ranked_gallery([0.1, 0.3, 0.2, 0.0], 7, [7, 7, 8, -1], 0, [0, 1, 1, 1])
    array([2, 1])
    """
    ids, cams = _labels(gallery_ids, "gallery ids"), _labels(gallery_cams, "gallery cameras")
    order = np.argsort(np.asarray(distances), kind="stable")
    removed = (ids == JUNK) | ((ids == query_id) & (cams == query_cam) & (query_cam != NO_CAMERA))
    ranked: Ints = order[~removed[order]]
    return ranked


def feature_distances(
    query_features: ArrayLike, gallery_features: ArrayLike, distance: Literal["euclidean", "cosine"] = "euclidean"
) -> Callable[[int], AnyFloats]:
    """A function from a query's position to the distances by which `reid_from_features` ranks its gallery."""
    query, gallery = _matrix(query_features, "query features"), _matrix(gallery_features, "gallery features")
    products = prepare(query, gallery, distance)

    def row(position: int) -> AnyFloats:
        out = np.empty((1, len(products.gallery)), products.gallery.dtype)
        nearness: AnyFloats = products.distances(position, position + 1, out)[0]
        return nearness

    return row


class _Pairing(NamedTuple):
    """Who belongs to whom: `order[begin[q]:end[q]]` are the gallery images of query q's id, in gallery order."""

    query_ids: Ints
    gallery_ids: Ints
    query_cams: Ints
    gallery_cams: Ints
    order: Ints
    begin: Ints
    end: Ints

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.query_ids), len(self.gallery_ids)

    def of_queries(self, part: slice) -> _Pairing:
        """Of some of the queries."""
        of_query = ("query_ids", "query_cams", "begin", "end")
        return self._replace(**{name: getattr(self, name)[part] for name in of_query})

    @classmethod
    def of(
        cls, query_ids: ArrayLike, gallery_ids: ArrayLike, query_cams: ArrayLike, gallery_cams: ArrayLike
    ) -> _Pairing:
        qi, qc = _labels(query_ids, "query ids"), _labels(query_cams, "query cameras")
        gi, gc = _labels(gallery_ids, "gallery ids"), _labels(gallery_cams, "gallery cameras")
        for name, ids, cams in (("query", qi, qc), ("gallery", gi, gc)):
            if len(ids) != len(cams):
                raise HumanbenchError(
                    f"there are {len(ids)} {name} ids and {len(cams)} {name} cameras; one each is needed"
                )
        if (qi == JUNK).any():
            first = int((qi == JUNK).argmax())
            raise HumanbenchError(
                f"query {first} has id -1, which marks junk in the gallery; a query needs an identity"
            )
        order = np.argsort(gi, kind="stable")
        ranked = gi[order]
        return cls(qi, gi, qc, gc, order, np.searchsorted(ranked, qi, "left"), np.searchsorted(ranked, qi, "right"))


def _outcomes(reader: Callable[[int], Read], pairing: _Pairing) -> tuple[Floats, Ints]:
    """Q x (2 + depths): AP, INP and a hit per depth of every query, NaN without a match; and the tied pairs of each.

    Each worker opens a reader of up to `rows` rows of distances and ranks its share of the queries. BLAS is held to one
    thread meanwhile: its own idle threads would wait actively and take the cores from the ranking.
    """
    queries, gallery = pairing.shape
    outcomes = np.full((queries, 2 + len(DEPTHS)), np.nan)
    ties = np.zeros(queries, np.int64)
    depths = np.array(DEPTHS, dtype=np.int64)
    workers = cores()
    rows = max(BLOCK_ROWS[0], BLOCK_BYTES // (4 * workers * max(gallery, 1)))
    rows = min(rows, BLOCK_ROWS[1], max(1, -(-queries // workers)))

    def work(worker: int) -> None:
        read = reader(rows)
        for start in range(worker * rows, queries, workers * rows):
            part = slice(start, min(start + rows, queries))
            _rank_rows(read(part.start, part.stop), pairing.of_queries(part), depths, outcomes[part], ties[part])

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    return outcomes, ties


@compiled
def _rank_rows(distances: AnyFloats, pairing: _Pairing, depths: Ints, out: Floats, ties: Ints) -> None:
    ids, cams = pairing.gallery_ids, pairing.gallery_cams
    near = np.empty(distances.shape[1], np.int64)
    for q in range(distances.shape[0]):
        row, pid, cam = distances[q], pairing.query_ids[q], pairing.query_cams[q]
        group = pairing.order[pairing.begin[q] : pairing.end[q]]
        matches = group[(cams[group] != cam) | (cam == NO_CAMERA)]
        if len(matches) == 0:
            continue
        matches = matches[np.argsort(row[matches], kind="mergesort")]  # stable: group is in gallery order
        far = row[matches[-1]]
        count = 0
        for g in range(len(row)):  # without a branch: what is too far is overwritten by the next
            near[count] = g
            count += row[g] <= far
        in_front = np.zeros(len(matches) + 1, np.int64)  # images between the matches before and after
        for n in range(count):
            g = near[n]
            if ids[g] == JUNK or (ids[g] == pid and cams[g] == cam and cam != NO_CAMERA):
                continue
            low, high = 0, len(matches)
            while low < high:  # the first match not ranked before g
                mid = (low + high) // 2
                m = matches[mid]
                if row[m] < row[g] or (row[m] == row[g] and m < g):
                    low = mid + 1
                else:
                    high = mid
            in_front[low] += 1
            if ids[g] != pid:  # matches at one distance change nothing among themselves
                ties[q] += _tied(row[g], row, matches, low)
        _outcome(in_front, depths, out[q])


@compiled
def _tied(distance: float, row: AnyFloats, matches: Ints, place: int) -> int:
    """How many matches (sorted by distance) are this far away; those that are surround `place`."""
    low = high = place
    while low > 0 and row[matches[low - 1]] == distance:
        low -= 1
    while high < len(matches) and row[matches[high]] == distance:
        high += 1
    return high - low


@compiled
def _outcome(in_front: Ints, depths: Ints, out: Floats) -> None:
    matches = len(in_front) - 1
    rank, precisions = 0, 0.0
    out[2:] = 0.0
    for k in range(matches):
        rank += in_front[k]  # a match counts itself
        precisions += (k + 1) / rank
        if k == 0:
            out[2:] = rank <= depths
    out[0] = precisions / matches
    out[1] = matches / rank


def _scores(outcomes: Floats, ties: Ints) -> Scores:
    valid = np.flatnonzero(~np.isnan(outcomes[:, 0]))
    if not len(valid):
        raise HumanbenchError(
            f"none of the {len(outcomes)} queries has a match in the gallery: no gallery image has the id of a query "
            "under another camera"
        )
    dropped = len(outcomes) - len(valid)
    info = {"queries": len(outcomes), "dropped": dropped, "tied pairs": int(ties.sum()), "valid": valid}
    far_off = UnitErrors(lambda: np.asarray(100 * (1 - outcomes[valid, 0])), "100 − average precision", "%")
    return Scores(outcomes[valid], _reduce, n=len(valid), unit="query", info=info, errors=far_off)


def _reduce(outcomes: Floats, counts: DrawCounts) -> Mapping[str, float]:
    drawn = counts.sum()
    means = 100 * (counts @ outcomes) / drawn if drawn else np.full(outcomes.shape[1], np.nan)
    ap, inp, *hits = means.tolist()
    return {"mAP": ap, **{f"rank-{k}": hit for k, hit in zip(DEPTHS, hits, strict=True)}, "mINP": inp}


def _matrix(values: ArrayLike, name: str) -> NDArray[Any]:
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        raise HumanbenchError(f"{name} must be a matrix of numbers; found shape {matrix.shape} of {matrix.dtype}")
    return matrix


def _labels(values: ArrayLike, name: str) -> Ints:
    labels = np.asarray(values)
    if labels.ndim != 1 or (labels.dtype.kind not in "iu" and labels.size):
        raise HumanbenchError(f"{name} must be a list of integers; found shape {labels.shape} of {labels.dtype}")
    if labels.dtype.kind == "u" and labels.size and labels.max() > np.iinfo(np.int64).max:
        raise HumanbenchError(
            f"{name} hold {labels.max()}, which is beyond the range of int64; number them anew, say with np.unique"
        )
    return np.ascontiguousarray(labels, dtype=np.int64)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
