"""CrowdHuman metrics: the official tool's numbers, cases small enough to work out by hand, properties, bad input."""

from __future__ import annotations

import importlib
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.boxes import plain_curve, plain_jaccard
from humanbench import metrics
from humanbench.errors import DataError, HumanbenchError, PredictionError
from tests.metrics.crowds import crowd

# Megvii's tool: github.com/Purkialo/CrowdDet at fa0b55b, lib/evaluate. `crowd(seed, 30)` was written as odgt files and
# given to Database.compare / eval_AP / eval_MR (recall: the last one of eval_AP's list), and in the form of its result
# files to compute_JI_with_ignore at the ten thresholds; JI is the greatest mean_ratio of gather().
OFFICIAL = {
    1: {"AP50": 47.97907039327028, "MR-2": 89.39161713105598, "recall": 84.21052631578947, "JI": 36.03356822251514},
    2: {"AP50": 41.27566671088662, "MR-2": 90.11694670108791, "recall": 69.56521739130434, "JI": 26.033070436107607},
    3: {"AP50": 58.219764866007075, "MR-2": 85.67798707170984, "recall": 87.41258741258741, "JI": 44.4514472467138},
}
# It divides by m + n - k + 1e-6 (we by m + n - k, so that all right is 100), which moves its JI by less than this.
JI_TOLERANCE = 1e-4

seeds = st.integers(0, 10**6)


def image(gt: Any = (), det: Any = (), width: int = 400, height: int = 300, **more: Any) -> dict[str, Any]:
    return {"id": "a", "width": width, "height": height, "gt": list(gt), "det": list(det), **more}


def person(x: float, y: float = 0, w: float = 10, h: float = 10) -> list[float]:
    return [x, y, w, h, 0]


def region(x: float, y: float, w: float, h: float) -> list[float]:
    return [x, y, w, h, 1]


def distinct(images: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The images with all scores different, so that no order is left to chance."""
    total = sum(len(i["det"]) for i in images)
    scores = iter(random.Random(seed).sample(range(1, 10 * total + 2), total))
    return [
        {**i, "det": np.array([[*d[:4], next(scores) / (10 * total + 2)] for d in i["det"]]).reshape(-1, 5)}
        for i in images
    ]


@pytest.mark.parametrize("seed", OFFICIAL)
def test_official_tool(seed: int) -> None:
    scores = metrics.crowdhuman(crowd(seed, 30))
    for name, value in OFFICIAL[seed].items():
        assert scores[name] == pytest.approx(value, abs=JI_TOLERANCE if name == "JI" else 1e-9), name


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_same_as_plain_definition(seed: int) -> None:
    """One detection at a time, and one assignment problem for each image and threshold."""
    images = crowd(seed, 12)
    scores = metrics.crowdhuman(images)
    if math.isnan(scores["AP50"]):  # nobody there: the plain way cannot divide
        return
    expected = plain_curve(images) | plain_jaccard(images)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_right_wrong_right() -> None:
    scores = metrics.crowdhuman(
        [image([person(20), person(60)], [[20, 0, 10, 10, 0.9], [200, 0, 10, 10, 0.8], [60, 0, 10, 10, 0.7]])]
    )
    # recall 1/2, 1/2, 1 and precision 1, 1/2, 2/3: one trapezoid with a width, (1/2 + 2/3) / 2 * 1/2
    assert scores["AP50"] == pytest.approx(100 * 7 / 24)
    # false alarms per image 0, 1, 1: all nine references are first reached at the second point, where 1/2 is missed
    assert scores["MR-2"] == pytest.approx(50)
    # below 0.7: 2 / (2 + 3 - 2); at 0.7: 1 / (2 + 2 - 1); at 0.8: 1 / (2 + 1 - 1)
    assert scores["JI"] == pytest.approx(200 / 3)
    assert scores["recall"] == 100


def test_perfect_detections_lose_only_the_first_point() -> None:
    people = [person(20 * i) for i in range(4)]
    scores = metrics.crowdhuman([image(people, [[*p[:4], 0.95] for p in people])])
    assert [scores[name] for name in ("AP50", "MR-2", "JI", "recall")] == [75.0, 0.0, 100.0, 100.0]


def test_miss_rate_reads_first_point_at_or_above() -> None:
    # 100 images, one person and one hit each; false alarms of score 0.5 + k / 1000 between them.
    # With the first alarm (0.01 per image, reference 1) 10 people are found, with the second (0.02, reference 2) 40;
    # the others are never reached and read the last point, where 90 are found.
    hits = [0.9 - i / 1000 for i in range(90)]
    images = [image([person(20)], [[20, 0, 10, 10, hits[i]]] if i < 90 else []) for i in range(100)]
    images[0]["det"].append([200, 0, 10, 10, hits[10] + 0.0005])
    images[1]["det"].append([200, 0, 10, 10, hits[40] + 0.0005])
    expected = 100 * math.exp((math.log(0.9) + math.log(0.6) + 7 * math.log(0.1)) / 9)
    assert metrics.crowdhuman(images)["MR-2"] == pytest.approx(expected)


def test_overlap_must_exceed_half() -> None:
    half = metrics.crowdhuman([image([person(20)], [[20, 0, 10, 20, 0.9]])])  # 100 / 200
    more = metrics.crowdhuman([image([person(20)], [[20, 0, 10, 19, 0.9]])])
    assert (half["recall"], more["recall"]) == (0, 100)


def test_equal_scores_keep_the_given_order() -> None:
    right, wrong = [20, 0, 10, 10, 0.5], [200, 0, 10, 10, 0.5]
    assert metrics.crowdhuman([image([person(20)], [right, wrong])])["AP50"] == 0
    assert metrics.crowdhuman([image([person(20)], [wrong, right])])["AP50"] == pytest.approx(25)  # (0 + 1/2) / 2 * 1
    empty = image([], [wrong])
    assert metrics.crowdhuman([empty, image([person(20)], [right])])["AP50"] == pytest.approx(25)
    assert metrics.crowdhuman([image([person(20)], [right]), empty])["AP50"] == 0


def test_regions_swallow_what_they_hold() -> None:
    gt = [person(20), person(60), region(100, 0, 100, 100)]
    hits = [[20, 0, 10, 10, 0.9], [60, 0, 10, 10, 0.8]]
    plain = dict(metrics.crowdhuman([image(gt, hits)]))
    inside = [[110, 0, 20, 20, 0.99], [110, 0, 20, 20, 0.98], [195, 0, 9.9, 10, 0.97]]  # the last: 5 / 9.9 of it inside
    assert dict(metrics.crowdhuman([image(gt, inside + hits)])) == plain
    outside = [[195, 0, 10, 10, 0.97]]  # half is not enough
    assert metrics.crowdhuman([image(gt, outside + hits)])["AP50"] < plain["AP50"]


def test_person_before_region() -> None:
    scores = metrics.crowdhuman([image([region(0, 0, 100, 100), person(20)], [[20, 0, 10, 10, 0.9]])])
    assert (scores["recall"], scores["JI"]) == (100, 100)


def test_index_takes_the_greatest_total_overlap() -> None:
    # A (21) overlaps the person at 20 by 9/11 and the one at 23 by 8/12; B (18) only the first, by 8/12. Taking turns
    # gives A the first person and leaves B alone; the best total is A with the second, B with the first.
    both = [image([person(20), person(23)], [[21, 0, 10, 10, 0.99], [18, 0, 10, 10, 0.95]])]
    assert metrics.crowdhuman(both)["recall"] == 50
    assert metrics.crowdhuman(both)["JI"] == 100


def test_greatest_overlap_may_mean_fewer_pairs() -> None:
    # Steps of 3.2 overlap by 6.8 / 13.2 = 0.515. Three such pairs weigh 1.55, the two exact ones 2: k is 2 of 3 and 3.
    people = [person(x) for x in (20, 23.2, 26.4)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)):
        scores = (0.99, 0.98, 0.97)
        det = [[(23.2, 26.4, 29.6)[o], 0, 10, 10, scores[i]] for i, o in enumerate(order)]
        assert metrics.crowdhuman([image(people, det)])["JI"] == pytest.approx(50)


def test_people_hidden_in_a_region_leave_the_index() -> None:
    # unmatched in a region: neither counts; unmatched outside: the person counts
    gt = [person(20), person(60), region(55, 0, 20, 20)]
    assert metrics.crowdhuman([image(gt, [[20, 0, 10, 10, 0.95]])])["JI"] == 100
    assert metrics.crowdhuman([image(gt[:2], [[20, 0, 10, 10, 0.95]])])["JI"] == 50
    found = [[20, 0, 10, 10, 0.95], [60, 0, 10, 10, 0.95]]  # found there, it counts: 2 / 2
    assert metrics.crowdhuman([image(gt, found)])["JI"] == 100


def test_index_is_the_best_threshold_and_skips_vacant_images() -> None:
    vacant = image([region(0, 0, 50, 50)], [[10, 10, 10, 10, 0.9]])
    good = image([person(20)], [[20, 0, 10, 10, 0.35], [200, 0, 10, 10, 0.3]])
    # a score of 0.3 is not above 0.3: there the hit stands alone; the vacant image never enters the mean
    assert metrics.crowdhuman([vacant, good])["JI"] == 100


def test_index_tries_the_threshold_of_nine_tenths() -> None:
    """Only above 0.9 the hit of 0.95 stands without the alarm of 0.85; up to 0.8 it is 1 / (1 + 2 - 1)."""
    found = [[20, 0, 10, 10, 0.95], [200, 0, 10, 10, 0.85]]
    assert metrics.crowdhuman([image([person(20)], found)])["JI"] == 100


def test_no_detections() -> None:
    expected = pytest.approx({"AP50": 0.0, "MR-2": 100, "JI": 0.0, "recall": 0.0, "D-ECE": math.nan}, nan_ok=True)
    assert dict(metrics.crowdhuman([image([person(20)])])) == expected
    swallowed = image([person(20), region(100, 0, 50, 50)], [[110, 0, 10, 10, 0.9]])
    assert dict(metrics.crowdhuman([swallowed])) == expected


@pytest.mark.parametrize("images", [[], [image()], [image([region(0, 0, 50, 50)], [[10, 10, 10, 10, 0.9]])]])
def test_nothing_to_find_is_undefined(images: list[dict[str, Any]]) -> None:
    scores = metrics.crowdhuman(images)
    assert list(scores) == ["AP50", "MR-2", "JI", "recall", "D-ECE"]
    assert all(math.isnan(value) for value in scores.values())


def test_alarms_in_images_without_ground_truth_count() -> None:
    good = image([person(20), person(60)], [[20, 0, 10, 10, 0.9], [60, 0, 10, 10, 0.7]])
    alarm = image([], [[60, 0, 10, 10, 0.8]])
    quiet, loud = metrics.crowdhuman([good, image()]), metrics.crowdhuman([good, alarm])
    assert (quiet["AP50"], quiet["JI"]) == (50, 100)
    # precision 1, 1/2, 2/3 as above; one alarm on two images: 0.5 alarms per image where half is missed, reached by
    # the first seven references; 0.5623 and 1 read the last point, where nothing is missed: 0
    assert (loud["AP50"], loud["MR-2"]) == (pytest.approx(100 * 7 / 24), 0)
    # the second image counts below 0.8, with 0: the best threshold is 0.8, where it is left out: 1 / (2 + 1 - 1)
    assert loud["JI"] == 50
    region_only = image([region(300, 200, 50, 50)], [[60, 0, 10, 10, 0.8]])
    assert dict(metrics.crowdhuman([good, region_only])) == dict(loud)
    assert loud.info == {"people": 2, "images without people": 1}


def test_boxes_are_clipped_first() -> None:
    # the parts inside are equal; unclipped, the first pair overlaps by 5,000 / 10,000, the second by 200 / 1,600
    assert metrics.crowdhuman([image([person(-50, 0, 100, 100)], [[0, 0, 50, 100, 0.9]])])["recall"] == 100
    assert metrics.crowdhuman([image([person(380, 290, 40, 40)], [[380, 290, 20, 10, 0.9]])])["recall"] == 100
    # clipped to 20 x 20, 60 % of the detection lie in the region; of its full size only 15 %
    gt = [person(100), region(388, 0, 12, 300)]
    scores = metrics.crowdhuman([image(gt, [[380, 0, 80, 20, 0.9], [100, 0, 10, 10, 0.8]])])
    assert scores["MR-2"] == 0


def test_boxes_of_no_size() -> None:
    gt = [person(20, 0, 0, 10), person(-30, 0, 10, 10), region(50, 50, 0, 0), person(100)]
    det = [[20, 0, 0, 10, 0.9], [-30, 0, 10, 10, 0.8], [50, 50, 0, 0, 0.7], [100, 0, 10, 10, 0.6]]
    scores = metrics.crowdhuman([image(gt, det)])
    # Nothing overlaps a box without area: three false alarms, then one person of three
    assert scores["recall"] == pytest.approx(100 / 3)
    assert scores["AP50"] == pytest.approx(100 * (1 / 3) * (1 / 4) / 2)


def test_one_person_is_found_once() -> None:
    det = [[20, 0, 10, 10, 0.9], [20, 0, 10, 10, 0.9]]
    scores = metrics.crowdhuman([image([person(20)], det)])
    assert (scores["recall"], scores["MR-2"], scores["JI"]) == (100, 0, 50)
    twins = metrics.crowdhuman([image([person(20), person(20)], det)])
    assert (twins["recall"], twins["JI"]) == (100, 100)


def test_without_index() -> None:
    images = crowd(1, 10)
    full = dict(metrics.crowdhuman(images))
    part = metrics.crowdhuman(images, jaccard=False)
    assert dict(part) == {name: value for name, value in full.items() if name != "JI"}


@settings(max_examples=20, deadline=None)
@given(seeds, st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_resample_equals_scoring_the_drawn_images(seed: int, draw: list[int]) -> None:
    images = distinct(crowd(seed, 8), seed)
    scores = metrics.crowdhuman(images)
    assert dict(scores.resample(range(8))) == pytest.approx(dict(scores), nan_ok=True)
    again = metrics.crowdhuman([images[i] for i in draw])
    assert dict(scores.resample(draw)) == pytest.approx(dict(again), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(seeds, st.permutations(range(8)))
def test_order_of_images_and_detections_does_not_matter(seed: int, order: list[int]) -> None:
    images = distinct(crowd(seed, 8), seed)
    shuffled = [{**images[i], "det": images[i]["det"][::-1]} for i in order]
    assert dict(metrics.crowdhuman(shuffled)) == pytest.approx(dict(metrics.crowdhuman(images)), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.01, 1))
def test_a_right_detection_more_never_hurts(seed: int, score: float) -> None:
    images = distinct(crowd(seed, 6), seed)
    images[0] |= {"width": 3000, "gt": np.vstack((images[0]["gt"], person(2500, 50, 20, 50)))}
    before = metrics.crowdhuman(images)
    top = {**images[0], "det": np.vstack((images[0]["det"], [2500, 50, 20, 50, 1]))}
    after = metrics.crowdhuman([top, *images[1:]])
    assert after["AP50"] >= before["AP50"] - 1e-9
    assert after["MR-2"] <= before["MR-2"] + 1e-9
    assert after["JI"] >= before["JI"] - 1e-9
    anywhere = {**images[0], "det": np.vstack((images[0]["det"], [2500, 50, 20, 50, score]))}
    assert metrics.crowdhuman([anywhere, *images[1:]])["recall"] > before["recall"]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"det": [[0, 0, -5, 10, 0.5]]}, PredictionError, "image a: row 0 of 'det' has width -5 and height 10"),
        ({"gt": [person(0), [0, 0, 5, -1, 0]]}, DataError, "image a: row 1 of 'gt' has width 5 and height -1"),
        ({"det": [[0, 0, 5, 10, math.nan]]}, PredictionError, "score = nan; expected finite"),
        ({"gt": [[0, math.inf, 5, 10, 0]]}, DataError, "y = inf; expected finite"),
        (
            {"det": [[0, 0, 5, 10]]},
            PredictionError,
            r"'det' has shape \(1, 4\), expected rows of \[x, y, w, h, score\]",
        ),
        ({"gt": [0, 0, 5, 10, 0]}, DataError, r"'gt' has shape \(5,\)"),
        ({"gt": [[0, 0, 5, 10, 0], [1]]}, DataError, "'gt' is not an array of rows"),
        ({"width": 0}, DataError, "width is 0"),
        ({"height": math.nan}, DataError, "height is nan"),
        ({"height": None}, DataError, "height is None"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[HumanbenchError], says: str) -> None:
    good = image([person(0)], [[0, 0, 10, 10, 0.9]], id="first")
    with pytest.raises(error, match=says):
        metrics.crowdhuman([good, image() | change])


def test_scores_on_another_scale_are_refused_where_thresholds_are_compared_with_them() -> None:
    """Taken as they are, the same detections with their scores in percent have another Jaccard index: 50.8 for 100."""
    images = crowd(1, 10)
    percent = [{**i, "det": i["det"] * [1, 1, 1, 1, 100]} for i in images]
    with pytest.raises(PredictionError, match=r"a detection has the score \d+; the Jaccard index .* between 0 and 1"):
        metrics.crowdhuman(percent)
    with pytest.raises(PredictionError, match=r"image a: a detection has the score -0\.5"):
        metrics.crowdhuman([image([person(20)], [[20, 0, 10, 10, -0.5]])])
    scores, plain = metrics.crowdhuman(percent, jaccard=False), metrics.crowdhuman(images, jaccard=False)
    assert dict(plain) == dict(scores) | {"D-ECE": plain["D-ECE"]}
    assert "D-ECE" not in scores
    assert scores.reliability is None
    assert scores.info["calibration"] == "not given: scores lie outside 0 to 1"


def test_missing_key() -> None:
    with pytest.raises(PredictionError, match="image number 0 has no 'det'"):
        metrics.crowdhuman([{"id": "a", "width": 10, "height": 10, "gt": []}])


@pytest.mark.parametrize("name", ["crowdhuman", "caltech", "attributes", "counting"])
def test_name_is_the_function_though_a_module_has_it_too(name: str) -> None:
    importlib.import_module(f"humanbench.metrics.{name}")
    assert callable(getattr(metrics, name))
