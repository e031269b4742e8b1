"""Re-identification: official tools, hand-made rankings, and what must hold for any input."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from humanbench.errors import HumanbenchError
from humanbench.metrics import ranking, reid, reid_from_features

NAMES = ["mAP", "rank-1", "rank-5", "rank-10", "mINP"]


def crowd(decimals: int | None) -> tuple[NDArray[Any], ...]:
    """60 queries and 400 gallery images with junk (-1), distractors (0) and identities of one side only."""
    rng = np.random.default_rng(5)
    query_ids, gallery_ids = rng.integers(1, 15, 60), rng.integers(-1, 13, 400)
    query_cams, gallery_cams = rng.integers(0, 4, 60), rng.integers(0, 4, 400)
    distances = rng.random((60, 400))
    distances[query_ids[:, None] == gallery_ids] *= 0.2
    return (
        distances if decimals is None else distances.round(decimals),
        query_ids,
        gallery_ids,
        query_cams,
        gallery_cams,
    )


# mAP and CMC: evaluate_rank(..., use_cython=False) of KaiyangZhou/deep-person-reid, torchreid/metrics/rank.py, at
# f8cd150, on `crowd` without its junk columns (its Market reader drops them). mINP: evaluate_rank of
# JDAI-CV/fast-reid, fastreid/evaluation/rank.py, at c9bc3ce, likewise; its mAP and CMC are the same. For one decimal,
# where many distances tie, np.argsort was made stable in both. 11 of the 60 queries have no match.
OFFICIAL = {
    None: [29.61801985048404, 100 * 16 / 49, 100 * 40 / 49, 100 * 46 / 49, 26.57923356605186],
    1: [28.205487098575112, 100 * 10 / 49, 100 * 39 / 49, 100 * 47 / 49, 22.726680615001783],
}


@pytest.mark.parametrize("decimals", OFFICIAL)
def test_equals_the_official_tools(decimals: int | None) -> None:
    scores = reid(*crowd(decimals))
    assert list(scores) == NAMES
    assert list(scores.values()) == pytest.approx(OFFICIAL[decimals], abs=1e-10)
    assert (scores.n, scores.unit) == (49, "query")
    assert (scores.info["queries"], scores.info["dropped"]) == (60, 11)


def test_a_ranking_by_hand() -> None:
    # by distance: 1 same camera (removed), 2 distractor, 3 junk (removed), 4 match, 5 match, 6 another person, 7 match;
    # so the matches stand at ranks 2, 3 and 5
    distances = [[5, 1, 2, 3, 4, 6, 7]]
    scores = reid(distances, [1], [1, 1, 0, -1, 1, 2, 1], [0], [1, 0, 0, 1, 2, 1, 1])
    expected = [100 * (1 / 2 + 2 / 3 + 3 / 5) / 3, 0, 100, 100, 100 * 3 / 5]
    assert list(scores.values()) == pytest.approx(expected)


def test_rank_k_counts_the_kth_place_itself() -> None:
    distances = np.arange(12.0)[None]
    for place, expected in (
        (1, [100, 100, 100]),
        (5, [0, 100, 100]),
        (6, [0, 0, 100]),
        (10, [0, 0, 100]),
        (11, [0] * 3),
    ):
        ids = np.full(12, 2)
        ids[place - 1] = 1
        scores = reid(distances, [1], ids, [0], np.ones(12, int))
        assert [scores[f"rank-{k}"] for k in (1, 5, 10)] == expected


def test_equal_distances_keep_gallery_order() -> None:
    first = reid(np.zeros((1, 4)), [1], [1, 2, 1, 2], [0], [1, 1, 1, 1])
    assert first["mAP"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    last = reid(np.zeros((1, 4)), [1], [2, 1, 2, 1], [0], [1, 1, 1, 1])
    assert last["mAP"] == pytest.approx(100 * (1 / 2 + 2 / 4) / 2)


def test_infinitely_far_images_rank_last() -> None:
    scores = reid([[np.inf, 1.0, np.inf, -np.inf]], [1], [2, 2, 1, 1], [0], [1, 1, 1, 1])
    assert scores["mAP"] == pytest.approx(100 * (1 / 1 + 2 / 4) / 2)  # order: last, second, first, third


def test_unknown_cameras_remove_nothing() -> None:
    # SenseReID: camera -1 for every image
    scores = reid([[0.1, 0.2]], [5], [5, 6], [-1], [-1, -1])
    assert scores["rank-1"] == 100
    known = reid([[0.1, 0.2, 0.3]], [5], [5, 6, 5], [2], [2, 2, -1])
    assert known["mAP"] == 50


def test_queries_without_a_match_are_dropped_and_reported() -> None:
    # query 0 has its only match under its own camera, query 2 has none at all
    scores = reid([[1, 2], [2, 1], [1, 2]], [7, 8, 9], [7, 8], [0, 0, 0], [0, 1])
    assert (scores["mAP"], scores.n) == (100, 1)
    assert scores.info["dropped"] == 2
    assert scores.info["valid"].tolist() == [1]


def test_no_query_with_a_match_is_an_error() -> None:
    with pytest.raises(HumanbenchError, match="none of the 2 queries has a match"):
        reid([[1.0], [1.0]], [7, 8], [7], [0, 0], [0])
    with pytest.raises(HumanbenchError, match="none of the 1 queries"):
        reid_from_features(np.ones((1, 2)), np.ones((0, 2)), [7], [], [0], [])


def test_euclidean_and_cosine_differ_by_length() -> None:
    query, gallery = [[10.0, 0.0]], [[1.0, 0.0], [10.0, 1.0], [0.0, 0.0]]
    labels = ([1], [2, 1, 3], [0], [1, 1, 1])
    assert reid_from_features(query, gallery, *labels)["rank-1"] == 100
    assert reid_from_features(query, gallery, *labels, distance="cosine")["rank-1"] == 0


def test_a_zero_row_has_cosine_zero() -> None:
    gallery = [[0.0, 0.0], [1.0, -1.0], [-1.0, 0.0]]  # cosine with the query: 0, 0 and -1
    scores = reid_from_features([[1.0, 1.0]], gallery, [1], [2, 1, 1], [0], [1, 1, 1], distance="cosine")
    assert scores["mAP"] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize(("queries", "gallery", "width"), [(1, 17, 512), (2, 50, 400), (67, 1013, 131)])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_equal_gallery_rows_tie_wherever_they_stand(distance: Any, queries: int, gallery: int, width: int) -> None:
    """A matrix product may round equal rows apart (seen at these shapes); gallery order must decide all the same."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        distinct = rng.standard_normal((5, width), dtype=np.float32)
        chosen = rng.integers(0, 5, gallery)
        query = rng.standard_normal((queries, width), dtype=np.float32)
        ids = (np.ones(queries, int), np.append(rng.integers(1, 3, gallery - 1), 1))
        labels = (*ids, np.zeros(queries, int), np.ones(gallery, int))
        products, lengths = query.astype(np.float64) @ distinct.astype(np.float64).T, (distinct**2.0).sum(1)
        exact = lengths / 2 - products if distance == "euclidean" else -products / np.sqrt(lengths)
        got = reid_from_features(query, distinct[chosen], *labels, distance=distance)
        np.testing.assert_array_equal(got.parts, reid(exact[:, chosen], *labels).parts)


def clusters(offset: float) -> tuple[Any, ...]:
    """Features in float64 of 40 queries and 300 gallery images of 12 people; all of them lie `offset` away from 0."""
    rng = np.random.default_rng(11)
    query_ids, gallery_ids = rng.integers(0, 12, 40), rng.integers(0, 12, 300)
    centres = rng.standard_normal((12, 24))
    query, gallery = (centres[ids] + 1.2 * rng.standard_normal((len(ids), 24)) for ids in (query_ids, gallery_ids))
    return query + offset, gallery + offset, query_ids, gallery_ids, np.zeros(40, int), np.ones(300, int)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0, 1e6, 1e9])
def test_what_all_features_share_costs_euclidean_distances_no_digits(offset: float) -> None:
    query, gallery, *labels = clusters(offset)
    exact = reid(((query[:, None] - gallery[None]) ** 2).sum(2), *labels)
    scores = reid_from_features(query, gallery, *labels)
    assert 20 < exact["mAP"] < 90
    assert dict(scores) == pytest.approx(dict(exact), abs=1e-9)
    assert scores.info["tied pairs"] == 0


@pytest.mark.parametrize("offset", [0.0, 100.0, 10_000.0])
def test_cosines_near_one_keep_their_order(offset: float) -> None:
    query, gallery, *labels = clusters(offset)
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (query, gallery)]
    exact = reid(((unit[0][:, None] - unit[1][None]) ** 2).sum(2), *labels)  # the squares are 2 - 2 cos
    scores = reid_from_features(query, gallery, *labels, distance="cosine")
    assert dict(scores) == pytest.approx(dict(exact), abs=1e-9)


UNEVEN = {
    "tiny": lambda side, groups: side * 1e-23,
    "tiny in single precision": lambda side, groups: (side * 1e-23).astype(np.float32),
    "below single precision": lambda side, groups: side * 1e-200,
    "beyond single precision": lambda side, groups: side * 1e200,
    "tiny beside what all share": lambda side, groups: 1e-17 + side * 1e-19,
    "one column outweighs the others": lambda side, groups: np.column_stack([side, 1e6 * groups]),
    "groups far apart": lambda side, groups: side + 1e5 * groups[:, None],
    "groups far apart in single precision": lambda side, groups: (side + 2.0**10 * groups[:, None]).astype(np.float32),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("change", UNEVEN)
def test_features_of_any_scale_are_ranked_exactly(change: str, distance: Any) -> None:
    query, gallery, *labels = clusters(0.0)
    sides = [UNEVEN[change](side, np.arange(len(side)) % 4) for side in (query, gallery)]
    exact = [side.astype(np.longdouble) / np.abs(sides[1]).max() for side in sides]
    if distance == "cosine":
        exact = [side / np.sqrt((side**2).sum(1, keepdims=True)) for side in exact]
    wanted = reid(((exact[0][:, None] - exact[1][None]) ** 2).sum(2), *labels)
    scores = reid_from_features(*sides, *labels, distance=distance)
    assert dict(scores) == pytest.approx(dict(wanted), abs=1e-9 if distance == "euclidean" else 1e-3)


def test_pairs_that_only_gallery_order_tells_apart_are_counted() -> None:
    # query 0: a match and two others at one distance, another match alone; query 1: both matches and one other tie
    distances = [[1, 1, 1, 2, 5, 1], [3, 3, 9, 8, 3, 3]]
    ids, cams = [7, 8, 9, 7, 8, -1], [1, 1, 1, 1, 1, 1]
    assert reid(distances, [7, 8], ids, [0, 0], cams).info["tied pairs"] == 2 + 2
    assert reid([[1.0, 2.0, 3.0]], [7], [7, 8, 9], [0], [1, 1, 1]).info["tied pairs"] == 0
    lost = np.float32(4096.0) + np.float32([[1e-5], [1e-4], [2e-4]])  # the digits are gone before anything is computed
    assert reid_from_features([[4096.0]], lost, [7], [7, 8, 9], [0], [1, 1, 1]).info["tied pairs"] == 2


def test_half_precision_features() -> None:
    rng = np.random.default_rng(8)
    query, gallery = rng.standard_normal((20, 16)), rng.standard_normal((90, 16))
    labels = (rng.integers(1, 5, 20), rng.integers(1, 5, 90), np.zeros(20, int), np.ones(90, int))
    half = reid_from_features(query.astype(np.float16), gallery.astype(np.float16), *labels)
    single = reid_from_features(*(f.astype(np.float16).astype(np.float32) for f in (query, gallery)), *labels)
    np.testing.assert_array_equal(half.parts, single.parts)


def test_the_distance_matrix_is_never_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "cores", lambda: 2)
    rng = np.random.default_rng(9)
    query, gallery = rng.random((3000, 8), dtype=np.float32), rng.random((20000, 8), dtype=np.float32)
    ids = np.arange(20000)
    tracemalloc.start()
    reid_from_features(query, gallery, ids[:3000], ids, np.zeros(3000, int), np.ones(20000, int))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 20000 * 4 / 4


BAD = {
    "distances are 2 x 3, but there are 2 x 2": lambda: reid(np.ones((2, 3)), [1, 1], [1, 1], [0, 0], [1, 1]),
    "distances must be a matrix": lambda: reid([1.0], [1], [1], [0], [1]),
    "distances of query 1 hold NaN": lambda: reid([[1.0], [np.nan]], [1, 1], [1], [0, 0], [1]),
    "query 1 has id -1": lambda: reid([[1.0], [1.0]], [1, -1], [1], [0, 0], [1]),
    "1 gallery ids and 2 gallery cameras": lambda: reid([[1.0]], [1], [1], [0], [1, 1]),
    "query ids must be a list of integers": lambda: reid([[1.0]], [1.5], [1], [0], [1]),
    "gallery cameras must be a list": lambda: reid([[1.0]], [1], [1], [0], [["c1"]]),
    "3 columns and gallery features 2": lambda: reid_from_features([[1, 2, 3]], [[1, 2]], [1], [1], [0], [1]),
    "1 x 1 query and gallery features, but 1 x 2": lambda: reid_from_features([[1]], [[1]], [1], [1, 1], [0], [1, 1]),
    "row 1 of the gallery features holds NaN": lambda: reid_from_features(
        [[1.0]], [[1.0], [np.nan]], [1], [1, 1], [0], [1, 1]
    ),
    "row 0 of the query features holds": lambda: reid_from_features([[np.inf]], [[1.0]], [1], [1], [0], [1]),
    "query features have no columns": lambda: reid_from_features(np.ones((1, 0)), [[1.0]], [1], [1], [0], [1]),
    "query ids hold 18446744073709551615, which is beyond the range of int64": lambda: reid(
        [[1.0]], np.array([2**64 - 1], np.uint64), [1], [0], [1]
    ),
    "gallery ids hold 9223372036854775808, which is beyond": lambda: reid(
        [[1.0]], [1], np.array([2**63], np.uint64), [0], [1]
    ),
    "it can be 'euclidean' or 'cosine'": lambda: reid_from_features(
        [[1.0]], [[1.0]], [1], [1], [0], [1], distance="manhattan"
    ),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input_is_named(sentence: str) -> None:
    with pytest.raises(HumanbenchError, match=sentence):
        BAD[sentence]()


def sorted_by_hand(distances: Any, query_ids: Any, gallery_ids: Any, query_cams: Any, gallery_cams: Any) -> list[Any]:
    """AP, INP and hits of each query with a match, by sorting its gallery."""
    rows = []
    for q, (pid, cam) in enumerate(zip(query_ids, query_cams, strict=True)):
        ranked = sorted(range(len(gallery_ids)), key=lambda g: (distances[q][g], g))
        matches = [
            gallery_ids[g] == pid
            for g in ranked
            if gallery_ids[g] != -1 and not (gallery_ids[g] == pid and gallery_cams[g] == cam != -1)
        ]
        ranks = [k for k, match in enumerate(matches, 1) if match]
        if ranks:
            ap = sum(n / k for n, k in enumerate(ranks, 1)) / len(ranks)
            rows.append([ap, len(ranks) / ranks[-1], *(ranks[0] <= k for k in (1, 5, 10))])
    return rows


SMALL = st.integers(-3, 3)


@st.composite
def problems(draw: st.DrawFn, values: st.SearchStrategy[int] = SMALL) -> tuple[NDArray[Any], ...]:
    """Small integer features (so that products are exact and often tie), ids and cameras of Q queries and G images."""
    queries, gallery, width = draw(st.integers(1, 9)), draw(st.integers(1, 40)), draw(st.integers(1, 4))
    return (
        draw(npst.arrays(np.float32, (queries, width), elements=values)),
        draw(npst.arrays(np.float32, (gallery, width), elements=values)),
        draw(npst.arrays(np.int64, queries, elements=st.integers(0, 3))),
        draw(npst.arrays(np.int64, gallery, elements=st.integers(-1, 3))),
        draw(npst.arrays(np.int64, queries, elements=st.integers(-1, 2))),
        draw(npst.arrays(np.int64, gallery, elements=st.integers(-1, 2))),
    )


def squared(query: NDArray[Any], gallery: NDArray[Any]) -> NDArray[Any]:
    return ((query[:, None] - gallery[None]) ** 2).sum(2)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_any_ranking_equals_a_plain_sort(problem: tuple[NDArray[Any], ...]) -> None:
    query, gallery, *labels = problem
    distances = squared(query, gallery)
    expected = sorted_by_hand(distances, *labels)
    if not expected:
        with pytest.raises(HumanbenchError):
            reid(distances, *labels)
        return
    np.testing.assert_allclose(reid(distances, *labels).parts, expected, rtol=1e-12)
    np.testing.assert_array_equal(reid_from_features(*problem).parts, reid(distances, *labels).parts)


@settings(max_examples=60, deadline=None)
@given(problems(st.sampled_from([-1, 1])))
def test_cosine_equals_explicit_distances(problem: tuple[NDArray[Any], ...]) -> None:
    query, gallery, *labels = problem
    if sorted_by_hand(-query @ gallery.T, *labels):
        got = reid_from_features(*problem, distance="cosine")
        np.testing.assert_array_equal(got.parts, reid(-query @ gallery.T, *labels).parts)


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(1, 4), st.integers(1, 5))
def test_neither_blocks_nor_cores_matter(problem: tuple[NDArray[Any], ...], cores: int, rows: int) -> None:
    query, gallery, *labels = problem
    if sorted_by_hand(squared(query, gallery), *labels):
        expected = reid_from_features(*problem).parts
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranking, "cores", lambda: cores)
            patch.setattr(ranking, "BLOCK_ROWS", (1, rows))
            np.testing.assert_array_equal(reid_from_features(*problem).parts, expected)
            np.testing.assert_array_equal(reid(squared(query, gallery), *labels).parts, expected)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_queries_does_not_matter(random: Any) -> None:
    distances, query_ids, gallery_ids, query_cams, gallery_cams = crowd(1)
    order = np.array(random.sample(range(60), 60))
    shuffled = reid(distances[order], query_ids[order], gallery_ids, query_cams[order], gallery_cams)
    plain = reid(distances, query_ids, gallery_ids, query_cams, gallery_cams)
    assert dict(shuffled) == pytest.approx(dict(plain))
    assert set(order[shuffled.info["valid"]]) == set(plain.info["valid"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 48), min_size=1, max_size=80))
def test_a_resample_equals_scoring_the_drawn_queries(drawn: list[int]) -> None:
    distances, query_ids, gallery_ids, query_cams, gallery_cams = crowd(None)
    scores = reid(distances, query_ids, gallery_ids, query_cams, gallery_cams)
    rows = scores.info["valid"][drawn]
    again = reid(distances[rows], query_ids[rows], gallery_ids, query_cams[rows], gallery_cams)
    assert dict(scores.resample(drawn)) == pytest.approx(dict(again), rel=1e-12)
    assert dict(scores.resample(np.arange(49))) == dict(scores)


def test_a_draw_of_nothing_is_undefined() -> None:
    assert all(np.isnan(v) for v in reid(*crowd(None)).resample([]).values())
