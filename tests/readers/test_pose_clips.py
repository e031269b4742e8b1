"""Traps of the keypoint formats in MATLAB files and pickles: MHP, Penn Action, 3DPW, MPI-INF-3DHP, AIST++."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench.cards import load_card
from humanbench.data.readers.aist_plusplus import project
from humanbench.data.readers.mpi_inf_3dhp import read as read_3dhp
from humanbench.data.readers.people import box_around
from humanbench.data.samples import load_samples
from humanbench.data.writers import writer_for
from humanbench.errors import DataError, DataWarning
from tests import make
from tests.samples import SAMPLES, needs_samples


def mat(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, content)


def mhp_person(code: int) -> np.ndarray:
    """Joint k at (10 + k, 20 + k), the first joint outside the image, the second at negative coordinates."""
    matrix = np.zeros((20, 3))
    matrix[:16] = [[10 + k, 20 + k, code] for k in range(16)]
    matrix[0] = [700, 20, 2]
    matrix[1, :2] = -1
    matrix[18:, :2] = [[5, 6], [45, 86]]
    return matrix


def test_mhp_turns_codes_around_and_orders_people_by_number(tmp_path: Path) -> None:
    people = {f"person_{n}": mhp_person(n % 2) for n in (10, 2, 1)}
    mat(tmp_path / "mhp_pose/LV-MHP-v2/val/pose_annos/900.mat", **people)
    mat(tmp_path / "mhp_pose/LV-MHP-v2/val/pose_annos/1000.mat", person_0=mhp_person(0))
    table = load_samples("mhp_pose", "val", tmp_path)
    assert list(table["id"]) == ["900/1", "900/2", "900/10", "1000/0"]
    assert [k[5, 2] for k in table["keypoints"]] == [1, 2, 2, 2]
    np.testing.assert_array_equal(table["keypoints"][0][:3], [[0, 0, 0], [0, 0, 0], [12, 22, 1]])
    np.testing.assert_array_equal(table["bbox"][0], [5, 6, 40, 80])
    assert table["area"][0] == 3200
    assert table["image"][3] == str(tmp_path / "mhp_pose/LV-MHP-v2/val/images/1000.jpg")


@pytest.mark.parametrize(
    ("matrix", "named"),
    [
        (np.zeros((16, 3)), r"'person_0' has the shape \(16, 3\), expected 20 x 3"),
        (mhp_person(3), "person_0 has a visibility other than 0, 1 and 2"),
    ],
)
def test_mhp_names_file_and_person(matrix: np.ndarray, named: str, tmp_path: Path) -> None:
    mat(tmp_path / "mhp_pose/train/pose_annos/12.mat", person_0=matrix)
    with pytest.raises(DataError, match=f"12.mat.*{named}"):
        load_samples("mhp_pose", "train", tmp_path)


@needs_samples
def test_mhp_in_the_form_of_mmpose(tmp_path: Path) -> None:
    (tmp_path / "mhp_pose/annotations").mkdir(parents=True)
    shutil.copy(SAMPLES / "MHP/annotations/test_mhp.json", tmp_path / "mhp_pose/annotations/mhp_train.json")
    table = load_samples("mhp_pose", "train", tmp_path)
    assert len(table) == 4
    assert table["image"][0] == str(tmp_path / "mhp_pose/train/images/10084.jpg")
    np.testing.assert_allclose(table["area"], [b[2] * b[3] for b in table["bbox"]])


def clip(path: Path, frames: int = 3, **changes: Any) -> None:
    seen = np.ones((frames, 13))
    seen[:, 4] = 0
    content = {
        "x": np.full((frames, 13), 21.0),
        "y": np.full((frames, 13), 1.0),
        "visibility": seen,
        "train": 1,
        "bbox": np.tile([11.0, 1.0, 31.0, 41.0], (frames, 1)),
        "dimensions": np.array([[270, 480, frames]]),
        "nframes": frames,
    }
    content.update(changes)
    mat(path, **{k: v for k, v in content.items() if v is not None})


def test_penn_action_counts_from_one_and_splits_by_flag(tmp_path: Path) -> None:
    clip(tmp_path / "penn_action/labels/0001.mat")
    clip(tmp_path / "penn_action/labels/0002.mat", train=-1, bbox=np.array([[11.0, 1.0, 31.0, 41.0]]))
    train, test = (load_samples("penn_action", split, tmp_path) for split in ("train", "test"))
    assert list(train["id"]) == ["0001/000001/0", "0001/000002/0", "0001/000003/0"]
    assert set(test["image_id"]) == {"0002/000001", "0002/000002", "0002/000003"}
    np.testing.assert_array_equal(train["keypoints"][0][3:5], [[20, 0, 2], [20, 0, 0]])
    np.testing.assert_array_equal(train["bbox"][0], [10, 0, 20, 40])
    assert train["size"][0] == (480, 270)
    # a frame without a box of its own gets the one around its joints, here a point
    np.testing.assert_array_equal(test["bbox"][2], [20, 0, 0, 0])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"visibility": None}, "0001.mat holds no 'visibility'"),
        ({"x": np.zeros((3, 12))}, r"0001.mat: 'x' has the shape \(3, 12\), expected 3 x 13"),
        ({"bbox": np.zeros((3, 5))}, "0001.mat: 'bbox' has the shape"),
        ({"train": -1}, "none of the 1 .mat files"),
    ],
)
def test_penn_action_names_file_and_field(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    clip(tmp_path / "penn_action/labels/0001.mat", **changes)
    with pytest.raises(DataError, match=named):
        load_samples("penn_action", "train", tmp_path)


def test_a_truncated_matlab_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "penn_action/labels/0001.mat"
    clip(path)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DataError, match=r"0001.mat is not a readable MATLAB file"):
        load_samples("penn_action", "train", tmp_path)


def sequence(tmp_path: Path, poses: Any, raw: bytes | None = None) -> pd.DataFrame:
    path = tmp_path / "threedpw/sequenceFiles/test/cafe_00.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw or pickle.dumps({"sequence": "cafe_00", "poses2d": poses}, protocol=2))
    return load_samples("threedpw", "test", tmp_path)


def poses(frames: int = 2) -> np.ndarray:
    """Joint k at (10 k, 100), found with growing confidence, the last frame without any joint."""
    one = np.stack([10.0 * np.arange(18), np.full(18, 100.0), np.arange(18) / 18])
    every = np.tile(one, (frames, 1, 1))
    every[-1] = 0
    return every


def test_threedpw_leaves_out_actors_that_were_not_found(tmp_path: Path) -> None:
    other = poses()
    other[1] = other[0]
    table = sequence(tmp_path, [poses(), other])
    assert list(table["id"]) == ["cafe_00/image_00000/0", "cafe_00/image_00000/1", "cafe_00/image_00001/1"]
    assert table.attrs["image_ids"] == ["cafe_00/image_00000", "cafe_00/image_00001"]
    assert table["image"][2] == str(tmp_path / "threedpw/imageFiles/cafe_00/image_00001.jpg")
    np.testing.assert_array_equal(table["keypoints"][0][:2], [[0, 100, 0], [10, 100, 2]])
    # labelled joints reach from 10 to 170: 160 wide, 1.2 times that about 90
    np.testing.assert_allclose(table["bbox"][0], [-6, 100, 192, 0])


def test_pickles_of_python_2_and_numpy_1_are_read(tmp_path: Path) -> None:
    raw = pickle.dumps({"sequence": "cafe_00", "poses2d": [poses()]}, protocol=2)
    assert b"cnumpy._core.multiarray\n" in raw
    assert b"X\x08\x00\x00\x00sequence" in raw
    old = raw.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    old = old.replace(b"X\x08\x00\x00\x00sequence", b"U\x08sequence")  # a byte string, as Python 2 wrote it
    assert len(sequence(tmp_path, None, old)) == 1


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('a pickle was run')",))


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (pickle.dumps(Trap()), "builtins.exec; only numpy arrays and plain values"),
        (pickle.dumps({"sequence": "x", "poses2d": Path("x")}), "pathlib"),
        (pickle.dumps({"sequence": "x", "poses2d": [poses()]})[:90], "not a readable pickle"),
        (b"PK\x03\x04 no pickle", "not a readable pickle"),
        (pickle.dumps([1, 2]), "is not a 3DPW sequence"),
        (pickle.dumps({"sequence": "x", "poses2d": 3}), "is not a 3DPW sequence"),
        (pickle.dumps({"sequence": "x", "poses2d": [poses(2), poses(3)]}), "different numbers of frames"),
        (pickle.dumps({"sequence": "x", "poses2d": [poses()[:, :2]]}), r"'poses2d' has the shape \(2, 2, 18\)"),
    ],
)
def test_pickles_that_are_refused(raw: bytes, named: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"cafe_00.pkl.*{named}"):
        sequence(tmp_path, None, raw)


def test_3dhp_takes_17_of_28_joints_up_to_the_nominal_frame(tmp_path: Path) -> None:
    card = load_card("mpi_inf_3dhp")
    options = card.reader.options | {"frames": {"S1": [2]}, "cameras": [0, 2]}
    card = card.model_copy(update={"reader": card.reader.model_copy(update={"options": options})})
    cells = np.empty((14, 1), object)
    for camera in range(14):
        joints = np.stack([np.arange(28) + 100.0 * camera, np.full(28, 50.0)], axis=1)
        joints[7, 1] = 2048  # head_top just below the image
        cells[camera, 0] = np.tile(joints.ravel(), (3, 1))
    mat(tmp_path / "S1/Seq1/annot.mat", annot2=cells)
    table = read_3dhp(card, "train", tmp_path)
    frames = ["S1_Seq1_Cam0_000001", "S1_Seq1_Cam0_000002", "S1_Seq1_Cam2_000001", "S1_Seq1_Cam2_000002"]
    assert list(table["image_id"]) == frames
    assert table["image"][2] == str(tmp_path / "images/S1_Seq1_Cam2_000001.jpg")
    stored = [7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6]
    np.testing.assert_array_equal(table["keypoints"][2][:, 0], 200.0 + np.array(stored))
    np.testing.assert_array_equal(table["keypoints"][2][:, 2], [0] + [2] * 16)
    mat(tmp_path / "S1/Seq1/annot.mat", annot2=np.zeros((14, 56)))
    with pytest.raises(DataError, match=r"annot.mat: 'annot2' is not a cell"):
        read_3dhp(card, "train", tmp_path)


def test_3dhp_test_keeps_valid_frames(tmp_path: Path) -> None:
    import h5py

    card = load_card("mpi_inf_3dhp")
    root = tmp_path / card.id
    root.mkdir()
    tables = make.tables(card, np.random.default_rng(5))
    written = writer_for(card).write(card, root, {"test": tables["test"]}, make.save)["test"]
    with h5py.File(root / "mpi_inf_3dhp_test_set/TS1/annot_data.mat", "r+") as file:
        file["valid_frame"][0] = 0
    table = load_samples(card, "test", tmp_path)
    assert list(table["id"]) == list(written["id"][1:])
    assert table["id"][0] == "TS1/img_000002/0"


@needs_samples
@pytest.mark.parametrize("part", ["train", "test"])
def test_3dhp_boxes_are_those_of_the_converter(part: str) -> None:
    stored = np.load(SAMPLES / f"MPI-INF-3DHP/annotations/test_3dhp_{part}.npz")
    joints = stored["part"].copy()
    joints[..., 2] = 1
    boxes = box_around(joints, square=True)
    np.testing.assert_allclose(boxes[:, :2] + boxes[:, 2:] / 2, stored["center"])
    np.testing.assert_allclose(boxes[:, 2:] / 200, stored["scale"][:, None].repeat(2, 1))


CAMERA = {
    "name": "c03",
    "size": [1000, 800],
    "matrix": [[1500.0, 0, 960], [0, 1480.0, 540], [0, 0, 1]],
    "rotation": [0.3, -0.2, 0.1],
    "translation": [10.0, -20, 400],
    "distortions": [-0.1, 0.05, 0.002, -0.003, 0.01],
}


def test_aist_projects_as_opencv() -> None:
    """Pixels of `cv2.projectPoints` (OpenCV 5.0.0) for these points and this camera."""
    points = np.array([[[0.0, 0, 0], [30, -50, 10], [-40, 20, -15], [12.5, 80, 33], [0, 0, -800], [np.nan] * 3]])
    expected = [
        [997.461112071991, 466.0582388446045],
        [0, 0],  # at (1122.6, 288.9), right of the image
        [847.0606680643003, 543.2387277955186],
        [979.8199207189327, 692.0855799843541],
        [0, 0],  # behind the camera
        [0, 0],
    ]
    pixels = project(load_card("aist_plusplus"), Path("c.json"), CAMERA, points)[0]
    np.testing.assert_allclose(pixels[:, :2], expected, atol=1e-9)
    np.testing.assert_array_equal(pixels[:, 2], [2, 0, 2, 2, 0, 0])
    wide = project(load_card("aist_plusplus"), Path("c.json"), CAMERA | {"size": [1920, 800]}, points)[0]
    np.testing.assert_allclose(wide[1], [1122.647703372308, 288.91002285658396, 2])


def aist(tmp_path: Path, ignored: str = "", mapping: str = "") -> pd.DataFrame:
    root = tmp_path / "aist_plusplus"
    for name in ("cameras", "keypoints3d"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for sequence in ("gBR_sBM_cAll_d04_mBR0_ch01", "gBR_sBM_cAll_d04_mBR0_ch02"):
        joints = np.zeros((25, 17, 3))
        joints[10:20] = np.nan
        (root / f"keypoints3d/{sequence}.pkl").write_bytes(pickle.dumps({"keypoints3d_optim": joints}))
        mapping += f"{sequence} setting3\n"
    (root / "cameras/mapping.txt").write_text(mapping)
    (root / "cameras/setting3.json").write_text(json.dumps([CAMERA | {"name": "c01"}, CAMERA]))
    (root / "ignore_list.txt").write_text(ignored)
    return load_samples("aist_plusplus", "all", tmp_path)


def test_aist_samples_frames_and_skips_ignored_sequences(tmp_path: Path) -> None:
    table = aist(tmp_path, ignored="gBR_sBM_cAll_d04_mBR0_ch02\n")
    videos = ["gBR_sBM_c01_d04_mBR0_ch01", "gBR_sBM_c03_d04_mBR0_ch01"]
    assert list(table["image_id"]) == [f"{v}/{f}" for v in videos for f in ("000000", "000020")]
    assert table.attrs["image_ids"] == [f"{v}/{f}" for v in videos for f in ("000000", "000010", "000020")]
    assert table["size"][0] == (1000, 800)
    assert len(aist(tmp_path)) == 8


def test_aist_names_what_is_missing(tmp_path: Path) -> None:
    aist(tmp_path)
    mapping = tmp_path / "aist_plusplus/cameras/mapping.txt"
    whole = mapping.read_text()
    mapping.write_text(whole.splitlines()[0])
    with pytest.raises(DataError, match=r"mapping.txt names no camera setting for the sequence gBR_.*_ch02"):
        load_samples("aist_plusplus", "all", tmp_path)
    mapping.write_text(whole)
    setting = tmp_path / "aist_plusplus/cameras/setting3.json"
    setting.write_text(json.dumps([{"name": "c01"}]))
    with pytest.raises(DataError, match=r"setting3.json is not a list of cameras with name, size"):
        load_samples("aist_plusplus", "all", tmp_path)
    setting.write_text(json.dumps([CAMERA | {"matrix": [[1, 2]]}]))
    with pytest.raises(DataError, match=r"setting3.json: 'matrix' has the shape \(1, 2\), expected 3 x 3"):
        load_samples("aist_plusplus", "all", tmp_path)


@pytest.mark.parametrize(
    ("name", "split", "file", "images"),
    [
        ("penn_action", "train", "train.json", "frames"),
        ("threedpw", "train", "dataset_merged.json", "imageFiles"),
        ("mpi_inf_3dhp", "train", "train.json", "processed/images"),
        ("aist_plusplus", "all", "train.json", "images"),
        ("jrdb_pose", "train", "train.json", "images"),
        ("mhp_pose", "train", "train.json", "train/images"),
    ],
)
def test_merged_files_are_read_where_the_official_ones_are_absent(
    name: str, split: str, file: str, images: str, tmp_path: Path
) -> None:
    joints = len(load_card(name).labels.keypoints)
    content = {
        "images": [{"id": 4, "file_name": "a/000001.jpg", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 4, "bbox": [1, 2, 3, 4], "keypoints": [5, 6, 2] * joints}],
    }
    (tmp_path / name).mkdir()
    (tmp_path / name / file).write_text(json.dumps(content))
    with pytest.warns(DataWarning, match=rf"{name} {split}: the annotations are those of .*{file}, a conversion"):
        table = load_samples(name, split, tmp_path)
    assert table.attrs["conversion"]
    assert table["image"][0] == str(tmp_path / name / images / "a/000001.jpg")
    (tmp_path / name / file).unlink()
    with pytest.raises(DataError, match=f"datasets show {name}"):
        load_samples(name, split, tmp_path)
