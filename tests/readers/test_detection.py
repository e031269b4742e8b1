"""Traps of the detection formats, on files written by hand in the official form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench.data.samples import load_samples
from humanbench.errors import CardError, DataError, DataWarning, WithheldError
from tests.readers.disk import put
from tests.samples import SAMPLES, needs_samples

# the first line of a published annotation_val.odgt, as quoted in a public converter, with a mask added
ODGT = (
    '{"ID": "273271,c9db000d5146c15", "gtboxes": ['
    '{"fbox": [72, 202, 163, 503], "tag": "person", "hbox": [171, 208, 62, 83], "extra": {"box_id": 0, "occ": 0}, '
    '"vbox": [72, 202, 163, 398], "head_attr": {"ignore": 0, "occ": 0, "unsure": 0}}, '
    '{"fbox": [-9, 180, 144, 499], "tag": "person", "hbox": [0, 0, 1, 1], "extra": {"box_id": 1, "ignore": 1}, '
    '"vbox": [0, 180, 135, 420], "head_attr": {}}, '
    '{"fbox": [1, 2, 3, 4], "tag": "mask", "hbox": [1, 2, 3, 4], "extra": {"ignore": 1}, "vbox": [1, 2, 3, 4]}]}'
)


def crowdhuman(root: Path, text: str, images: str = "Images") -> pd.DataFrame:
    put(root / "crowdhuman/annotation_val.odgt", text)
    put(root / f"crowdhuman/{images}/273271,c9db000d5146c15.jpg")
    return load_samples("crowdhuman", "val", root)


def test_crowdhuman_ignores_masks_and_flagged_people(tmp_path: Path) -> None:
    table = crowdhuman(tmp_path, ODGT + '\n{"ID": "273271,c9db000d5146c16", "gtboxes": []}\n')
    assert list(table["id"]) == ["273271,c9db000d5146c15", "273271,c9db000d5146c16"]
    assert Path(table["image"][0]).is_file()
    np.testing.assert_array_equal(table["ignore"][0], [False, True, True])
    np.testing.assert_array_equal(table["boxes"][0][1], [-9, 180, 144, 499])
    np.testing.assert_array_equal(table["visible"][0][0], [72, 202, 163, 398])
    np.testing.assert_array_equal(table["head"][0][0], [171, 208, 62, 83])
    assert table["boxes"][1].shape == (0, 4)
    assert table["ignore"][1].shape == (0,)
    assert "size" not in table


def test_crowdhuman_reads_the_one_line_form_with_sizes(tmp_path: Path) -> None:
    record = json.loads(ODGT) | {"width": 640, "height": 700}
    table = crowdhuman(tmp_path, json.dumps([record]))
    assert len(table) == 1
    assert table["size"][0] == (640, 700)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('{"ID": "x", "gtboxes": [', "not valid JSON"),
        ('{"ID": "x"}', "gtboxes"),
        ('{"ID": "x", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3]}]}', "four numbers"),
        ("17", "gtboxes"),
    ],
)
def test_a_corrupt_odgt_line_is_named(tmp_path: Path, line: str, part: str) -> None:
    with pytest.raises(DataError, match=rf"annotation_val\.odgt, line 2: .*{part}"):
        crowdhuman(tmp_path, f"{ODGT}\n{line}\n")


def test_crowdhuman_finds_images_of_separate_archives(tmp_path: Path) -> None:
    root = tmp_path / "crowdhuman"
    for part, name in (("01", "a"), ("02", "b")):
        put(root / f"CrowdHuman_train{part}/Images/{name}.jpg")
    put(root / "annotation_train.odgt", "\n".join(f'{{"ID": "{n}", "gtboxes": []}}' for n in "ba"))
    table = load_samples("crowdhuman", "train", tmp_path)
    assert [Path(p).parts[-3] for p in table["image"]] == ["CrowdHuman_train02", "CrowdHuman_train01"]
    put(root / "annotation_train.odgt", '{"ID": "c", "gtboxes": []}')
    with pytest.raises(DataError, match=r"annotated image c\.jpg is not in"):
        load_samples("crowdhuman", "train", tmp_path)


@pytest.mark.parametrize("name", ["crowdhuman", "widerperson", "eurocity_persons", "citypersons"])
def test_withheld_splits_say_what_to_use(tmp_path: Path, name: str) -> None:
    with pytest.raises(WithheldError, match="use val"):
        load_samples(name, "test", tmp_path)


def widerperson(root: Path, text: str) -> pd.DataFrame:
    put(root / "widerperson/train.txt", "000040\n")
    put(root / "widerperson/Images/000040.jpg")
    put(root / "widerperson/Annotations/000040.jpg.txt", text)
    return load_samples("widerperson", "train", root)


def test_widerperson_corners_classes_and_boxes_without_area(tmp_path: Path) -> None:
    table = widerperson(tmp_path, "4\n1 10 20 40 100\n3 5 6 7 8\n5 0 0 90 90\n2 50 60 50 80\n")
    np.testing.assert_array_equal(table["boxes"][0], [[10, 20, 30, 80], [5, 6, 2, 2], [0, 0, 90, 90], [50, 60, 0, 20]])
    np.testing.assert_array_equal(table["ignore"][0], [False, False, True, True])
    np.testing.assert_array_equal(table["labels"][0], [0, 2, 4, 1])
    assert table["visible"][0] is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1\n1 10 20 40\n", r"line 2: expected class x1 y1 x2 y2"),
        ("1\n1 10 x 40 50\n", r"line 2: expected class x1 y1 x2 y2"),
        ("1\n6 10 20 40 50\n", r"line 2: class 6 is not one of \[1, 2, 3, 4, 5\]"),
        ("1 10 20 40 50\n", r"line 1: expected the number of boxes"),
        ("2\n1 10 20 40 50\n", r"cut off: it states 2 boxes and holds 1"),
        ("", r"cut off"),
    ],
)
def test_corrupt_widerperson_files_are_named(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(DataError, match=rf"000040\.jpg\.txt.*{part}"):
        widerperson(tmp_path, text)


def test_widerperson_image_without_boxes(tmp_path: Path) -> None:
    assert widerperson(tmp_path, "0\n")["boxes"][0].shape == (0, 4)


def test_eurocity_nested_objects_are_ignored_boxes(tmp_path: Path) -> None:
    def thing(identity: str, x: int, *children: dict[str, object]) -> dict[str, object]:
        return {"identity": identity, "x0": x, "y0": 1, "x1": x + 9, "y1": 31, "tags": [], "children": list(children)}

    children = [thing("pedestrian", 1), thing("rider", 2, thing("bicycle", 3)), thing("person-group-far-away", 4)]
    frame = {"imagewidth": 1920, "imageheight": 1024, "children": children, "identity": "frame", "tags": []}
    folder = tmp_path / "eurocity_persons/ECP/day"
    put(folder / "labels/val/ulm/ulm_00001.json", json.dumps(frame | {"children": []}))
    put(folder / "labels/val/ulm/ulm_00000.json", json.dumps(frame))
    put(folder / "img/val/ulm/ulm_00000.png")
    table = load_samples("eurocity_persons", "val", tmp_path)
    assert list(table["id"]) == ["ulm_00000.png", "ulm_00001.png"]
    np.testing.assert_array_equal(table["boxes"][0][:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(table["boxes"][0][:, 2:], [[9, 30]] * 4)
    np.testing.assert_array_equal(table["ignore"][0], [False, True, True, True])
    assert table["size"][0] == (1920, 1024)
    assert table["boxes"][1].shape == (0, 4)
    put(folder / "labels/val/ulm/ulm_00002.json", json.dumps(frame | {"children": [thing("dragon", 1)]}))
    with pytest.warns(DataWarning, match="dragon"):
        table = load_samples("eurocity_persons", "val", tmp_path)
    assert table["ignore"][2].tolist() == [True]


def citypersons_cell(name: str, rows: list[list[int]], dtype: type = np.uint8) -> np.ndarray:
    entry = np.empty((1, 1), [("cityname", object), ("im_name", object), ("bbs", object)])
    entry[0, 0] = (name.split("_")[0], name, np.array(rows, dtype).reshape(-1, 10))
    return entry


def test_citypersons_bytes_do_not_overflow(tmp_path: Path) -> None:
    cells = np.empty((1, 2), object)
    rows = [[1, 200, 100, 100, 200, 7, 200, 100, 100, 50], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]]
    cells[0, 0] = citypersons_cell("aachen_000000_000019_leftImg8bit.png", rows)
    cells[0, 1] = citypersons_cell("ulm_000001_000019_leftImg8bit.png", [])
    root = tmp_path / "citypersons"
    (root / "leftImg8bit_trainvaltest/leftImg8bit/train").mkdir(parents=True)
    (root / "annotations").mkdir()
    scipy.io.savemat(root / "annotations/anno_train.mat", {"anno_train_aligned": cells})
    table = load_samples("citypersons", "train", tmp_path)
    box = table["boxes"][0][0]
    assert box[0] + box[2] == 300
    np.testing.assert_array_equal(table["ignore"][0], [False, True])
    np.testing.assert_array_equal(table["visible"][0][0], [200, 100, 100, 50])
    np.testing.assert_array_equal(table["labels"][0], [1, 0])
    assert table["image"][1].endswith("train/ulm/ulm_000001_000019_leftImg8bit.png")
    assert table["boxes"][1].shape == (0, 4)
    cells[0, 1] = citypersons_cell("ulm_000001_000019_leftImg8bit.png", [[9] * 10])
    scipy.io.savemat(root / "annotations/anno_train.mat", {"anno_train_aligned": cells})
    with pytest.raises(DataError, match=r"anno_train\.mat, cell 2 .*class 9"):
        load_samples("citypersons", "train", tmp_path)
    scipy.io.savemat(root / "annotations/anno_train.mat", {"other": cells})
    with pytest.raises(DataError, match=r"no variable anno_train_aligned; it has other"):
        load_samples("citypersons", "train", tmp_path)


def wider(root: Path, folders: dict[str, str], bbox: str, ignore: str = "") -> pd.DataFrame:
    base = root / "wider_pedestrian/WIDER_pd2019"
    for name, folder in folders.items():
        put(base / folder / name)
    put(base / "Annotations/train_list.txt", "".join(f"{name}\n" for name in folders))
    put(base / "Annotations/train_bbox.txt", bbox)
    put(base / "Annotations/train_ignore.txt", ignore)
    return load_samples("wider_pedestrian", "train", root)


def test_wider_pedestrian_lists_and_folders(tmp_path: Path) -> None:
    folders = {"sur00001.jpg": "sur_train", "ad00002.jpg": "ad_train/ad_03", "ad00003.jpg": "ad_train/ad_01"}
    table = wider(tmp_path, folders, "sur00001.jpg 1 2 30 40 5 6 7 8\nad00002.jpg\n", "ad00002.jpg 0 0 9 9\n")
    assert list(table["id"]) == list(folders)
    assert [Path(p).parent.name for p in table["image"]] == ["sur_train", "ad_03", "ad_01"]
    np.testing.assert_array_equal(table["boxes"][0], [[1, 2, 30, 40], [5, 6, 7, 8]])
    np.testing.assert_array_equal(table["ignore"][0], [False, False])
    np.testing.assert_array_equal(table["ignore"][1], [True])
    assert table["boxes"][2].shape == (0, 4)


def test_wider_pedestrian_flat_folder_and_errors(tmp_path: Path) -> None:
    one = {"sur00001.jpg": "Images"}
    assert wider(tmp_path, one, "")["image"][0].endswith("Images/sur00001.jpg")
    with pytest.raises(DataError, match=r"train_bbox\.txt, line 2: expected a name and four numbers"):
        wider(tmp_path, one, "sur00001.jpg\nsur00001.jpg 1 2 30\n")
    with pytest.raises(DataError, match=r"sur00009\.jpg has boxes but is not in train_list\.txt"):
        wider(tmp_path, one, "sur00009.jpg 1 2 30 40\n")


def coco(root: Path, **changed: object) -> pd.DataFrame:
    content: dict[str, object] = {
        "images": [{"id": 9, "file_name": "000000000009.jpg", "width": 64, "height": 48}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"id": 2, "image_id": 9, "category_id": 1, "bbox": [1.5, 2, 3, 4], "iscrowd": 0},
            {"id": 3, "image_id": 9, "category_id": 1, "bbox": [0, 0, 64, 20], "iscrowd": 1},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
    }
    put(root / "coco_person/coco/annotations/instances_val2017.json", json.dumps(content | changed))
    put(root / "coco_person/coco/images/val2017/000000000009.jpg")
    return load_samples("coco_person", "val", root)


def test_coco_keeps_people_and_crowds(tmp_path: Path) -> None:
    table = coco(tmp_path)
    np.testing.assert_array_equal(table["boxes"][0], [[1.5, 2, 3, 4], [0, 0, 64, 20]])
    np.testing.assert_array_equal(table["ignore"][0], [False, True])
    assert table["size"][0] == (64, 48)
    assert table["image_id"][0] == 9
    assert Path(table["image"][0]).is_file()


def test_coco_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"instances_val2017\.json has no category 'person'; it has pedestrain"):
        coco(tmp_path, categories=[{"id": 1, "name": "pedestrain"}])
    with pytest.raises(DataError, match=r"annotation 5 names an unknown image \(8\)"):
        coco(tmp_path, annotations=[{"id": 5, "image_id": 8, "category_id": 1, "bbox": [1, 2, 3, 4]}])
    with pytest.raises(DataError, match=r"is not a COCO instances file"):
        coco(tmp_path, images=[{"id": 9}])


@needs_samples
def test_real_coco_annotations(tmp_path: Path) -> None:
    (tmp_path / "coco_person").symlink_to(SAMPLES / "COCO")
    table = load_samples("coco_person", "val", tmp_path)
    # 404 annotations of all categories in 50 images, counted with json: 118 of people, one of them a crowd, 39 images
    assert len(table) == 50
    assert sum(map(len, table["boxes"])) == 118
    assert sum(int(flags.sum()) for flags in table["ignore"]) == 1
    assert sum(len(boxes) > 0 for boxes in table["boxes"]) == 39
    assert all(Path(path).is_file() for path in table["image"])


def test_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="caltech has no split 'test_new'"):
        load_samples("caltech", "test_new", tmp_path)
