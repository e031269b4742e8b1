"""What real annotation files and real folders hold, and toy data do not: nothing genuine is turned away."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner
from PIL import Image

from humanbench import metrics
from humanbench.cards import load_card
from humanbench.cli import main
from humanbench.data.samples import load_samples, read_subset
from humanbench.data.verify import verify
from humanbench.errors import DataError, DataWarning
from humanbench.hashing import content_sha256
from humanbench.leftovers import is_leftover
from humanbench.predictions.maps import find_maps
from tests.readers.disk import on_disk, put
from tests.samples import SAMPLES, needs_samples

LEFT = ("._{name}", "Thumbs.db", "desktop.ini", ".DS_Store")


class TestMpii:
    """Truth, flags and head sizes are those of the file that the official PCKh takes them from."""

    def table(self, tmp_path: Path, joints: np.ndarray, stored: np.ndarray, missing: np.ndarray | None = None) -> Any:
        people = len(joints)
        entry = {"joints_vis": [1] * 16, "center": [50, 60], "scale": 1.0}
        content = [entry | {"image": f"{n}.jpg", "joints": j.tolist()} for n, j in enumerate(joints)]
        put(tmp_path / "mpii/annot/valid.json", content)
        flags = np.zeros((16, people), np.uint8) if missing is None else missing
        heads = np.array([[11.0, 12.0], [31.0, 42.0]])[..., None].repeat(people, 2)
        variables = {"headboxes_src": heads, "pos_gt_src": stored.transpose(1, 2, 0), "jnt_missing": flags}
        scipy.io.savemat(tmp_path / "mpii/annot/gt_valid.mat", variables)
        return load_samples("mpii", "val", tmp_path)

    def joints(self, people: int = 1) -> np.ndarray:
        return np.random.default_rng(0).uniform(100, 300, (people, 16, 2))

    def test_a_joint_put_to_0_in_the_official_file_is_scored_there(self, tmp_path: Path) -> None:
        joints = self.joints()
        joints[0, 0] = (286, 219)
        stored = joints.copy()
        stored[0, 0] = (0, 219)
        table = self.table(tmp_path, joints, stored)
        np.testing.assert_array_equal(table["keypoints"][0][0], [-1, 218, 2])

    def test_flags_are_those_of_the_official_file(self, tmp_path: Path) -> None:
        missing = np.zeros((16, 1), np.uint8)
        missing[3] = 1
        table = self.table(tmp_path, self.joints(), self.joints(), missing)
        assert (table["keypoints"][0][:, 2] == 0).nonzero()[0].tolist() == [3]
        np.testing.assert_array_equal(table["keypoints"][0][3], [0, 0, 0])

    def test_another_order_is_told_by_most_joints(self, tmp_path: Path) -> None:
        joints = self.joints(3)
        with pytest.raises(DataError, match="person 2 is not the same"):
            self.table(tmp_path, joints, joints[[0, 2, 1]])

    @needs_samples
    def test_the_real_file_beside_true_places_of_its_clamped_joints(self, tmp_path: Path) -> None:
        """The 13 joints of 10 people that it puts to 0: an annotation has them elsewhere, the score stays official."""
        source = scipy.io.loadmat(SAMPLES / "annotations/mpii_gt_val.mat")
        stored, missing = source["pos_gt_src"].transpose(2, 0, 1), source["jnt_missing"].T.astype(int)
        joints = np.where((stored == 0) & (missing == 0)[..., None], 286.0, stored)
        assert int((joints != stored).any(axis=(1, 2)).sum()) == 10
        people = [
            {"image": f"{n}.jpg", "joints": j.tolist(), "joints_vis": (1 - m).tolist(), "center": [9, 9], "scale": 1}
            for n, (j, m) in enumerate(zip(joints, missing, strict=True))
        ]
        put(tmp_path / "mpii/annot/valid.json", people)
        (tmp_path / "mpii/annot/gt_valid.mat").symlink_to(SAMPLES / "annotations/mpii_gt_val.mat")
        table = load_samples("mpii", "val", tmp_path)
        truth, heads = np.stack(list(table["keypoints"])), np.stack(list(table["headbox"]))
        predictions = source["pos_pred_src"].transpose(2, 0, 1) - 1
        scores = metrics.pckh(predictions, truth[..., :2] + 1, truth[..., 2] == 0, heads)
        assert scores["PCKh@0.5"] == pytest.approx(82.3367, abs=5e-5)
        assert scores["PCKh@0.1"] == pytest.approx(28.9748, abs=5e-5)


class TestRowsThatNothingUses:
    def test_a_frame_of_penn_action_without_a_person_warns_with_its_number(self, tmp_path: Path) -> None:
        root = on_disk("penn_action", tmp_path)[0]
        path = root / "labels/0001.mat"
        content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
        content["bbox"][0] = (0.75, 0.75, 0, 0)
        content["visibility"][0] = 0
        scipy.io.savemat(path, content)
        rows = [r for r in verify(load_card("penn_action"), tmp_path).rows if r.check == "labels" and r.status != "ok"]
        assert [(r.status, str(r.found).split(" of ")[0]) for r in rows] == [("warn", "1")]
        assert "have a box without area: training and average precision leave them out" in str(rows[0].found)
        assert "0001/000001/0" in str(rows[0].found)

    def test_clips_of_penn_action_with_another_number_of_boxes_than_of_frames_are_said(self, tmp_path: Path) -> None:
        root = on_disk("penn_action", tmp_path)[0]
        path = root / "labels/0001.mat"
        content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
        frames = len(content["bbox"])
        split = "train" if content["train"][0, 0] == 1 else "test"
        content["bbox"] = content["bbox"][1:]
        scipy.io.savemat(path, content)
        text = rf"1 of \d clips state another number of boxes .* the first is 0001 \({frames - 1} for {frames} frames\)"
        with pytest.warns(DataWarning, match=text):
            load_samples("penn_action", split, tmp_path)
        content["x"], content["y"] = np.zeros_like(content["x"]), np.zeros_like(content["y"])
        content["visibility"] = np.ones_like(content["visibility"])
        scipy.io.savemat(path, content)
        texts = " ".join(str(r.found) for r in verify(load_card("penn_action"), tmp_path).rows if r.check == "labels")
        assert "have all their joints in one place" in texts
        assert "have most of their joints outside their box" in texts

    def test_boxes_of_minus_1_and_swapped_corners_of_mhp_warn(self, tmp_path: Path) -> None:
        root = on_disk("mhp_pose", tmp_path)[0]
        path = next((root / "train/pose_annos").glob("*.mat"))
        content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
        name = next(iter(sorted(content)))
        content[name] = content[name].astype(float)
        content[name][18:20, :2] = [[90, 80], [10, 20]]
        scipy.io.savemat(path, content)
        rows = [r for r in verify(load_card("mhp_pose"), tmp_path).rows if r.check == "labels" and r.split == "train"]
        assert [r.status for r in rows] == ["ok", "warn"]

    def test_labelled_people_of_area_0_warn(self, tmp_path: Path) -> None:
        root = on_disk("coco_pose", tmp_path)[0]
        path = root / "annotations/person_keypoints_val2017.json"
        content = json.loads(path.read_text())
        person = next(a for a in content["annotations"] if a["num_keypoints"] and not a["iscrowd"])
        person["area"] = 0
        put(path, content)
        rows = [r for r in verify(load_card("coco_pose"), tmp_path).rows if r.check == "labels" and r.split == "val"]
        assert any(r.status == "warn" and "an area of 0" in str(r.found) for r in rows)


def test_an_object_of_eurocity_without_identity_is_ignored_and_an_unknown_one_remarked(tmp_path: Path) -> None:
    def thing(identity: str | None, x: int) -> dict[str, Any]:
        return {"identity": identity, "x0": x, "y0": 1, "x1": x + 9, "y1": 31, "tags": [], "children": []}

    things = [thing(None, 1), thing("pedestrian", 2), thing("dragon", 3), thing("dragon", 4)]
    content = {"imagewidth": 1920, "imageheight": 1024, "children": things, "identity": "frame", "tags": []}
    folder = tmp_path / "eurocity_persons/ECP/day"
    put(folder / "labels/val/ulm/ulm_00000.json", content)
    put(folder / "img/val/ulm/ulm_00000.png", "")
    with pytest.warns(DataWarning, match=r"2 objects are of identities that the card does not know .*'dragon' \(2\)"):
        table = load_samples("eurocity_persons", "val", tmp_path)
    assert table["ignore"][0].tolist() == [True, False, True, True]
    assert table["labels"][0].tolist() == [-1, 0, -1, -1]
    remarks = [r for r in verify(load_card("eurocity_persons"), tmp_path).rows if r.check == "remark"]
    assert [(r.split, r.status) for r in remarks] == [("val", "warn")]


class TestRoots:
    @pytest.mark.parametrize("name", ["coco_person", "coco_pose"])
    def test_pictures_of_coco_lie_in_images_in_many_trees(self, tmp_path: Path, name: str) -> None:
        root = on_disk(name, tmp_path)[0]
        before = load_samples(name, "val", tmp_path)
        (root / "images").mkdir()
        for folder in ("train2017", "val2017"):
            (root / folder).rename(root / "images" / folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error", DataWarning)
            table = load_samples(name, "val", tmp_path)
        assert table["image"].tolist() == [p.replace("/val2017/", "/images/val2017/") for p in before["image"]]
        assert all(Path(path).is_file() for path in table["image"])

    def test_pictures_that_are_not_there_are_said_when_the_table_is_read(self, tmp_path: Path) -> None:
        root = on_disk("coco_pose", tmp_path)[0]
        table = load_samples("coco_pose", "val", tmp_path)
        gone = Path(table["image"][0])
        gone.unlink()
        with pytest.warns(DataWarning, match=rf"coco_pose val: 1 of \d+ pictures are not there, the first is {gone}"):
            table = load_samples("coco_pose", "val", tmp_path)
        assert len(table.attrs["remarks"]) == 1
        (root / "val2017").rename(root / "elsewhere")
        with pytest.warns(DataWarning, match=r"pictures are not there"):
            load_samples("coco_pose", "val", tmp_path)


def test_verify_prints_failures_as_whole_lines(tmp_path: Path) -> None:
    on_disk("crowdhuman", tmp_path)[0]
    gone = Path(load_samples("crowdhuman", "val", tmp_path)["image"][2])
    gone.unlink()
    done = CliRunner().invoke(main, ["datasets", "verify", "crowdhuman", "--data-root", str(tmp_path)])
    assert done.exit_code == 1
    expected = f"FAIL crowdhuman val, files: expected all there, found 1 missing, the first is {gone}"
    assert expected in done.output.splitlines()


class TestLeftovers:
    @pytest.mark.parametrize(
        ("path", "left"),
        [
            ("a/._b.png", True), ("__MACOSX/a/b.png", True), ("a\\Thumbs.db", True), ("Desktop.ini", True),
            ("a/.DS_Store", True), ("._a/b.png", True), ("a/b.png", False), ("a/_b.png", False),
        ],
    )  # fmt: skip
    def test_names(self, path: str, left: bool) -> None:
        assert is_leftover(path) == left

    @pytest.mark.parametrize(
        ("name", "split"),
        [
            ("atr", "val"), ("cihp", "train"), ("market1501", "gallery"), ("penn_action", "train"),
            ("mhp_pose", "train"), ("threedpw", "train"), ("posetrack18", "val"), ("jrdb_pose", "train"),
            ("aist_plusplus", "all"), ("eurocity_persons", "val"), ("caltech", "train_old"), ("caltech", "test"),
            ("shanghaitech_b", "test"), ("uav_human", "test"), ("prcc", "train"), ("deepfashion2", "validation"),
        ],
    )  # fmt: skip
    def test_every_folder_may_hold_them(self, tmp_path: Path, name: str, split: str) -> None:
        on_disk(name, tmp_path)[0]
        if name == "cihp":
            (tmp_path / "cihp/instance-level_human_parsing/Training/train_id.txt").unlink()
        if name == "atr":
            (tmp_path / "atr/train_id.txt").write_text("nothing_1\n")
        before = load_samples(name, split, tmp_path)
        for path in [p for p in (tmp_path / name).rglob("*") if p.is_file()]:
            for pattern in LEFT:
                (path.parent / pattern.format(name=path.name)).write_bytes(b"\x00\x05\x16\x07")
        after = load_samples(name, split, tmp_path)
        assert after["id"].tolist() == before["id"].tolist()

    def test_a_folder_and_a_zip_of_maps(self, tmp_path: Path) -> None:
        folder = tmp_path / "maps"
        folder.mkdir()
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "a.png")
        whole = content_sha256(folder)
        (folder / "._a.png").write_bytes(b"\x00\x05\x16\x07")
        (folder / ".DS_Store").write_bytes(b"\x00")
        assert [m.name for m in find_maps(folder)] == ["a.png"]
        assert content_sha256(folder) == whole
        with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
            archive.write(folder / "a.png", "maps/a.png")
            archive.write(folder / "._a.png", "__MACOSX/maps/._a.png")
        assert [m.name for m in find_maps(tmp_path / "maps.zip")] == ["maps/a.png"]


class TestFormsOfFiles:
    def test_a_subset_with_a_byte_order_mark(self, tmp_path: Path) -> None:
        on_disk("pa100k", tmp_path)[0]
        first = load_samples("pa100k", "val", tmp_path)["id"][0]
        path = tmp_path / "part.csv"
        path.write_text(f"split,id\nval,{first}\n", encoding="utf-8-sig")
        assert load_samples("pa100k", "val", tmp_path, path)["id"].tolist() == [first]
        path = tmp_path / "part.toml"
        path.write_text(f'val = ["{first}"]\n', encoding="utf-8-sig")
        assert load_samples("pa100k", "val", tmp_path, path)["id"].tolist() == [first]

    @pytest.mark.parametrize("value", ['"12"', "1", "{a = 1}", "[[1]]", "[true]", "2026-01-01"])
    def test_a_subset_is_an_array_of_ids(self, tmp_path: Path, value: str) -> None:
        path = tmp_path / "part.toml"
        path.write_text(f"val = {value}\n", encoding="utf-8")
        with pytest.raises(DataError, match=r"part\.toml: val must be an array of ids, like val = .*; found val = "):
            read_subset(path, "val")
        path.write_text('val = ["a", 12]\n', encoding="utf-8")
        assert read_subset(path, "val") == {"a", "12"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("split,id\nval,273272,1a\n", r"part\.csv, line 2: 3 cells under 2 columns; .* in quotes"),
            ("split,id\nval\n", r"part\.csv, line 2: 1 cells under 2 columns"),
            ("split;id\nval;1\n", r"part\.csv: a subset CSV has the columns split, id; .* separated by ';'"),
            ('split,id\nval,"a\n', r"part\.csv: not a readable CSV or TOML subset file"),
        ],
    )
    def test_a_line_of_a_subset_is_read_whole_or_not_at_all(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "part.csv"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_subset(path, "val")
        path.write_text('split,id\nval,"273272,1a"\n\ntest,b\n', encoding="utf-8")
        assert read_subset(path, "val") == {"273272,1a"}

    def test_heads_saved_again_as_matlab_73_are_the_same(self, tmp_path: Path) -> None:
        on_disk("shanghaitech_b", tmp_path)[0]
        before = load_samples("shanghaitech_b", "test", tmp_path)
        for path in tmp_path.rglob("GT_IMG_*.mat"):
            points = scipy.io.loadmat(path)["image_info"][0, 0]["location"][0, 0]
            path.unlink()
            with h5py.File(path, "w") as file:
                struct = file.create_group("#refs#/a")
                struct.attrs["MATLAB_class"] = np.bytes_("struct")
                struct.create_dataset("location", data=points.T).attrs["MATLAB_class"] = np.bytes_("double")
                cell = file.create_dataset("image_info", (1, 1), h5py.ref_dtype)
                cell.attrs["MATLAB_class"] = np.bytes_("cell")
                cell[0, 0] = struct.ref
        after = load_samples("shanghaitech_b", "test", tmp_path)
        for one, other in zip(before["points"], after["points"], strict=True):
            np.testing.assert_array_equal(one, other)

    def test_structs_that_matlab_73_stores_otherwise_are_a_sentence(self, tmp_path: Path) -> None:
        root = on_disk("peta", tmp_path)[0]
        (root / "PETA.mat").unlink()
        with h5py.File(root / "PETA.mat", "w") as file:
            file.create_group("peta").create_dataset("data", data=np.zeros((3, 3)))
        with pytest.raises(DataError, match=r"PETA\.mat was saved again as MATLAB 7\.3, .* save it with .* -v7"):
            load_samples("peta", "val", tmp_path)
