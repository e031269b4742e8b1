"""Person re-identification by group: the camera of the query, and pairs of cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from humanbench.arrays import Bools, Ints
from humanbench.errors import HumanbenchError
from humanbench.metrics import Scores
from humanbench.metrics.groups import Group, Grouping

Rescored = Callable[[Bools, Bools], Scores]
"""The scores of these queries against these gallery pictures."""

_FEW = 12
"""Most cameras whose pairs are listed: they are as many as its square."""


def by_camera(query: Ints, gallery: Ints, scores: Scores, rescored: Rescored) -> Iterator[Grouping]:
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
        about = "queries of the first camera, and only the gallery pictures of the second"
        yield Grouping("camera pair", "queries", about, tuple(group for group in made if group is not None))


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
