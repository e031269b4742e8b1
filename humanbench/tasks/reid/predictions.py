"""Person re-identification: rank a gallery for every query; predictions files and their metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from humanbench import metrics
from humanbench.arrays import Bools, Ints
from humanbench.cards import DatasetCard
from humanbench.errors import HumanbenchError, PredictionError
from humanbench.metrics.groups import Group, Grouping
from humanbench.predictions.arrays import Archive, write_arrays
from humanbench.predictions.names import align
from humanbench.tasks.base import Tables, TaskPredictions
from humanbench.tasks.reid import ReidEvaluationOptions


@dataclass(frozen=True)
class ReidFeatures:
    """A feature per query (Q x D) and per gallery image (G x D), floats, in the order of the sample tables."""

    query: NDArray[np.floating]
    gallery: NDArray[np.floating]


@dataclass(frozen=True)
class ReidDistances:
    """Distances between queries and gallery images (Q x G floats), in the order of the sample tables."""

    matrix: NDArray[np.floating]


def _reordered(
    matrix: NDArray[np.floating], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Rows and columns in table order; no second copy of gigabytes when they are already."""
    if (np.diff(rows) == 1).all() and (np.diff(columns) == 1).all():
        return matrix
    return matrix[np.ix_(rows, columns)]


class ReidPredictions(TaskPredictions):
    """Predictions of re-identification: features or distances, ranked."""

    suffix = ".npz"

    def read(self, card: DatasetCard, tables: Tables, path: Path) -> ReidFeatures | ReidDistances:
        """Read `.npz`: `query_names`, `gallery_names`, and `query_features` and `gallery_features`, or `distances`.

        Names may come in any order and must be the images of the two tables, each once. Floats of any precision.
        """
        archive = Archive(path)
        query, gallery = (list(table["id"]) for table in tables.values())
        rows = align(query, archive.names("query_names"), path, "query image")
        columns = align(gallery, archive.names("gallery_names"), path, "gallery image")
        if "distances" not in archive.shapes:
            first = archive.floats("query_features", rows=len(rows))
            second = archive.floats("gallery_features", rows=len(columns), columns=first.shape[1])
            return ReidFeatures(first[rows], second[columns])
        if "query_features" in archive.shapes or "gallery_features" in archive.shapes:
            raise PredictionError(f"{path}: holds features and distances; leave one of them out")
        return ReidDistances(
            _reordered(archive.floats("distances", rows=len(rows), columns=len(columns)), rows, columns)
        )

    def write(self, card: DatasetCard, tables: Tables, predictions: ReidFeatures | ReidDistances, path: Path) -> None:
        """Write `.npz`."""
        query, gallery = (np.array(table["id"], dtype=str) for table in tables.values())
        values = (
            {"distances": predictions.matrix}
            if isinstance(predictions, ReidDistances)
            else {"query_features": predictions.query, "gallery_features": predictions.gallery}
        )
        write_arrays(path, {"query_names": query, "gallery_names": gallery, **values})

    def score(self, card: DatasetCard, tables: Tables, predictions: ReidFeatures | ReidDistances) -> metrics.Scores:
        """Mean average precision, CMC and mINP over queries (`humanbench.metrics.reid`)."""
        query, gallery = tables.values()
        query_ids, gallery_ids = query["pid"].to_numpy(np.int64), gallery["pid"].to_numpy(np.int64)
        query_cams, gallery_cams = query["camid"].to_numpy(np.int64), gallery["camid"].to_numpy(np.int64)
        if isinstance(predictions, ReidDistances):
            return metrics.reid(predictions.matrix, query_ids, gallery_ids, query_cams, gallery_cams)
        distance = ReidEvaluationOptions.of(card).distance
        return metrics.reid_from_features(
            predictions.query, predictions.gallery, query_ids, gallery_ids, query_cams, gallery_cams, distance=distance
        )

    def groups(
        self, card: DatasetCard, tables: Tables, predictions: ReidFeatures | ReidDistances, scores: metrics.Scores
    ) -> Iterator[Grouping]:
        """By camera and pair of cameras."""
        query, gallery = tables.values()

        def rescored(asked: Bools, shown: Bools) -> metrics.Scores:
            parts = dict(zip(tables, (query[asked], gallery[shown]), strict=True))
            if isinstance(predictions, ReidDistances):
                return self.score(card, parts, ReidDistances(predictions.matrix[np.ix_(asked, shown)]))
            return self.score(card, parts, ReidFeatures(predictions.query[asked], predictions.gallery[shown]))

        cameras = query["camid"].to_numpy(np.int64), gallery["camid"].to_numpy(np.int64)
        yield from by_camera(*cameras, scores, rescored)

    def rows(self, card: DatasetCard, tables: Tables, scores: metrics.Scores) -> NDArray[np.int64]:
        """The units are the queries that have a match."""
        valid: NDArray[np.int64] = scores.info["valid"]
        return valid


Rescored = Callable[[Bools, Bools], metrics.Scores]
"""The scores of these queries against these gallery pictures."""

_FEW = 12
"""Most cameras whose pairs are listed: they are as many as its square."""


def by_camera(query: Ints, gallery: Ints, scores: metrics.Scores, rescored: Rescored) -> Iterator[Grouping]:
    """By the query's camera; and by pair: queries of one camera against the gallery pictures of another alone.

    `query`, `gallery`: cameras. Queries without a match in a gallery are in no group of it.
    """
    valid: Ints = scores.info["valid"]
    cameras = np.unique(query)
    if len(cameras) < 2:
        return
    groups = tuple(Group.part(f"camera {c}", scores, query[valid] == c) for c in cameras)
    yield Grouping("query camera", "queries", "all other cameras in the gallery", groups)
    if len(cameras) <= _FEW:
        pairs = [(a, b) for a in cameras for b in np.unique(gallery) if a != b]
        made = (_pair(a, b, query, gallery, valid, rescored) for a, b in pairs)
        criterion = "queries of the first camera, and only the gallery pictures of the second"
        yield Grouping("camera pair", "queries", criterion, tuple(group for group in made if group is not None))


def _pair(a: int, b: int, query: Ints, gallery: Ints, valid: Ints, rescored: Rescored) -> Group | None:
    asked = query == a
    try:
        scores = rescored(asked, gallery == b)
    except HumanbenchError:  # no query of one has a match in the other
        return None
    rows = np.flatnonzero(asked)[scores.info["valid"]]
    of_query = np.full(len(query), -1)
    of_query[rows] = np.arange(len(rows))
    return Group(f"{a} → {b}", scores, of_query[valid], len(rows))


predictions = ReidPredictions()
