"""The copies as other programs read them: pycocotools, and MATLAB files by the accesses of public loaders."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from humanbench.data.writers.people import WITHOUT_PEOPLE
from tests.mannequin.copies import Copies, content
from tests.samples import SAMPLES, needs_samples

pytestmark = pytest.mark.xdist_group("mannequin")


def rows(table: Any) -> dict[str, list[Any]]:
    """Recorded rows by what their picture shows."""
    by_picture: dict[str, list[Any]] = {}
    for row in table.to_dict("records"):
        by_picture.setdefault(content(str(row["image"])), []).append(row)
    return by_picture


def stored(copies: Copies, name: str, *parts: str) -> Path:
    card, _ = copies.record(name)
    return copies.root.joinpath(name, card.reader.roots[0], *parts)


@pytest.mark.parametrize(
    ("name", "split", "files", "images"),
    [
        ("coco_pose", "train", "annotations/person_keypoints_train2017.json", "train2017"),
        ("coco_pose", "val", "annotations/person_keypoints_val2017.json", "val2017"),
        ("halpe", "train", "halpe_train_v1.json", "hico_20160224_det/images/train2015"),
        ("posetrack18", "val", "annotations/val/*.json", "."),
        ("jrdb_pose", "train", "labels/labels_2d_pose_coco/*.json", "images"),
        ("human36m_pose", "test", "annotation_body2d/h36m_coco_test.json", "images"),
        ("coco_person", "train", "annotations/instances_train2017.json", "train2017"),
        ("modanet", "train", "annotations/modanet2018_instances_train.json", "images"),
    ],
)
def test_pycocotools_loads_people_and_pictures(
    copies: Copies, name: str, split: str, files: str, images: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card, records = copies.record(name)
    ours = rows(records[split])
    seen = 0
    for path in sorted(stored(copies, name).glob(files)):
        coco = COCO(str(path))
        for image in coco.loadImgs(coco.getImgIds()):
            shown = ours.pop(content(str(stored(copies, name, images, image["file_name"]))), [])
            people = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
            seen += len(people)
            if card.task == "pose":
                assert len(people) == len(shown)
                labelled = sorted(int((row["keypoints"][:, 2] > 0).sum()) for row in shown)
                if name != "halpe":  # counts the keypoints of COCO alone
                    assert sorted(p["num_keypoints"] for p in people) == labelled
            elif card.task == "detection":
                assert len(people) == len(shown[0]["boxes"])
                for person in people:
                    assert coco.annToMask(person).shape == (image["height"], image["width"])
            else:
                label = np.zeros(shown[0]["label"].shape, np.uint8)
                for garment in people:
                    label[coco.annToMask(garment) > 0] = garment["category_id"]
                np.testing.assert_array_equal(label, shown[0]["label"])
    assert seen > 0
    assert not ours


def test_cocoeval_finds_the_truth_perfect(copies: Copies, capsys: pytest.CaptureFixture[str]) -> None:
    coco = COCO(str(stored(copies, "coco_pose", "annotations", "person_keypoints_train2017.json")))
    people = [a for a in coco.loadAnns(coco.getAnnIds()) if a["num_keypoints"]]
    results = [{k: a[k] for k in ("image_id", "category_id", "keypoints")} | {"score": 0.9} for a in people]
    evaluation = COCOeval(coco, coco.loadRes(results), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_pa100k(copies: Copies) -> None:
    card, records = copies.record("pa100k")
    mat = scipy.io.loadmat(stored(copies, "pa100k", "annotation", "annotation.mat"))
    assert [mat["attributes"][i][0][0] for i in range(26)] == list(card.labels.attributes)
    for split in ("train", "val", "test"):
        ours = rows(records[split])
        for name, label in zip(mat[f"{split}_images_name"], mat[f"{split}_label"], strict=True):
            (row,) = ours.pop(content(str(stored(copies, "pa100k", "release_data", "release_data", name[0][0]))))
            assert label.tolist() == [row[a] for a in card.labels.attributes]
        assert not ours


def test_peta(copies: Copies) -> None:
    card, records = copies.record("peta")
    peta = scipy.io.loadmat(stored(copies, "peta", "PETA.mat"))["peta"][0][0]
    names = [peta[1][i][0][0] for i in range(105)]
    chosen = [names.index(a) for a in card.labels.attributes]
    partition = peta[3][0][0][0][0]
    for part, split in enumerate(("train", "val", "test")):
        ours = rows(records[split])
        for number in partition[part][:, 0]:
            (row,) = ours.pop(content(str(stored(copies, "peta", "images", f"{number:05d}.png"))))
            assert peta[0][number - 1, 4:][chosen].tolist() == [row[a] for a in card.labels.attributes]
        assert not ours


def test_rapv2(copies: Copies) -> None:
    card, records = copies.record("rapv2")
    data = scipy.io.loadmat(stored(copies, "rapv2", "RAP_annotation", "RAP_annotation.mat"))["RAP_annotation"]
    chosen = data["selected_attribute"][0][0][0] - 1
    assert len(chosen) == len(card.labels.attributes) == 54
    partition = data["partition_attribute"][0][0][0][0]
    for split in ("train", "val", "test"):
        ours = rows(records[split])
        for number in partition[f"{split}_index"][0][0][0] - 1:
            name = data["name"][0][0][number][0][0]
            (row,) = ours.pop(content(str(stored(copies, "rapv2", "RAP_dataset", name))))
            assert data["data"][0][0][number][chosen].tolist() == [row[a] for a in card.labels.attributes]
        assert not ours


def test_cuhk03(copies: Copies) -> None:
    _, records = copies.record("cuhk03")
    mat = scipy.io.loadmat(stored(copies, "cuhk03", "cuhk03_new_protocol_config_detected.mat"))
    for split, index in (("train", "train_idx"), ("query", "query_idx"), ("gallery", "gallery_idx")):
        ours = rows(records[split])
        for number in mat[index].flatten() - 1:
            (row,) = ours.pop(content(str(stored(copies, "cuhk03", "images_detected", mat["filelist"][number][0][0]))))
            assert (mat["labels"][number][0], mat["camId"][number][0] - 1) == (row["pid"], row["camid"])
        assert not ours


@pytest.mark.parametrize("part", ["a", "b"])
def test_shanghaitech(copies: Copies, part: str) -> None:
    _, records = copies.record(f"shanghaitech_{part}")
    for split in ("train", "test"):
        folder = stored(copies, f"shanghaitech_{part}", f"part_{part.upper()}_final", f"{split}_data")
        assert folder.is_dir(), sorted(p.name for p in stored(copies, f"shanghaitech_{part}").iterdir())
        for picture, (row,) in _by_picture(folder / "images", records[split]):
            truth = scipy.io.loadmat(folder / "ground_truth" / f"GT_{picture.stem}.mat")["image_info"][0, 0][0, 0]
            np.testing.assert_allclose(truth[0], row["points"] + 1)
            assert int(truth[1][0, 0]) == row["count"]


def _by_picture(folder: Path, record: Any) -> Iterator[tuple[Path, list[Any]]]:
    ours = rows(record)
    for picture in sorted(folder.iterdir()):
        yield picture, ours.pop(content(str(picture)))
    assert not ours


def test_citypersons(copies: Copies) -> None:
    _, records = copies.record("citypersons")
    cells = scipy.io.loadmat(stored(copies, "citypersons", "annotations", "anno_val.mat"))["anno_val_aligned"].ravel()
    ours = rows(records["val"])
    for cell in cells:
        city, name, boxes = (cell[key][0, 0] for key in ("cityname", "im_name", "bbs"))
        path = stored(copies, "citypersons", "leftImg8bit", "val", city[0], name[0])
        (row,) = ours.pop(content(str(path)))
        assert len(boxes) == len(row["boxes"])
        if len(boxes):
            np.testing.assert_allclose(boxes[:, 1:5], row["boxes"], atol=0.501)
            np.testing.assert_array_equal(boxes[:, 0] != 1, row["ignore"])
    assert not ours


def test_mpii(copies: Copies) -> None:
    _, records = copies.record("mpii")
    mat = scipy.io.loadmat(stored(copies, "mpii", "annot", "gt_valid.mat"))
    people = json.loads(stored(copies, "mpii", "annot", "valid.json").read_text())
    assert mat["pos_gt_src"].shape == (16, 2, len(people))
    ours = rows(records["val"])
    for i, person in enumerate(people):
        (row, *_) = ours[content(str(stored(copies, "mpii", "images", person["image"])))]
        ours[content(str(stored(copies, "mpii", "images", person["image"])))].pop(0)
        seen = np.array(person["joints_vis"], bool)
        np.testing.assert_array_equal(mat["jnt_missing"][:, i] == 0, seen)
        np.testing.assert_allclose(np.array(person["joints"])[seen], row["keypoints"][seen, :2] + 1)
        np.testing.assert_allclose(mat["headboxes_src"][:, :, i], row["headbox"] + 1)
    assert not any(ours.values())


def test_3dhp(copies: Copies) -> None:
    card, records = copies.record("mpi_inf_3dhp")
    ours = rows(records["test"])
    for folder in sorted(stored(copies, "mpi_inf_3dhp", "mpi_inf_3dhp_test_set").iterdir()):
        with h5py.File(folder / "annot_data.mat") as file:
            points, valid = np.array(file["annot2"]), np.array(file["valid_frame"])
        assert points.shape[1:] == (1, len(card.labels.keypoints), 2)
        assert valid.all()
        for frame, there in enumerate(points[:, 0], start=1):
            (row,) = ours.pop(content(str(folder / "imageSequence" / f"img_{frame:06d}.jpg")))
            labelled = row["keypoints"][:, 2] > 0
            np.testing.assert_allclose(there[labelled], row["keypoints"][labelled, :2])
    assert not ours


def test_3dpw(copies: Copies) -> None:
    _, records = copies.record("threedpw")
    ours = rows(records["test"])
    root = stored(copies, "threedpw")
    for path in sorted((root / "sequenceFiles" / "test").glob("*.pkl")):
        with path.open("rb") as file:
            sequence = pickle.load(file, encoding="latin1")
        for frame in range(len(sequence["img_frame_ids"])):
            picture = root / "imageFiles" / sequence["sequence"] / f"image_{frame:05d}.jpg"
            shown = [actor[frame] for actor in sequence["poses2d"] if actor[frame].any()]
            recorded = ours.pop(content(str(picture)), [])
            assert len(shown) == len(recorded)
            for there, row in zip(shown, recorded, strict=True):
                labelled = row["keypoints"][:, 2] > 0
                np.testing.assert_allclose(there[:2, labelled].T, row["keypoints"][labelled, :2])
                np.testing.assert_array_equal(there[2] > 0, labelled)
    assert not ours


def test_parse27k(copies: Copies) -> None:
    _, records = copies.record("parse27k")
    root = stored(copies, "parse27k")
    with closing(sqlite3.connect(root / "annotations.sqlite3")) as database:
        people = database.execute(
            "SELECT directory, filename, COUNT(*) FROM Pedestrian JOIN Image USING (imageID) JOIN Sequence "
            "USING (sequenceID) GROUP BY imageID"
        ).fetchall()
    ours = {key: shown for table in records.values() for key, shown in rows(table).items()}
    for directory, filename, count in people:
        assert count == len(ours.pop(content(str(root / "sequences" / directory / filename))))
    assert not ours


def test_crowdhuman(copies: Copies) -> None:
    _, records = copies.record("crowdhuman")
    ours = rows(records["val"])
    for line in stored(copies, "crowdhuman", "annotation_val.odgt").read_text().splitlines():
        picture = json.loads(line)
        (row,) = ours.pop(content(str(next(stored(copies, "crowdhuman").rglob(f"{picture['ID']}.jpg")))))
        people = [p for p in picture["gtboxes"] if p["tag"] == "person" and not p["extra"].get("ignore")]
        np.testing.assert_allclose([p["fbox"] for p in people], row["boxes"][~row["ignore"]], atol=0.501)
        np.testing.assert_allclose([p["hbox"] for p in people], row["head"][~row["ignore"]], atol=0.501)
    assert not ours


@needs_samples
def test_mhp_converted_as_the_real_sample_was(copies: Copies) -> None:
    """The sample is a public COCO-form conversion of the official files: rows 0-15 joints, 16-17 face, 18-19 box."""
    _, records = copies.record("mhp_pose")
    real = json.loads((SAMPLES / "MHP/annotations/test_mhp.json").read_text())
    card, _ = copies.record("mhp_pose")
    names = [n.lower().replace("-", "_") for n in real["categories"][0]["keypoints"]]
    assert names == list(card.labels.keypoints)
    ours = rows(records["val"])
    empty = {content(str(path)) for path, _ in records["val"].attrs[WITHOUT_PEOPLE]}
    root = stored(copies, "mhp_pose", "val")
    for number in (stored(copies, "mhp_pose", "list", "val.txt")).read_text().split():
        people = scipy.io.loadmat(root / "pose_annos" / f"{number}.mat")
        key = content(str(root / "images" / f"{number}.jpg"))
        recorded = ours.pop(key, [])
        assert bool(recorded) == (key not in empty)
        for i, row in enumerate(recorded):
            converted = _coco_form(people[f"person_{i}"])
            more = {"image_id", "category_id", "id", "iscrowd", "segmentation"}  # put there by the conversion
            assert converted.keys() == real["annotations"][0].keys() - more
            assert {k: np.shape(v) for k, v in converted.items()} == {
                k: np.shape(real["annotations"][0][k]) for k in converted
            }
            np.testing.assert_allclose(converted["bbox"], row["bbox"])
            assert (
                converted["num_keypoints"]
                == (row["keypoints"][:, 2] > 0).sum()
                - ((row["keypoints"][:, 2] > 0) & (row["keypoints"][:, :2] < 0).any(axis=1)).sum()
            )
    assert not ours


def _coco_form(matrix: np.ndarray) -> dict[str, Any]:
    assert matrix.shape == (20, 3)
    assert matrix.dtype == np.float64
    joints = matrix[:16].copy()
    joints[:, 2] = 2 - joints[:, 2]
    joints[(joints[:, :2] < 0).any(axis=1) | (joints[:, 2] == 0)] = 0
    face, box = (np.concatenate([m[0, :2], m[1, :2] - m[0, :2]]) for m in (matrix[16:18], matrix[18:20]))
    return {
        "num_keypoints": int((joints[:, 2] > 0).sum()),
        "keypoints": joints.ravel(),
        "bbox": box,
        "face_box": face,
        "area": box[2] * box[3],
    }
