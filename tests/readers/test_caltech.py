"""The three annotation forms of Caltech Pedestrian."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench.data.samples import load_samples
from humanbench.errors import DataError
from tests.readers.disk import put

TEXT = """% bbGt version=3
person 100 100 40 100 0 0 0 0 0 0 0
person 200 100 40 100 1 200 100 40 50 0 0
person? 300 100 40 100 1 300 100 40 100 0 0
people 400 100 40 100 1 0 0 0 0 0 0
person 500 100 40 100 0 0 0 0 0 1 0
ignore 600 100 40 100 0 0 0 0 0 0 0
person-fa 10 100 40 100 0 0 0 0 0 0 0
"""


def read(root: Path, text: str, annotation: str, image: str) -> pd.DataFrame:
    put(root / "caltech" / annotation, text)
    put(root / "caltech" / image)
    return load_samples("caltech", "test", root)


@pytest.mark.parametrize(
    ("annotation", "image"),
    [
        ("anno_test_1xnew/set06_V000_I00029.jpg.txt", "images/set06_V000_I00029.jpg"),
        ("anno_test_1xnew/set06_V000_I00029.txt", "Images/set06_V000_I00029.png"),
        ("annotations/anno_test_1xnew/set06_V000_I00029.jpg.txt", "data/images/set06_V000_29.png"),
        ("test/anno_test_1xnew/set06_V000_I00029.txt", "test_images/set06_V000_29.jpg"),
    ],
)
def test_new_annotations_in_every_layout(tmp_path: Path, annotation: str, image: str) -> None:
    table = read(tmp_path, TEXT, annotation, image)
    assert list(table["id"]) == ["set06_V000_I00029"]
    assert table["image"][0].endswith(image)
    assert table["size"][0] == (640, 480)
    # the visible share is 1 unoccluded, the area ratio, 0 where the visible box is the whole, 1 without a visible box
    np.testing.assert_allclose(table["visible"][0], [1, 0.5, 0, 1, 1, 1])
    np.testing.assert_array_equal(table["ignore"][0], [False, False, False, False, True, True])
    np.testing.assert_array_equal(table["labels"][0], [0, 0, 1, 2, 0, 3])
    np.testing.assert_array_equal(table["boxes"][0][:, 0], [100, 200, 300, 400, 500, 600])


def test_a_frame_without_objects_stays(tmp_path: Path) -> None:
    table = read(
        tmp_path, "% bbGt version=3\n", "anno_test_1xnew/set06_V000_I00029.txt", "images/set06_V000_I00029.jpg"
    )
    assert table["boxes"][0].shape == (0, 4)
    assert table["visible"][0].shape == (0,)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("person 1 2 3 4\n", r"line 1: expected '% bbGt version=3'"),
        ("% bbGt version=7\n", r"line 1: expected"),
        ("% bbGt version=3\nperson 1 2 3 4 0\n", r"line 2: expected a label and 11 numbers"),
        ("% bbGt version=3\nperson 1 2 3 4 0 0 0 0 0 0 0\nperson a 2 3 4 0 0 0 0 0 0 0\n", r"line 3: expected"),
    ],
)
def test_corrupt_text_is_named(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(DataError, match=rf"set06_V000_I00029\.txt, {part}"):
        read(tmp_path, text, "anno_test_1xnew/set06_V000_I00029.txt", "images/set06_V000_I00029.jpg")


def test_a_missing_frame_is_named_with_its_spellings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set06_V000_I00059\.jpg or .*set06_V000_59\.png is not in"):
        read(tmp_path, TEXT, "anno_test_1xnew/set06_V000_I00059.txt", "images/set06_V000_I00029.jpg")


def vbb(path: Path, frames: dict[int, list[tuple[int, list[int], int, object]]], length: int) -> None:
    """A struct nested as MATLAB saves it; objects are (id from 1, box, occluded, visible box)."""
    lists = np.empty((1, length), object)
    for frame in range(length):
        lists[0, frame] = np.zeros((0, 0))
        if frame in frames:
            fields = [("id", object), ("pos", object), ("occl", object), ("lock", object), ("posv", object)]
            lists[0, frame] = np.empty((1, len(frames[frame])), fields)
            for k, (number, box, occluded, visible) in enumerate(frames[frame]):
                lists[0, frame][0, k] = (number, np.array([box], float), occluded, 0, visible)
    labels = np.empty((1, 3), object)
    labels[0] = ["person", "people", "person-fa"]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"nFrame": length, "objLists": lists, "maxObj": 3, "objLbl": labels}
    scipy.io.savemat(path, {"A": content, "vers": 1.4}, appendmat=False)


def test_video_annotations_are_sampled_every_thirtieth_frame(tmp_path: Path) -> None:
    person = (1, [10, 20, 30, 80], 1, np.array([[10, 20, 30, 40]], float))
    people = (2, [50, 20, 30, 80], 0, 0)  # no visible box: a single zero
    other = (3, [90, 20, 30, 80], 0, 0)
    root = tmp_path / "caltech"
    vbb(root / "annotations/set07/V003.vbb", {28: [people], 29: [person, people, other], 89: [other]}, 100)
    for frame in (29, 59, 89):
        put(root / f"images/set07_V003_{frame}.png")
    table = load_samples("caltech", "test_old", tmp_path)
    assert list(table["id"]) == ["set07_V003_I00029", "set07_V003_I00059", "set07_V003_I00089"]
    np.testing.assert_array_equal(table["boxes"][0], [[10, 20, 30, 80], [50, 20, 30, 80]])
    np.testing.assert_array_equal(table["ignore"][0], [False, True])
    np.testing.assert_allclose(table["visible"][0], [0.5, 1])
    assert [len(boxes) for boxes in table["boxes"]] == [2, 0, 0]


def test_a_foreign_vbb_is_named(tmp_path: Path) -> None:
    path = tmp_path / "caltech/annotations/set06/V000.vbb"
    put(path.parent.parent.parent / "images/set06_V000_29.png")
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"B": 1.0}, appendmat=False)
    with pytest.raises(DataError, match=r"V000\.vbb: expected a struct A"):
        load_samples("caltech", "test_old", tmp_path)
    path.write_bytes(b"no MATLAB file")
    with pytest.raises(DataError, match=r"V000\.vbb is not a readable MATLAB file"):
        load_samples("caltech", "test_old", tmp_path)


def test_the_heavy_list_gives_ratios(tmp_path: Path) -> None:
    box = {"tag": "person", "fbox": [70.945, 180.0, 29.11, 71.0], "vbox": [70.945, 180.0, 29.11, 35.5]}
    record = {"ID": "set06_V000_I00269", "gtboxes": [box], "width": 640, "height": 480}
    put(tmp_path / "caltech/test_caltech_heavy_1xnew.odgt", json.dumps([record]))
    put(tmp_path / "caltech/Images/set06_V000_I00269.jpg")
    table = load_samples("caltech", "test_heavy", tmp_path)
    np.testing.assert_allclose(table["visible"][0], [0.5])
    np.testing.assert_allclose(table["boxes"][0], [[70.945, 180, 29.11, 71]])
    assert not table["ignore"][0].any()
