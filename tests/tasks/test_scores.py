"""From tables and predictions to the metrics: options of the cards, what is left out, thresholds, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from humanbench.cards import load_card
from humanbench.data.boxes import object_column
from humanbench.tasks.attribute import predictions as attribute
from humanbench.tasks.detection import predictions as detection
from humanbench.tasks.pose import predictions as pose


def pose_table(
    images: Sequence[str], boxes: Sequence[list[float]], keypoints: Sequence[NDArray[Any]], crowd: Sequence[int] = ()
) -> pd.DataFrame:
    """A person a row: the image, the box, the keypoints K x 3; the area is the box's."""
    table = pd.DataFrame(
        {
            "id": [str(number) for number in range(len(images))],
            "image": "",
            "image_id": list(images),
            "annotation_id": range(1, len(images) + 1),
            "bbox": object_column([np.array(box) for box in boxes]),
            "keypoints": object_column(list(keypoints)),
            "area": [box[2] * box[3] for box in boxes],
            "iscrowd": list(crowd) or 0,
        }
    )
    table.attrs["image_ids"] = sorted(set(images))
    return table


def person(joints: int) -> NDArray[Any]:
    """All joints visible, a pixel apart in a row."""
    return np.array([[50.0 + number, 50.0, 2.0] for number in range(joints)])


def test_similarity_of_aic_takes_the_card_s_sigmas_and_053_of_the_box() -> None:
    """The head's top alone is labelled, sigma 0.01291456, and predicted 1.5 pixels off; the box is 100 x 100.

    OKS = exp(-1.5^2 / (2 x 5300 x 0.02582912^2)) = 0.7275: right at 0.50, 0.55, 0.60, 0.65 and 0.70, half of the ten.
    With all of the box it would be 0.845, right at seven.
    """
    truth = np.zeros((14, 3))
    truth[12] = 50, 10, 2
    found = truth.copy()
    found[12, 0] += 1.5
    tables = {"val": pose_table(["a"], [[0, 0, 100, 100]], [truth])}
    scores = pose.predictions.score(load_card("aic"), tables, pose.PredictedPoses(["a"], found[None], np.ones(1)))
    assert scores["AP"] == pytest.approx(50)


def test_a_crowd_is_nobody_to_be_missed() -> None:
    one = person(17)
    boxes = [[0.0, 0, 100, 100], [200.0, 0, 100, 100]]
    found = pose.PredictedPoses(["a"], one[None], np.ones(1))
    for crowd, expected in (((0, 1), 100), ((0, 0), 51 / 101 * 100)):  # half found: 51 of 101 recall points
        tables = {"val": pose_table(["a", "a"], boxes, [one, one + np.array([200, 0, 0])], crowd)}
        assert pose.predictions.score(load_card("coco_pose"), tables, found)["AP"] == pytest.approx(expected)


def test_joints_without_a_label_have_no_error() -> None:
    """Sixteen joints are 3 pixels off; the one without a label does not count however far away it is."""
    truth = person(17)
    truth[3] = 0
    found = truth + np.array([3, 0, 0])
    found[3] = 500
    tables = {"test": pose_table(["a"], [[0, 0, 100, 100]], [truth])}
    scores = pose.predictions.score(
        load_card("human36m_pose"), tables, pose.PredictedPoses(["a"], found[None], np.ones(1), [1])
    )
    assert scores["EPE"] == pytest.approx(3)


def detection_table(boxes: list[list[float]], **columns: Any) -> pd.DataFrame:
    """One picture with these people."""
    given = {"id": "a", "image": "a.jpg", "boxes": np.array(boxes), "ignore": np.zeros(len(boxes), bool)} | columns
    return pd.DataFrame({name: object_column([value]) for name, value in given.items()})


def test_boxes_are_clipped_to_width_and_height_of_the_picture() -> None:
    """400 wide and 100 high: of one person 20 x 80 are inside, of another 60 x 40, and just that is found.

    Unclipped the overlaps are 1 / 3 and 1 / 2; in a picture 100 wide nothing of the first is left.
    """
    table = detection_table([[380, 10, 60, 80], [10, 60, 60, 80]], size=(400, 100))
    inside = np.array([[380.0, 10, 20, 80], [10, 60, 60, 40]])
    found = detection.Detections(np.array([0, 0]), inside, np.array([0.9, 0.8]))
    assert detection.predictions.score(load_card("crowdhuman"), {"val": table}, found)["recall"] == 100


def test_each_subset_of_caltech_has_its_own_numbers() -> None:
    """A clear person 100 high is missed, one half hidden found, a clear one 30 high missed.

    Heavy occlusion is the second alone, reasonable the first alone, all are the three.
    """
    boxes = [[100, 100, 41, 100], [300, 100, 41, 100], [500, 100, 12.3, 30]]
    table = detection_table(boxes, visible=np.array([1.0, 0.5, 1.0]))
    found = detection.Detections(np.array([0]), np.array(boxes[1:2], float), np.array([0.9]))
    scores = detection.predictions.score(load_card("caltech"), {"test": table}, found)
    names = ("recall", "recall-reasonable", "recall-all")
    assert [scores[name] for name in names] == pytest.approx([100, 0, 100 / 3])


@pytest.mark.parametrize(("probability", "expected"), [(0.51, 100), (0.49, 50)])
def test_an_attribute_is_predicted_above_one_half(probability: float, expected: float) -> None:
    """Everybody has all of them or none; predicted of nobody, the rate of those that have one is 0, of the others 1."""
    card = load_card("pa100k")
    table = pd.DataFrame([[1] * 26, [0] * 26], columns=list(card.labels.attributes))
    scores = attribute.predictions.score(card, {"test": table}, np.array([[probability] * 26, [0.49] * 26]))
    assert scores["mA"] == pytest.approx(expected)
