"""Keypoint AP against pycocotools (run in the test) and against cases worked out by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from humanbench.errors import DataError, PredictionError
from humanbench.metrics import keypoint_ap
from tests.metrics.coco import NAMES, SIGMAS, pycocotools_scores, random_coco
from tests.samples import SAMPLES, needs_samples

AIC_SIGMAS = [
    0.01388152, 0.01515228, 0.01057665, 0.01417709, 0.01497891, 0.01402144, 0.03909642,
    0.03686941, 0.01981803, 0.03843971, 0.03412318, 0.02415081, 0.01291456, 0.01236173,
]  # fmt: skip
TWO = [0.05, 0.05]  # sigmas of a person of two keypoints, for the cases by hand


def check(ours: Any, reference: dict[str, float]) -> None:
    assert dict(ours) == pytest.approx(reference, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("ties", [False, True], ids=["scores", "tied scores"])
@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools(seed: int, ties: bool) -> None:
    truth, found = random_coco(seed, ties=ties)
    reference = pycocotools_scores(truth, found)
    assert 0 < reference["AP"] < 100
    check(keypoint_ap(truth, found, SIGMAS), reference)


@pytest.mark.parametrize("seed", range(4))
def test_equals_pycocotools_with_several_categories(seed: int) -> None:
    """The mean is over categories; what belongs to a category the ground truth does not list is left out."""
    truth, found = random_coco(seed, categories=(1, 5, 9))
    truth["categories"] = truth["categories"][:2]
    scores = keypoint_ap(truth, found, SIGMAS)
    check(scores, pycocotools_scores(truth, found))
    assert scores.info["detections of other categories"] == sum(d["category_id"] == 9 for d in found)


def test_equals_pycocotools_where_detections_carry_boxes() -> None:
    """Then a detection's size is that of its box, and medium and large change."""
    truth, found = random_coco(3)
    rng = np.random.default_rng(3)
    boxed = [d | {"bbox": [0, 0, float(rng.uniform(20, 200)), float(rng.uniform(20, 200))]} for d in found]
    reference = pycocotools_scores(truth, boxed)
    assert reference["APm"] != pycocotools_scores(truth, found)["APm"]
    check(keypoint_ap(truth, boxed, SIGMAS), reference)


@pytest.mark.parametrize("seed", range(4))
def test_area_from_box_equals_pycocotools_with_that_area(seed: int) -> None:
    """AI Challenger: 14 keypoints, no `area`, no `iscrowd`; flags count, whatever `num_keypoints` says."""
    truth, found = random_coco(seed, keypoints=14)
    stated = [a["num_keypoints"] for a in truth["annotations"]]
    for a in truth["annotations"]:
        a["num_keypoints"] = int(np.count_nonzero(a["keypoints"][2::3]))
        a["iscrowd"] = 0
        a["area"] = 0.53 * a["bbox"][2] * a["bbox"][3]
    reference = pycocotools_scores(truth, found, np.array(AIC_SIGMAS))
    assert stated != [a["num_keypoints"] for a in truth["annotations"]]
    for a, number in zip(truth["annotations"], stated, strict=True):
        del a["iscrowd"], a["area"]
        a["num_keypoints"] = number
    check(keypoint_ap(truth, found, AIC_SIGMAS, area="box"), reference)


# COCOeval(truth, found, "keypoints", AIC_SIGMAS, use_area=False) of xtcocotools 1.14.3 on `scored_in_part`.
XTCOCOTOOLS = {
    0: [
        2.3733906045238817, 3.8123718506655244, 1.6480616292826358, 7.84496126657705, 0.4984767473707857,
        25.000000000000007, 33.33333333333333, 23.333333333333332, 36.875, 13.33333333333333,
    ],
    1: [
        5.383655214029122, 8.21961546997329, 5.096601289332779, 2.1133505470622107, 11.940604705631854,
        46.07142857142858, 50.0, 46.42857142857143, 27.272727272727266, 56.42857142857143,
    ],
    2: [
        4.559883966174519, 6.443804077810291, 3.870987827096714, 1.3742677539446688, 13.472264534145722,
        28.44444444444444, 31.11111111111111, 26.666666666666668, 15.789473684210526, 42.666666666666664,
    ],
    3: [
        2.282957302796425, 3.399154862021602, 2.2119233199915738, 3.7834113081637826, 4.279108783227262,
        26.486486486486495, 29.72972972972973, 27.027027027027028, 33.333333333333336, 28.333333333333332,
    ],
}  # fmt: skip


def scored_in_part(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Crowds, `num_keypoints` at odds with the flags, and every third detection without a score on any keypoint."""
    truth, found = random_coco(seed, keypoints=14)
    rng = np.random.default_rng(seed)
    for detection in found:
        if rng.random() < 0.3:
            detection["keypoints"][2::3] = [0.0] * 14
    return truth, found


@pytest.mark.parametrize("seed", XTCOCOTOOLS)
def test_area_from_box_equals_xtcocotools(seed: int) -> None:
    truth, found = scored_in_part(seed)
    scores = keypoint_ap(truth, found, AIC_SIGMAS, area="box")
    check(scores, dict(zip(NAMES, XTCOCOTOOLS[seed], strict=True)))
    assert scores.info["detections without keypoint scores"] == sum(not any(d["keypoints"][2::3]) for d in found)


def test_with_area_from_box_flags_count_and_not_the_number_stated() -> None:
    """`num_keypoints` 0 on one of two people: pycocotools ignores that person, xtcocotools asks for both."""
    truth = truth_of(person(0), person(1, id_=2, num_keypoints=0))
    assert keypoint_ap(truth, [detection(0, 0.9)], TWO)["AR"] == pytest.approx(100)
    assert keypoint_ap(truth, [detection(0, 0.9)], TWO, area="box")["AR"] == pytest.approx(50)


def test_detections_without_any_keypoint_score_are_refused_where_they_would_all_be_dropped() -> None:
    blank = detection(0, 0.9) | {"keypoints": [100.0, 100, 0, 150, 200, 0]}
    assert keypoint_ap(truth_of(person(0)), [blank], TWO)["AP"] == pytest.approx(100)
    with pytest.raises(PredictionError, match="no detection has a keypoint with a score above 0"):
        keypoint_ap(truth_of(person(0)), [blank], TWO, area="box")
    assert keypoint_ap(truth_of(person(0)), [], TWO, area="box")["AP"] == 0


def test_keypoints_may_be_arrays_and_labelled_ones_are_counted_where_the_number_is_absent() -> None:
    truth, found = random_coco(5)
    for a in truth["annotations"]:
        a["num_keypoints"] = int(np.count_nonzero(a["keypoints"][2::3]))
    reference = pycocotools_scores(truth, found)
    for row in (*truth["annotations"], *found):
        row["keypoints"] = np.reshape(row["keypoints"], (17, 3))
        row.pop("num_keypoints", None)
    check(keypoint_ap(truth, found, SIGMAS), reference)


@needs_samples
def test_real_coco_annotations() -> None:
    path = SAMPLES / "COCO" / "annotations" / "person_keypoints_val2017.json"
    truth = json.loads(path.read_text())
    copies = [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 1.0}
        for a in truth["annotations"]
        if a["num_keypoints"] > 0 and not a["iscrowd"]
    ]
    assert keypoint_ap(truth, copies, SIGMAS)["AP"] == pytest.approx(100)
    rng = np.random.default_rng(0)
    for d in copies:
        noise = rng.normal(0, 1, (17, 3)) * rng.choice([1, 4, 12]) * [1, 1, 0]
        d["keypoints"] = (np.reshape(d["keypoints"], (17, 3)) + noise).ravel().tolist()
        d["score"] = float(rng.random())
    reference = pycocotools_scores(truth, copies)
    assert 5 < reference["AP"] < 95
    check(keypoint_ap(truth, copies, SIGMAS), reference)


@needs_samples
def test_real_aic_annotations() -> None:
    path = SAMPLES / "AIC" / "annotations" / "aic_val_mmpose_coco_style.json"
    truth = json.loads(path.read_text())
    rng = np.random.default_rng(1)
    found = [
        {
            "image_id": a["image_id"],
            "category_id": 1,
            "keypoints": (np.reshape(a["keypoints"], (14, 3)) + rng.normal(0, 3, (14, 3))).ravel().tolist(),
            "score": float(rng.random()),
        }
        for a in truth["annotations"]
    ]
    ours = keypoint_ap(truth, found, AIC_SIGMAS, area="box")
    for a in truth["annotations"]:
        a |= {"iscrowd": 0, "area": 0.53 * a["bbox"][2] * a["bbox"][3]}
    check(ours, pycocotools_scores(truth, found, np.array(AIC_SIGMAS)))


def person(image: int, id_: int = 1, x: float = 100.0, **more: Any) -> dict[str, Any]:
    """Two keypoints, both visible, 50 pixels apart; area 10,000 (large)."""
    row = {"id": id_, "image_id": image, "category_id": 1, "bbox": [x, 100, 50, 100], "area": 1e4, "iscrowd": 0}
    return row | {"num_keypoints": 2, "keypoints": [x, 100, 2, x + 50, 200, 2]} | more


def detection(image: int, score: float, x: float = 100.0, error: float = 0.0) -> dict[str, Any]:
    """The same person with its second keypoint off by `error`."""
    return {"image_id": image, "category_id": 1, "keypoints": [x, 100, 1, x + 50 + error, 200, 1], "score": score}


def truth_of(*people: dict[str, Any], images: int = 3) -> dict[str, Any]:
    return {
        "images": [{"id": i} for i in range(images)],
        "annotations": list(people),
        "categories": [{"id": 1, "name": "person"}],
    }


def test_similarity_by_hand() -> None:
    """One keypoint exact, the other off by e: OKS = (1 + exp(-e^2 / (2 * area * (2 sigma)^2))) / 2.

    With area 1e4 and sigma 0.05 the divisor is 200, so e = 15 gives (1 + exp(-1.125)) / 2 = 0.6623: right at 0.50,
    0.55, 0.60 and 0.65, wrong at the other six thresholds.
    """
    scores = keypoint_ap(truth_of(person(0)), [detection(0, 0.9, error=15.0)], TWO)
    assert dict(scores) == pytest.approx(
        {"AP": 40, "AP50": 100, "AP75": 0, "APm": math.nan, "APl": 40}
        | {"AR": 40, "AR50": 100, "AR75": 0, "ARm": math.nan, "ARl": 40},
        nan_ok=True,
    )


@pytest.mark.parametrize(
    ("side", "medium", "large"),
    [(96, 100, 100), (96.1, math.nan, 100), (32, 100, math.nan), (31.9, math.nan, math.nan)],
)
def test_bounds_of_the_area_ranges_belong_to_both(side: float, medium: float, large: float) -> None:
    """An area of 96^2 is medium and large, one of 32^2 medium."""
    scores = keypoint_ap(truth_of(person(0, area=side**2)), [detection(0, 0.9)], TWO)
    assert (scores["APm"], scores["APl"]) == pytest.approx((medium, large), nan_ok=True)


def test_annotation_id_zero_is_a_match() -> None:
    truth, found = truth_of(person(0, id_=0)), [detection(0, 0.9)]
    assert keypoint_ap(truth, found, TWO)["AP"] == pytest.approx(100)
    assert pycocotools_scores(truth, found, np.array(TWO))["AP"] == 0  # pycocotools takes the id for "no match"


def test_no_detections_score_zero() -> None:
    scores = keypoint_ap(truth_of(person(0)), [], TWO)
    assert [scores[name] for name in ("AP", "AP50", "APl", "AR")] == [0, 0, 0, 0]
    assert math.isnan(scores["APm"])


def test_without_people_that_count_everything_is_undefined() -> None:
    for truth in (truth_of(), truth_of(person(0, iscrowd=1), person(1, num_keypoints=0)), truth_of(images=0)):
        found = [detection(0, 0.5)] if truth["images"] else []
        scores = keypoint_ap(truth, found, TWO)
        assert list(scores) == list(NAMES)
        assert all(math.isnan(v) for v in scores.values())


def test_detections_in_images_without_people_are_wrong() -> None:
    """The wrong one ranks first, so precision is 1/2 when the only person is found."""
    truth = truth_of(person(0))
    assert keypoint_ap(truth, [detection(0, 0.8), detection(2, 0.9)], TWO)["AP"] == pytest.approx(50)


def test_detections_on_ignored_people_do_not_count() -> None:
    """A crowd swallows any number; a person without labelled keypoints one, and only near its doubled box.

    Two on the crowd and one on the unlabelled person vanish; the second on the unlabelled person is wrong and ranks
    first: precision 1/2 at full recall.
    """
    blank = person(2, id_=3, num_keypoints=0, keypoints=[0] * 6)
    truth = truth_of(person(0), person(1, id_=2, iscrowd=1), blank)
    on_crowd = [detection(1, 0.95), detection(1, 0.94)]
    assert keypoint_ap(truth, [*on_crowd, detection(0, 0.5), detection(2, 0.9)], TWO)["AP"] == pytest.approx(100)
    twice = [detection(2, 0.9), detection(2, 0.91)]
    assert keypoint_ap(truth, [*on_crowd, detection(0, 0.5), *twice], TWO)["AP"] == pytest.approx(50)
    far = [detection(2, 0.9, x=400)]
    assert keypoint_ap(truth, [*on_crowd, detection(0, 0.5), *far], TWO)["AP"] == pytest.approx(50)


def test_only_the_best_twenty_of_an_image_count() -> None:
    wrong = [detection(0, 0.9, x=900) for _ in range(20)]
    scores = keypoint_ap(truth_of(person(0)), [*wrong, detection(0, 0.8)], TWO)
    assert (scores["AP"], scores["AR"]) == (0, 0)
    assert scores.info["detections beyond 20 an image"] == 1
    assert keypoint_ap(truth_of(person(0)), [*wrong[1:], detection(0, 0.8)], TWO)["AR"] == 100


def test_equal_scores_keep_the_order_given_within_an_image_and_that_of_ids_between() -> None:
    right, wrong = detection(0, 0.5), detection(0, 0.5, x=900)
    truth = truth_of(person(0))
    assert keypoint_ap(truth, [right, wrong], TWO)["AP"] == pytest.approx(100)
    assert keypoint_ap(truth, [wrong, right], TWO)["AP"] == pytest.approx(50)
    elsewhere = [detection(2, 0.5), detection(1, 0.5)]  # image 2 is wrong and comes after image 1, whatever the order
    assert keypoint_ap(truth_of(person(1)), elsewhere, TWO)["AP"] == pytest.approx(100)


@pytest.mark.parametrize("seed", range(4))
def test_resample_equals_recomputation_on_repeated_images(seed: int) -> None:
    truth, found = random_coco(seed)
    scores = keypoint_ap(truth, found, SIGMAS)
    ids = sorted(image["id"] for image in truth["images"])
    index = np.random.default_rng(seed).integers(0, len(ids), len(ids))
    drawn = [ids[i] for i in index]
    repeated = {
        "images": [{"id": new} for new in range(len(drawn))],
        "annotations": [
            a | {"image_id": new} for new, old in enumerate(drawn) for a in truth["annotations"] if a["image_id"] == old
        ],
        "categories": truth["categories"],
    }
    again = [d | {"image_id": new} for new, old in enumerate(drawn) for d in found if d["image_id"] == old]
    check(scores.resample(index), dict(keypoint_ap(repeated, again, SIGMAS)))
    assert dict(scores.resample(np.arange(scores.n))) == dict(scores)
    assert dict(scores.resample(index)) != dict(scores)


def test_order_of_images_and_detections_does_not_matter() -> None:
    """That of annotations does, as in COCOeval: of two equally similar ignored people the later one is taken."""
    truth, found = random_coco(8)
    rng = np.random.default_rng(8)
    images = [truth["images"][i] for i in rng.permutation(len(truth["images"]))]
    again = keypoint_ap(truth | {"images": images}, [found[i] for i in rng.permutation(len(found))], SIGMAS)
    check(again, dict(keypoint_ap(truth, found, SIGMAS)))


def broken(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (row | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (broken(detection(77, 0.5)), "image 77"),
        (broken(detection(0, math.nan)), "score nan"),
        (broken(detection(0, 0.5), keypoints=[1, 2, 3]), r"detection 1 \(image 0\) has 3 keypoint numbers, not 6"),
        (broken(detection(0, 0.5), keypoints=[1, 2, 3, math.nan, 2, 3]), "not a finite number"),
        (broken(detection(0, 0.5), keypoints=[1, 2, 3, math.inf, 2, 3]), "not a finite number"),
        (broken(detection(0, 0.5), keypoints=["a"] * 6), "not numbers"),
        (broken(detection(0, 0.5), score=None), "'score'"),
    ],
)
def test_bad_detections_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        keypoint_ap(truth_of(person(0)), [detection(0, 0.9), bad], TWO)


def test_detections_of_another_number_of_keypoints_are_refused() -> None:
    """Also where all have the same wrong number."""
    truth, found = random_coco(0, keypoints=17)
    with pytest.raises(PredictionError, match="51 keypoint numbers, not 42"):
        keypoint_ap(truth | {"annotations": []}, found, AIC_SIGMAS)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (broken(person(0), area=None), r'annotation 0 of id 1 \(image 0\) has no area; area="box"'),
        (broken(person(0), keypoints=[1, 2, 2]), "3 keypoint numbers, not 6"),
        (broken(person(0), keypoints=None), "no 'keypoints'"),
        (broken(person(0), keypoints=[0] * 6, bbox=None), "no bbox"),
    ],
)
def test_bad_annotations_are_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        keypoint_ap(truth_of(bad), [detection(0, 0.9)], TWO)


def test_incomplete_coco_dict_is_refused() -> None:
    with pytest.raises(DataError, match="categories"):
        keypoint_ap({"images": [], "annotations": []}, [], TWO)
