"""Caltech metrics: the official tool's numbers, cases small enough to work out by hand, properties, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humanbench import metrics
from humanbench.errors import DataError, HumanbenchError, PredictionError
from tests.metrics.crowds import street

# Dollár's toolbox as in github.com/hasanirtiza/Pedestron at a8ce101, tools/caltech/eval_caltech, run in GNU Octave 7.3.
# `street(seed, 60)` was written as bbGt text (visible box: the columns left of the hidden ones) and taken through the
# calls of dbEval.m: bbGt bbLoad with labels, ranges and bounds; bbApply resize to 0.41 of people and detections (the
# copy has the latter commented out, the original toolbox does it); the height filter; bbGt evalRes and compRoc.
# MR-2, recall, people.
OFFICIAL = {
    (1, "heavy"): (78.893992004303, 66.666666666667, 9),
    (1, "reasonable"): (79.689399778437, 80.0, 10),
    (1, "all"): (78.987885169308, 77.41935483871, 31),
    (2, "heavy"): (74.132429078853, 75.0, 16),
    (2, "reasonable"): (65.640163927411, 87.5, 32),
    (2, "all"): (76.140642206511, 85.185185185185, 54),
}
# The paper's evaluator: github.com/OpenGVLab/HumanBench at f3fd3b3, PATH/core/solvers/utils/peddet_tester_dev.py,
# Database.compare / eval_AP / eval_MR on `paper_list(seed, 80)` written in the form of its odgt files.
PAPER = {1: 81.69708932990655, 2: 75.33784144242334}


def frame(gt: Any = (), det: Any = ()) -> dict[str, Any]:
    return {"id": "f", "gt": list(gt), "det": list(det)}


def person(x: float = 100, y: float = 100, h: float = 100, visible: float = 1, ignore: int = 0) -> list[float]:
    return [x, y, 0.41 * h, h, visible, ignore]


def hit(of: list[float], score: float = 0.9) -> list[float]:
    return [*of[:4], score]


def paper_list(seed: int, frames: int) -> list[dict[str, Any]]:
    """A street in the form of the paper's list: nobody flagged, no visible fraction, many frames without a box."""
    return [{**f, "gt": np.column_stack([f["gt"][:, :4], np.zeros(len(f["gt"]))])} for f in street(seed, frames)]


@pytest.mark.parametrize(("seed", "subset"), OFFICIAL)
def test_official_tool(seed: int, subset: str) -> None:
    scores = metrics.caltech(street(seed, 60), subset)
    found = (scores["MR-2"], scores["recall"], scores.info["people"])
    assert found == pytest.approx(OFFICIAL[seed, subset], abs=1e-9)


@pytest.mark.parametrize("seed", PAPER)
def test_paper_evaluator(seed: int) -> None:
    images = paper_list(seed, 80)
    scores = metrics.caltech_paper(images)
    assert list(scores) == ["MR-2-paper"]
    assert scores["MR-2-paper"] == pytest.approx(PAPER[seed], abs=1e-9)
    # the only difference to the CrowdHuman metric: alarms in images without a box
    bare = [{**i, "det": i["det"] if len(i["gt"]) else []} for i in images]
    assert metrics.crowdhuman(bare)["MR-2"] == pytest.approx(PAPER[seed], abs=1e-9)
    assert metrics.crowdhuman(images)["MR-2"] > PAPER[seed] + 1


@pytest.mark.parametrize(
    ("box", "subsets"),
    [
        (person(), {"reasonable", "all"}),
        (person(visible=0.65), {"heavy", "reasonable", "all"}),  # ranges hold both their ends
        (person(visible=0.2), {"heavy", "all"}),
        (person(visible=0.199), set()),
        (person(h=50), {"reasonable", "all"}),
        (person(h=49), {"all"}),
        (person(h=20), {"all"}),
        (person(h=19), set()),
        (person(ignore=1), set()),
        (person(x=5, y=5), {"reasonable", "all"}),
        (person(x=4), set()),
        (person(y=4), set()),
        (person(x=635 - 41), {"reasonable", "all"}),
        (person(x=636 - 41), set()),
        (person(y=375), {"reasonable", "all"}),
        (person(y=376), set()),
    ],
)
def test_who_belongs_to_a_subset(box: list[float], subsets: set[str]) -> None:
    for subset in ("heavy", "reasonable", "all"):
        scores = metrics.caltech([frame([box], [hit(box)])], subset)
        assert scores.info["people"] == (subset in subsets)
        if subset in subsets:
            assert (scores["MR-2"], scores["recall"]) == (0.0, 100.0)
        else:  # an ignore region now: the detection in it is no alarm, but nobody is there to be missed
            assert all(math.isnan(v) for v in scores.values())


def test_heavy_is_the_headline() -> None:
    images = street(2, 60)
    assert dict(metrics.caltech(images)) == dict(metrics.caltech(images, "heavy"))


def test_reads_last_point_at_or_below() -> None:
    # 100 frames with one person each. Alarms come after 10, 40 and 60 hits, so that at 0.01 alarms per frame (reached
    # exactly, reference 1) 40 people are found, at 0.0178 too, at 0.02 60, at 0.03 (reference 3, 0.0316) all 90.
    hits = [0.9 - i / 1000 for i in range(90)]
    frames = [frame([person()], [hit(person(), hits[i])] if i < 90 else []) for i in range(100)]
    for at, count in enumerate((10, 40, 60)):
        frames[at]["det"].append(hit(person(x=400), hits[count] + 0.0005))
    expected = 100 * math.exp((2 * math.log(0.6) + 7 * math.log(0.1)) / 9)
    assert metrics.caltech(frames, "reasonable")["MR-2"] == pytest.approx(expected)


def test_all_is_missed_where_alarms_come_first() -> None:
    # one frame: with the first alarm there is one per frame; before it nothing is found, at reference 1 both
    det = [hit(person(x=400), 0.95), hit(person(), 0.9)]
    scores = metrics.caltech([frame([person(), person(x=200)], det)], "reasonable")
    assert scores["MR-2"] == pytest.approx(100 * math.exp(math.log(0.5) / 9))
    assert scores["recall"] == 50


def test_frames_without_people_count_with_their_alarms() -> None:
    good = frame([person()], [hit(person(), 0.8)])
    alarm = frame([], [hit(person(x=400), 0.9)])
    # 1 alarm on 200 frames stays below every reference; on 50 frames it is 0.02: the first two references miss all
    assert metrics.caltech([good, alarm, *[frame()] * 198], "reasonable")["MR-2"] == 0
    two = metrics.caltech([good, frame([person()]), alarm, *[frame()] * 47], "reasonable")
    assert two["MR-2"] == pytest.approx(100 * math.exp(7 * math.log(0.5) / 9))


def test_half_an_overlap_is_enough() -> None:
    # same size, moved down by a third of the height: 2/3 over 4/3
    assert metrics.caltech([frame([person(h=96)], [[100, 132, 0.41 * 96, 96, 0.9]])], "all")["recall"] == 100
    assert metrics.caltech([frame([person(h=96)], [[100, 132.01, 0.41 * 96, 96, 0.9]])], "all")["recall"] == 0


def test_boxes_get_the_same_aspect() -> None:
    wide = [100 - 50, 100, 41 + 100, 100, 0.9]  # same centre and height
    assert metrics.caltech([frame([person()], [wide])], "reasonable")["recall"] == 100
    assert metrics.caltech([frame([[*wide[:4], 1, 0]], [hit(person())])], "reasonable")["recall"] == 100


def test_regions_keep_the_width_they_were_drawn_with() -> None:
    """From 50 to 191: the better detection, 150 to 191, lies in it and is no alarm; of two people one is missed.

    Made 41 wide as people are, the region would end at 141, and the alarm before the hit would leave all missed at
    eight of the nine references.
    """
    region = [50, 100, 141, 100, 1, 1]
    found = [hit(person(x=150), 0.95), hit(person(x=300), 0.9)]
    scores = metrics.caltech([frame([region, person(x=300), person(x=500)], found)], "reasonable")
    assert scores["MR-2"] == pytest.approx(50)


def test_detections_far_below_the_subset_are_dropped() -> None:
    small = [400, 100, 16, 39.9, 0.95]  # least height 50 / 1.25 = 40
    edge = [400, 100, 16, 40, 0.95]
    people = [person(), person(x=200)]
    det = [hit(person(), 0.9), hit(person(x=200), 0.8)]
    assert metrics.caltech([frame(people, [small, *det])], "reasonable")["MR-2"] == 0
    # that alarm is the first: one per frame, so all is missed at eight references; the ninth reads full recall
    assert metrics.caltech([frame(people, [edge, *det])], "reasonable")["MR-2"] == 0
    assert metrics.caltech([frame([*people, person(x=300)], [edge, *det])], "reasonable")["MR-2"] == pytest.approx(
        100 * math.exp(math.log(1 / 3) / 9)
    )
    low = frame(
        [person(h=45)], [hit(person(h=45))]
    )  # too low for "reasonable", tall enough to be looked at and ignored
    assert math.isnan(metrics.caltech([low], "reasonable")["MR-2"])


def test_last_of_equal_overlaps_wins() -> None:
    # The detection lies midway between two people. It takes the one given last; whether the second detection, right on
    # the person at 100, is a hit therefore depends on the order.
    left, right = person(x=100), person(x=116)
    det = [[108, 100, 41, 100, 0.9], hit(left, 0.8)]
    assert metrics.caltech([frame([left, right], det)], "reasonable")["recall"] == 100
    assert metrics.caltech([frame([right, left], det)], "reasonable")["recall"] == 50


def test_regions_swallow_any_number() -> None:
    gt = [[300, 100, 100, 100, 1, 1], person()]
    half = [300 - 20.5, 100, 41, 100, 0.97]  # half of it inside is enough here
    det = [hit(person(x=310), 0.99), hit(person(x=320), 0.98), half, hit(person(), 0.5)]
    scores = metrics.caltech([frame(gt, det)], "reasonable")
    assert (scores["MR-2"], scores["recall"]) == (0.0, 100.0)
    # a person in the region is found as such first
    inside = [[300, 100, 100, 100, 1, 1], person(x=310)]
    assert metrics.caltech([frame(inside, [hit(person(x=310))])], "reasonable")["recall"] == 100


def test_no_detections_and_no_people() -> None:
    nothing = metrics.caltech([frame([person()])], "reasonable")
    assert dict(nothing) == pytest.approx({"MR-2": 100, "recall": 0.0, "D-ECE": np.nan}, nan_ok=True)
    for frames in ([], [frame()], [frame([], [hit(person())])]):
        scores = metrics.caltech(frames)
        assert math.isnan(scores["MR-2"])
        assert math.isnan(scores["recall"])


def test_boxes_of_no_size() -> None:
    flat = [200, 100, 0, 60, 1, 0]  # gets a width from its height
    scores = metrics.caltech(
        [frame([flat, person()], [hit(flat), [100, 100, 0, 0, 0.8], hit(person(), 0.7)])], "reasonable"
    )
    assert (scores["MR-2"], scores["recall"]) == (0.0, 100.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 19), min_size=1, max_size=30))
def test_resample_equals_scoring_the_drawn_frames(seed: int, draw: list[int]) -> None:
    frames = street(seed, 20)
    rng = np.random.default_rng(seed)
    for f in frames:
        f["det"][:, 4] = rng.random(len(f["det"]))  # no two equal: the order is not left to chance
    scores = metrics.caltech(frames, "all")
    assert dict(scores.resample(range(20))) == pytest.approx(dict(scores), nan_ok=True)
    again = metrics.caltech([frames[i] for i in draw], "all")
    assert dict(scores.resample(draw)) == pytest.approx(dict(again), nan_ok=True)
    backwards = metrics.caltech(frames[::-1], "all")
    assert dict(backwards) == pytest.approx(dict(scores), nan_ok=True)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"det": [[0, 0, -5, 10, 0.5]]}, PredictionError, "row 0 of 'det' has width -5 and height 10"),
        (
            {"gt": [[0, 0, 5, 10, 1]]},
            DataError,
            r"shape \(1, 5\), expected rows of \[x, y, w, h, visible_ratio, ignore\]",
        ),
        ({"gt": [person(), person(visible=math.nan)]}, DataError, "row 1 of 'gt' has visible_ratio = nan"),
        ({"det": [[0, 0, 5, 10, math.inf]]}, PredictionError, "score = inf"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[HumanbenchError], says: str) -> None:
    with pytest.raises(error, match=says):
        metrics.caltech([frame(), frame() | change])


def test_unknown_subset() -> None:
    with pytest.raises(HumanbenchError, match="unknown Caltech subset 'havy', expected one of heavy, reasonable, all"):
        metrics.caltech([], "havy")
