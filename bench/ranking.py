"""Person re-identification from features, at the sizes of Market-1501 and MSMT17."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from humanbench.metrics import reid_from_features

DIMENSIONS = 512
PEER_ROWS = 1500
"""Queries whose distances the peer holds at once: eight chunks at MSMT17 size, so that it fits the memory."""


@dataclass(frozen=True)
class Inputs:
    """Features and labels of both sides, in the order `reid_from_features` takes them."""

    query: NDArray[np.float32]
    gallery: NDArray[np.float32]
    query_ids: NDArray[np.int64]
    gallery_ids: NDArray[np.int64]
    query_cams: NDArray[np.int64]
    gallery_cams: NDArray[np.int64]

    def arguments(self) -> tuple[NDArray[np.float32] | NDArray[np.int64], ...]:
        return tuple(vars(self).values())


@dataclass(frozen=True)
class Ranking:
    """Identities as clusters with a spread of their own per camera; distractors and junk belong to none."""

    name: str
    aim: str
    queries: int
    gallery: int
    identities: int
    cameras: int
    distractors: int
    junk: int
    noise: float = 2.2
    peer_name: str = "chunked distances + argsort per query, as PATH and torchreid (numpy)"
    tolerance: float = 1e-4
    """The sides round float32 distances differently, and a query's last match sits among thousands that nearly tie."""

    def inputs(self, small: bool) -> Inputs:
        """Unit-length features, so that Euclidean order is cosine order, as PATH compares them."""
        shrink = 40 if small else 1
        identities = self.identities // shrink
        strangers = (self.distractors // shrink, self.junk // shrink)
        rng = np.random.default_rng(1501)
        people = rng.integers(1, identities + 1, self.gallery // shrink - sum(strangers))
        gallery_ids = np.concatenate([people, np.zeros(strangers[0], int), np.full(strangers[1], -1)])
        rng.shuffle(gallery_ids)
        query_ids = rng.integers(1, identities + 1, self.queries // shrink)
        query_cams = rng.integers(0, self.cameras, len(query_ids))
        gallery_cams = rng.integers(0, self.cameras, len(gallery_ids))
        centres = rng.standard_normal((identities + 1, DIMENSIONS), dtype=np.float32)
        views = rng.standard_normal((self.cameras, DIMENSIONS), dtype=np.float32)

        def features(ids: NDArray[np.int64], cams: NDArray[np.int64]) -> NDArray[np.float32]:
            drawn = rng.standard_normal((len(ids), DIMENSIONS), dtype=np.float32)
            # how far an image strays from its identity varies, as it does in real galleries: hence hard and easy ones
            drawn *= self.noise * rng.gamma(10, 0.1, (len(ids), 1)).astype(np.float32)
            drawn += np.where(ids[:, None] > 0, centres[np.maximum(ids, 0)], 0) + 0.3 * views[cams]
            drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
            return drawn

        query, gallery = features(query_ids, query_cams), features(gallery_ids, gallery_cams)
        return Inputs(query, gallery, query_ids, gallery_ids, query_cams, gallery_cams)

    def ours(self, inputs: Inputs) -> dict[str, float]:
        return dict(reid_from_features(*inputs.arguments()))

    def peer(self, inputs: Inputs) -> dict[str, float]:
        """Junk goes first; then distances of a chunk of queries, their full sort, and cumulative sums per query."""
        kept = inputs.gallery_ids != -1
        gallery, ids, cams = inputs.gallery[kept], inputs.gallery_ids[kept], inputs.gallery_cams[kept]
        squares = (gallery**2).sum(axis=1)
        rows: list[tuple[float, ...]] = []
        for start in range(0, len(inputs.query), PEER_ROWS):
            part = inputs.query[start : start + PEER_ROWS]
            distances = (part**2).sum(axis=1)[:, None] + squares[None, :] - 2 * (part @ gallery.T)
            orders = np.argsort(distances, axis=1)
            for q, order in enumerate(orders, start):
                same = ids[order] == inputs.query_ids[q]
                hits = same[~(same & (cams[order] == inputs.query_cams[q]))]
                if hits.any():
                    rows.append(self._outcome(hits))
        ap, first, fifth, tenth, inp = 100 * np.mean(rows, axis=0)
        return {"mAP": ap, "rank-1": first, "rank-5": fifth, "rank-10": tenth, "mINP": inp}

    @staticmethod
    def _outcome(hits: NDArray[np.bool_]) -> tuple[float, ...]:
        found = hits.cumsum()
        precision = found / np.arange(1, len(hits) + 1)
        last = np.flatnonzero(hits)[-1]
        return (precision * hits).sum() / found[-1], found[0] > 0, found[4] > 0, found[9] > 0, precision[last]


MARKET = {"queries": 3368, "gallery": 19732, "identities": 750, "cameras": 6, "distractors": 2798, "junk": 3819}
MSMT17 = {"queries": 11659, "gallery": 82161, "identities": 3060, "cameras": 15, "distractors": 0, "junk": 0}
CASES = [
    Ranking("reid Market-1501 3368 x 19732 x 512", "<= 0.9 s, < 300 MB", **MARKET),
    Ranking("reid MSMT17 11659 x 82161 x 512", "<= 12 s, < 500 MB", **MSMT17),
]
