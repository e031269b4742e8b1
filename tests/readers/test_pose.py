"""Traps of the keypoint formats in COCO's JSON form, of AI Challenger and of MPII."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench import metrics
from humanbench.data.readers import coco_columns, coco_keypoints
from humanbench.data.readers.coco_columns import typed_people
from humanbench.data.samples import load_samples
from humanbench.errors import DataError, WithheldError
from tests.readers.disk import on_disk, put
from tests.samples import SAMPLES, needs_samples


def same(one: pd.DataFrame, other: pd.DataFrame, *columns: str) -> None:
    assert len(one) == len(other) > 0
    for column in columns:
        for a, b in zip(one[column], other[column], strict=True):
            np.testing.assert_array_equal(a, b)


def coco(tmp_path: Path, annotations: list[dict[str, Any]], images: list[dict[str, Any]] | None = None) -> pd.DataFrame:
    images = images or [{"id": i, "file_name": f"{i}.jpg", "width": 60, "height": 40} for i in (7, 3, 5)]
    content = {"images": images, "annotations": annotations, "categories": []}
    put(tmp_path / "coco_pose/annotations/person_keypoints_val2017.json", content)
    return load_samples("coco_pose", "val", tmp_path)


def person(number: int, image: int = 7, **changes: Any) -> dict[str, Any]:
    given = {"id": number, "image_id": image, "category_id": 1, "bbox": [1, 2, 30, 20], "area": 99.5, "iscrowd": 0}
    return given | {"num_keypoints": 17, "keypoints": [5, 6, 2] * 17} | changes


def test_coco_keeps_crowds_people_without_keypoints_and_empty_images(tmp_path: Path) -> None:
    nothing = {"keypoints": [0] * 51, "num_keypoints": 0}
    crowd = {"segmentation": {"counts": [3, 4], "size": [40, 60]}, "iscrowd": 1}
    table = coco(tmp_path, [person(11), person(4, 3, **nothing), person(12, **nothing, **crowd)])
    assert list(table["id"]) == ["7/11", "3/4", "7/12"]
    assert list(table["iscrowd"]) == [0, 0, 1]
    assert table.attrs["image_ids"] == [7, 3, 5]
    assert list(table["size"]) == [(60, 40)] * 3
    assert Path(table["image"][1]) == tmp_path / "coco_pose/val2017/3.jpg"


def test_coco_fills_what_a_file_leaves_out(tmp_path: Path) -> None:
    points = [0, 0, 0] * 15 + [10, 10, 1, 20, 30, 2]
    bare = {k: v for k, v in person(1, keypoints=points).items() if k not in ("bbox", "area", "iscrowd")}
    no_points = {k: v for k, v in person(2, keypoints=[0] * 51).items() if k != "bbox"}
    table = coco(tmp_path, [bare, no_points, person(3)])
    # the extent of the labelled points is 10 x 20 about (15, 20); 1.2 times that is 12 x 24
    np.testing.assert_allclose(table["bbox"][0], [9, 8, 12, 24])
    assert table["area"][0] == pytest.approx(12 * 24)
    np.testing.assert_array_equal(table["bbox"][1], [0, 0, 0, 0])
    np.testing.assert_array_equal(table["bbox"][2], [1, 2, 30, 20])
    assert list(table["iscrowd"]) == [0, 0, 0]


@pytest.mark.parametrize(
    ("annotations", "named"),
    [
        ([person(1), person(8, keypoints=[5, 6, 2] * 16)], r"'keypoints' of annotation 8 .* 51 finite numbers"),
        ([person(1), person(8, keypoints=[5, 6, None] * 17)], "'keypoints' of annotation 8"),
        ([person(1, keypoints=[1, 2, 2] * 4)], "hold 12 keypoint numbers each, expected 51"),
        ([person(1), person(8, keypoints=[5, 6, 3] * 17)], "annotation number 2 has the visibility 3"),
        ([person(1), person(8, bbox=[1, 2, 3])], r"'bbox' of annotation 8 .* 4 finite numbers"),
        ([person(1), person(8, image=99)], "annotation 8 is of image 99, which is not there"),
        ([person(1), person(8, area="large")], "'area' of annotation 8 .* is 'large', expected a finite number"),
        ([person(1), person(8, area=None)], "'area' of annotation 8 .* is null"),
        ([person(1), person(8, area=float("nan"))], "'area' of annotation 8 .* is nan"),
        ([person(1), person(8, num_keypoints=None)], "'num_keypoints' of annotation 8 .* is null"),
        ([person(1, keypoints=[5, 6, 0.5] * 17)], "has the visibility 0.5, expected 0, 1 or 2"),
        ([person(1), person(8, iscrowd=None)], "'iscrowd' of annotation 8 .* is null, expected a whole number"),
        ([{k: v for k, v in person(8).items() if k != "keypoints"}], "'keypoints' of annotation 8"),
        ([{k: v for k, v in person(8).items() if k != "id"}], "has no 'id'"),
    ],
)
def test_coco_names_file_and_annotation(tmp_path: Path, annotations: list[dict[str, Any]], named: str) -> None:
    with pytest.raises(DataError, match=f"person_keypoints_val2017.json.*({named})"):
        coco(tmp_path, annotations)


def test_coco_decoded_with_types_gives_the_table_of_the_slow_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of people, so that there are several blocks; things left out; other categories; text before images."""
    rng = np.random.default_rng(0)
    people = [person(n, int(rng.choice([3, 7])), area=float(rng.random()), bbox=[1.5, 2, n, 4]) for n in range(2100)]
    for name, rows in (("area", (5, 1200)), ("bbox", (7, 2099)), ("num_keypoints", (8,)), ("iscrowd", (9, 10))):
        for row in rows:
            del people[row][name]
    people += [person(9000 + n, category_id=2) for n in range(3)]
    images = [{"id": 7, "file_name": "7.jpg", "width": 4, "height": 5}, {"id": 3, "file_name": "3.jpg"}]
    categories = [{"id": 1, "name": "person", "skeleton": [[1, 2]]}, {"id": 2, "name": "dog"}]
    content = {"annotations": people, "info": {"year": 2017}, "images": images, "categories": categories}
    path = put(tmp_path / "coco_pose/annotations/person_keypoints_val2017.json", content)
    assert typed_people(path, "person") is not None
    monkeypatch.setattr(coco_columns, "_PART", 50_000)  # pieces of the text are given back
    typed = load_samples("coco_pose", "val", tmp_path)
    monkeypatch.setattr(coco_keypoints, "typed_people", lambda path, name: None)
    slow = load_samples("coco_pose", "val", tmp_path)
    assert len(typed) == 2100
    pd.testing.assert_frame_equal(typed, slow)
    assert typed.attrs == slow.attrs
    for column in ("keypoints", "bbox"):
        np.testing.assert_array_equal(np.stack(list(typed[column])), np.stack(list(slow[column])))


def test_coco_refuses_what_is_not_coco(tmp_path: Path) -> None:
    twice = [{"id": 7, "file_name": "7.jpg"}, {"id": 7, "file_name": "8.jpg"}]
    with pytest.raises(DataError, match="describes 1 images twice"):
        coco(tmp_path, [person(1)], twice)
    path = tmp_path / "coco_pose/annotations/person_keypoints_val2017.json"
    whole = path.read_text()
    put(path, "[]")
    with pytest.raises(DataError, match=r"person_keypoints_val2017.json is not a COCO-form file.*'images'"):
        load_samples("coco_pose", "val", tmp_path)
    put(path, whole.replace('"annotations"', '\n"segmentation": [[1, 2]], "annotations"')[:-20])
    with pytest.raises(DataError, match=r"person_keypoints_val2017.json, line 2 column \d+: not valid JSON"):
        load_samples("coco_pose", "val", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="datasets show coco_pose"):
        load_samples("coco_pose", "val", tmp_path)


@pytest.mark.parametrize(("name", "split"), [("coco_pose", "test"), ("aic", "test_a"), ("mpii", "test")])
def test_withheld_labels_name_their_holder(name: str, split: str, tmp_path: Path) -> None:
    with pytest.raises(WithheldError, match=r"(held by|use val)"):
        load_samples(name, split, tmp_path)


def test_halpe_keeps_the_body_of_136_and_takes_20_as_they_are(tmp_path: Path) -> None:
    slots = [v for slot in range(136) for v in (slot, slot, 2 if slot < 20 else 0.73)]
    content = {"images": [{"id": 7, "file_name": "7.jpg"}], "annotations": [person(1, keypoints=slots)]}
    path = put(tmp_path / "halpe/annotations/halpe_train_v1.json", content)
    whole = load_samples("halpe", "train", tmp_path)
    np.testing.assert_array_equal(whole["keypoints"][0][:, 0], np.arange(20))
    path.unlink()
    content["annotations"] = [person(1, keypoints=slots[:60])]
    put(tmp_path / "halpe/train.json", content)
    same(load_samples("halpe", "train", tmp_path), whole, "id", "image", "keypoints", "bbox")


def test_posetrack_drops_the_ears_and_reads_the_merge_alike(tmp_path: Path) -> None:
    slots = [v for slot in range(17) for v in (slot, slot, int(slot not in (3, 4)))]
    images = [
        {"id": 1, "file_name": "images/val/v/000000.jpg", "is_labeled": True},
        {"id": 2, "file_name": "images/val/v/000001.jpg", "is_labeled": False},
    ]
    one = {"images": images, "annotations": [person(9, 1, keypoints=slots, iscrowd=False)]}
    put(tmp_path / "posetrack18/annotations/val/000002_b.json", one)
    other = [{"id": 3, "file_name": "images/val/w/000000.jpg"}]
    two = {"images": other, "annotations": [person(10, 3, keypoints=slots)]}
    put(tmp_path / "posetrack18/annotations/val/000003_a.json", two)
    table = load_samples("posetrack18", "val", tmp_path)
    np.testing.assert_array_equal(table["keypoints"][0][:, 0], [0, 1, 2, *range(5, 17)])
    assert table.attrs["image_ids"] == [1, 3]
    assert table["image"][0] == str(tmp_path / "posetrack18/images/val/v/000000.jpg")
    merged = {part: one[part] + two[part] for part in one}
    shutil.rmtree(tmp_path / "posetrack18/annotations/val")
    put(tmp_path / "posetrack18/annotations/posetrack18_val.json", merged)
    same(load_samples("posetrack18", "val", tmp_path), table, "id", "image", "keypoints", "bbox")


def test_jrdb_tells_equal_image_ids_of_different_files_apart(tmp_path: Path) -> None:
    for camera in (0, 2):
        images = [{"id": 1, "file_name": f"image_{camera}/cafe/000000.jpg"}]
        content = {"images": images, "annotations": [person(1, 1)]}
        put(tmp_path / f"jrdb_pose/train_dataset/labels/labels_2d_pose_coco/cafe_image{camera}.json", content)
    table = load_samples("jrdb_pose", "train", tmp_path)
    assert list(table["id"]) == ["image_0/cafe/000000/1", "image_2/cafe/000000/1"]
    assert table["image"][1] == str(tmp_path / "jrdb_pose/train_dataset/images/image_2/cafe/000000.jpg")


def test_human36m_finds_images_by_bare_and_by_full_names(tmp_path: Path) -> None:
    full = "S9/S9_Walking_1.55011271/S9_Walking_1.55011271_000006.jpg"
    for name in (full, Path(full).name):
        content = {"images": [{"id": 1, "file_name": name}], "annotations": [person(1, 1)]}
        put(tmp_path / "human36m_pose/annotation_body2d/h36m_coco_test.json", content)
        table = load_samples("human36m_pose", "test", tmp_path)
        assert table["image"][0] == str(tmp_path / "human36m_pose/images" / full)


AIC = "aic/ai_challenger_keypoint_validation_20170911"


def aic(tmp_path: Path, **changes: Any) -> pd.DataFrame:
    joints = {"human2": [9, 9, 1] * 14, "human10": [4, 5, 2] * 13 + [0, 0, 3]}
    entry = {"url": "", "image_id": "ab", "human_annotations": {"human10": [1, 2, 5, 8], "human2": [0, 0, 9, 9]}}
    second = {"url": "", "image_id": "aa", "human_annotations": {}, "keypoint_annotations": {}}
    (tmp_path / AIC / "keypoint_validation_images_20170911").mkdir(parents=True, exist_ok=True)
    content = [entry | {"keypoint_annotations": joints} | changes, second]
    put(tmp_path / AIC / "keypoint_validation_annotations_20170911.json", content)
    return load_samples("aic", "val", tmp_path)


def test_aic_turns_codes_and_corners_around(tmp_path: Path) -> None:
    table = aic(tmp_path)
    assert list(table["id"]) == ["ab/1", "ab/2"]  # human2 comes before human10
    assert table.attrs["image_ids"] == ["aa", "ab"]
    np.testing.assert_array_equal(table["keypoints"][0], [[9, 9, 2]] * 14)
    np.testing.assert_array_equal(table["keypoints"][1], [[4, 5, 1]] * 13 + [[0, 0, 0]])
    np.testing.assert_array_equal(table["bbox"][1], [1, 2, 4, 6])
    assert table["area"][1] == 24


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"keypoint_annotations": {"human2": [9, 9, 1] * 14}}, r"entry 1 \(ab\) is malformed"),
        ({"human_annotations": {"person": [0, 0, 1, 1]}}, r"entry 1 \(ab\) is malformed"),
        ({"keypoint_annotations": {"human2": [9, 9, 0] * 14, "human10": [9, 9, 1] * 14}}, "image ab has the visib"),
        ({"keypoint_annotations": {"human2": [9, 9, 1] * 13, "human10": [9, 9, 1] * 13}}, "expected any x 42"),
        ({"human_annotations": {"human2": [0, 0, 1], "human10": [1, 2, 3, 4]}}, "'human_annotations' is not an array"),
    ],
)
def test_aic_names_file_and_entry(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError, match=f"keypoint_validation_annotations_20170911.json.*{named}"):
        aic(tmp_path, **changes)


@needs_samples
def test_aic_official_and_converted_files_hold_the_same_rows(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "AIC" / Path(AIC).name, tmp_path / AIC, ignore=shutil.ignore_patterns("*.json"))
    (tmp_path / "aic/annotations").mkdir()
    shutil.copy(SAMPLES / "AIC/annotations/aic_val_mmpose_coco_style.json", tmp_path / "aic/annotations/aic_val.json")
    converted = load_samples("aic", "val", tmp_path)
    name = "keypoint_validation_annotations_20170911.json"
    shutil.copy(SAMPLES / "AIC" / Path(AIC).name / name, tmp_path / AIC)
    official = load_samples("aic", "val", tmp_path)
    assert list(official.columns) == list(converted.columns)
    same(official, converted, *official.columns)
    assert [remark.rpartition(", ")[2] for remark in converted.attrs["remarks"]] == ["a conversion"]
    assert official.attrs == converted.attrs | {"remarks": []}
    assert "054d9ce9201beffc76e5ff2169d2af2f027002ca/3" in set(official["id"])


@needs_samples
def test_aic_example_of_the_challenge(tmp_path: Path) -> None:
    (tmp_path / AIC / "keypoint_validation_images_20170911").mkdir(parents=True)
    example = SAMPLES / "annotations/keypoint_annotations_example.json"
    shutil.copy(example, tmp_path / AIC / "keypoint_validation_annotations_20170911.json")
    table = load_samples("aic", "val", tmp_path)
    assert len(table) == 2761
    assert len(table.attrs["image_ids"]) == 1000
    codes = np.stack(list(table["keypoints"]))[..., 2]
    # counted in the file itself: 24,158 times 1, 8,578 times 2, 5,918 times 3
    assert [int((codes == v).sum()) for v in (2, 1, 0)] == [24158, 8578, 5918]


def mpii(tmp_path: Path, people: int = 2, **head: Any) -> pd.DataFrame:
    joints = [[10.0 + k, 20.0 + k] for k in range(15)] + [[-1.0, -1.0]]
    entry = {"joints": joints, "joints_vis": [1] * 15 + [0], "center": [50.0, 60.0], "scale": 0.5}
    put(tmp_path / "mpii/annotations/mpii_val.json", [entry | {"image": f"{n}.jpg"} for n in range(people)])
    if head:
        scipy.io.savemat(tmp_path / "mpii/annotations/mpii_gt_val.mat", head)
    return load_samples("mpii", "val", tmp_path)


def heads(people: int, shift: float = 0.0) -> dict[str, Any]:
    joints = np.array([[10.0 + k, 20.0 + k] for k in range(16)])[..., None].repeat(people, 2) + shift
    corners = np.array([[11.0, 12.0], [31.0, 42.0]])[..., None].repeat(people, 2)
    return {"headboxes_src": corners, "pos_gt_src": joints}


def test_mpii_counts_from_one(tmp_path: Path) -> None:
    table = mpii(tmp_path)
    assert list(table["id"]) == ["0.jpg/0", "1.jpg/1"]
    np.testing.assert_array_equal(table["keypoints"][0][0], [9, 19, 2])
    np.testing.assert_array_equal(table["keypoints"][0][15], [0, 0, 0])
    np.testing.assert_array_equal(table["center"][0], [49, 59])
    np.testing.assert_array_equal(table["bbox"][0], [-1, 9, 100, 100])
    assert np.isnan(table["headbox"][0]).all()
    # a joint that the JSON does not label may have any place in the head-box file
    np.testing.assert_array_equal(mpii(tmp_path, **heads(2))["headbox"][1], [[10, 11], [30, 41]])


def test_mpii_head_boxes_must_be_of_the_same_people(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mpii_gt_val.mat holds 3 people, .*mpii_val.json 2"):
        mpii(tmp_path, **heads(3))
    with pytest.raises(DataError, match=r"person 1 is not the same in .*mpii_gt_val.mat"):
        mpii(tmp_path, **heads(2, shift=5.0))
    with pytest.raises(DataError, match=r"mpii_gt_val.mat holds no 'headboxes_src'"):
        mpii(tmp_path, pos_gt_src=np.zeros((16, 2, 2)))
    put(tmp_path / "mpii/annotations/mpii_val.json", [{"image": "0.jpg", "joints": []}])
    with pytest.raises(DataError, match=r"mpii_val.json: person 1 has no 'joints_vis'"):
        load_samples("mpii", "val", tmp_path)


@needs_samples
def test_mpii_scores_of_the_published_predictions(tmp_path: Path) -> None:
    """The annotation file is rebuilt from the published head-box file, whose own predictions have known scores."""
    source = SAMPLES / "annotations/mpii_gt_val.mat"
    stored = scipy.io.loadmat(source)
    joints, missing = stored["pos_gt_src"].transpose(2, 0, 1), stored["jnt_missing"].T
    people = [
        {"image": f"{n}.jpg", "joints": j.tolist(), "joints_vis": (1 - m).tolist(), "center": [9, 9], "scale": 1}
        for n, (j, m) in enumerate(zip(joints, missing.astype(int), strict=True))
    ]
    put(tmp_path / "mpii/annot/valid.json", people)
    shutil.copy(source, tmp_path / "mpii/annot/gt_valid.mat")
    table = load_samples("mpii", "val", tmp_path)
    assert len(table) == 2958
    truth, boxes = np.stack(list(table["keypoints"])), np.stack(list(table["headbox"]))
    np.testing.assert_allclose(boxes + 1, stored["headboxes_src"].transpose(2, 0, 1))
    predictions = stored["pos_pred_src"].transpose(2, 0, 1) - 1
    scores = metrics.pckh(predictions, truth[..., :2] + 1, truth[..., 2] == 0, boxes)
    assert scores["PCKh@0.5"] == pytest.approx(82.3367, abs=5e-5)
    assert scores["PCKh@0.1"] == pytest.approx(28.9748, abs=5e-5)


@needs_samples
def test_real_files_have_their_known_content(tmp_path: Path) -> None:
    for name, folder in {"coco_pose": "COCO", "mpii": "MPII", "posetrack18": "PoseTrack18"}.items():
        (tmp_path / name).symlink_to(SAMPLES / folder)
    table = load_samples("coco_pose", "val", tmp_path)
    assert (len(table), len(table.attrs["image_ids"]), int(table["iscrowd"].sum())) == (118, 50, 1)
    assert sum((k[:, 2] > 0).any() for k in table["keypoints"]) == 68
    assert len(load_samples("mpii", "val", tmp_path)) == 5
    videos = load_samples("posetrack18", "val", tmp_path)
    assert len(videos) == 14
    (tmp_path / "merged/posetrack18/annotations").mkdir(parents=True)
    merged = SAMPLES / "PoseTrack18/posetrack_data/annotations/test_posetrack18_val.json"
    shutil.copy(merged, tmp_path / "merged/posetrack18/annotations/posetrack18_val.json")
    other = load_samples("posetrack18", "val", tmp_path / "merged")
    same(videos.sort_values("id"), other.sort_values("id"), "id", "keypoints", "bbox", "area")


def forms(value: Any, path: str = "") -> set[tuple[str, str]]:
    """Every key with the type of its values; elements of lists count as one."""
    if isinstance(value, dict):
        inner = [forms(v, f"{path}.{k}") for k, v in value.items()]
    elif isinstance(value, list):
        inner = [forms(v, f"{path}[]") for v in value]
    else:
        return {(path, type(value).__name__)}
    return {(path, type(value).__name__)}.union(*inner)


@needs_samples
@pytest.mark.parametrize(
    ("name", "mine", "real"),
    [
        ("coco_pose", "annotations/person_keypoints_val2017.json", "COCO/annotations/person_keypoints_val2017.json"),
        ("halpe", "halpe_val_v1.json", "Halpe/annotations/test_halpe.json"),
        (
            "posetrack18",
            "annotations/val/000001_mpii_test.json",
            "PoseTrack18/posetrack_data/annotations/val/012834_mpii_test.json",
        ),
        ("mpii", "annot/valid.json", "MPII/annot/valid.json"),
    ],
)
def test_written_files_look_like_the_real_ones(name: str, mine: str, real: str, tmp_path: Path) -> None:
    root, _ = on_disk(name, tmp_path)
    ours = json.loads((root / mine).read_text())
    theirs = json.loads((SAMPLES / real).read_text())
    assert forms(ours) <= forms(theirs) | {(path, "float") for path, kind in forms(theirs) if kind == "int"}
    records = [(ours, theirs)] if name == "mpii" else [(ours[k], theirs[k]) for k in ("images", "annotations")]
    for written_records, real_records in records:
        assert set(written_records[0]) == set(real_records[0])


@needs_samples
def test_written_aic_and_head_boxes_look_like_the_real_ones(tmp_path: Path) -> None:
    root, _ = on_disk("aic", tmp_path)
    ours = json.loads((root / Path(AIC).name / "keypoint_validation_annotations_20170911.json").read_text())
    theirs = json.loads((SAMPLES / "annotations/keypoint_annotations_example.json").read_text())
    assert forms(ours) <= forms(theirs)
    assert set(ours[0]) == set(theirs[0])
    assert all(len(entry["image_id"]) == 40 for entry in ours)
    root, _ = on_disk("mpii", tmp_path)
    ours = scipy.io.loadmat(root / "annot/gt_valid.mat")
    theirs = scipy.io.loadmat(SAMPLES / "annotations/mpii_gt_val.mat")
    assert set(ours) == set(theirs)
    for key, array in theirs.items():
        if isinstance(array, np.ndarray):
            assert (ours[key].dtype, ours[key].shape[:-1]) == (array.dtype, array.shape[:-1])
    assert [str(n[0]) for n in ours["dataset_joints"][0]] == [str(n[0]) for n in theirs["dataset_joints"][0]]
