"""Trees that people have instead of the archive's: the official files, moved or converted as toolchains do it."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench.cards import load_card
from humanbench.data.readers.citypersons import CitypersonsOptions as CityPersonsOptions
from humanbench.data.readers.rapv2 import V1_IMAGES
from humanbench.data.samples import load_samples
from humanbench.data.verify import verify
from humanbench.errors import DataError, DataWarning
from humanbench.predictions.names import named
from humanbench.tasks.detection import predictions as detection
from humanbench.tasks.pose import predictions as pose
from tests.readers.disk import on_disk, put

pytestmark = pytest.mark.filterwarnings("error::humanbench.errors.DataWarning")


def same(table: pd.DataFrame, before: pd.DataFrame, *columns: str) -> None:
    """Equal columns, and every picture is there."""
    for column in columns:
        for one, other in zip(table[column], before[column], strict=True):
            np.testing.assert_array_equal(one, other)
    assert all(Path(path).is_file() for path in table["image"])


@pytest.mark.parametrize(
    ("name", "split", "inner"),
    [
        ("pa100k", "val", "PA-100K/PA-100K"), ("market1501", "query", "Market-1501-v15.09.15/Market-1501-v15.09.15"),
        ("crowdhuman", "val", "CrowdHuman/CrowdHuman"), ("vip", "val", "VIP/VIP_Fine"), ("vip", "val", "VIP_Fine"),
        ("lip", "val", "LIP/LIP"), ("peta", "test", "PETA/PETA"), ("atr", "train", "ATR"),
    ],
)  # fmt: skip
def test_a_top_folder_may_be_doubled(tmp_path: Path, name: str, split: str, inner: str) -> None:
    root = on_disk(name, tmp_path)[0]
    before = load_samples(name, split, tmp_path)
    shutil.move(root, tmp_path / "whole")
    shutil.rmtree(tmp_path / name, ignore_errors=True)
    target = tmp_path / name / inner
    target.parent.mkdir(parents=True)
    shutil.move(tmp_path / "whole", target)
    same(load_samples(name, split, tmp_path), before, "id")


@pytest.mark.parametrize("renamed", [False, True])
def test_msmt17_in_the_form_of_market1501(tmp_path: Path, renamed: bool) -> None:
    root = on_disk("msmt17", tmp_path)[0]
    before = {split: load_samples("msmt17", split, tmp_path) for split in ("train", "query", "gallery")}
    target = tmp_path / "other/msmt17/MSMT17"
    for split, folder in (("train", "bounding_box_train"), ("query", "query"), ("gallery", "bounding_box_test")):
        (target / folder).mkdir(parents=True)
        for number, (path, pid, camid) in enumerate(before[split][["image", "pid", "camid"]].values.tolist()):
            name = f"{pid:04d}_c{camid + 1}_{number:04d}.jpg" if renamed else Path(path).name
            shutil.copy(path, target / folder / name)
    assert root.is_dir()
    for split, table in before.items():
        remark = pytest.warns(
            DataWarning, match=r"list_train \(30,248, on which the paper trains\) from those of list_val"
        )
        with remark if split == "train" else contextlib.nullcontext():
            samples = load_samples("msmt17", split, tmp_path / "other")
        pairs = sorted(zip(samples["pid"], samples["camid"], strict=True))
        assert pairs == sorted(zip(table["pid"], table["camid"], strict=True))
    counts = [r for r in verify(load_card("msmt17"), tmp_path / "other").rows if r.split == "train"]
    assert {(r.check, r.status) for r in counts} >= {("samples", "warn"), ("remark", "warn")}
    assert not [r for r in counts if r.status == "fail"]
    put(target / "query/person.jpg", "")
    with pytest.raises(DataError, match=r"person\.jpg tells no identity and camera 1\.\.15"):
        load_samples("msmt17", "query", tmp_path / "other")


def test_cihp_of_graphonomy_needs_its_lists(tmp_path: Path) -> None:
    root = on_disk("cihp", tmp_path)[0]
    before = {split: load_samples("cihp", split, tmp_path) for split in ("train", "val")}
    target = tmp_path / "other/cihp/CIHP_4w"
    (target / "lists").mkdir(parents=True)
    for split, part in (("train", "Training"), ("val", "Validation")):
        for folder in ("Images", "Category_ids"):
            shutil.copytree(root / part / folder, target / folder, dirs_exist_ok=True)
        shutil.copy(root / part / f"{split}_id.txt", target / "lists")
    for split, table in before.items():
        same(load_samples("cihp", split, tmp_path / "other"), table, "id")
    shutil.rmtree(target / "lists")
    with pytest.raises(DataError, match="no id list"):  # both splits lie in one folder
        load_samples("cihp", "train", tmp_path / "other")


@pytest.mark.parametrize(("flat", "place"), [(True, "list"), (False, "humanparsing/list"), (False, "list"), (True, "")])
def test_atr_in_its_trees(tmp_path: Path, flat: bool, place: str) -> None:
    root = on_disk("atr", tmp_path)[0]
    before = {split: load_samples("atr", split, tmp_path) for split in ("train", "val")}
    if flat:
        for folder in ("JPEGImages", "SegmentationClassAug"):
            (root / "humanparsing" / folder).rename(root / folder)
    (root / place).mkdir(parents=True, exist_ok=True)
    if place:
        (root / "train_id.txt").rename(root / place / "train_id.txt")
    for split, table in before.items():
        same(load_samples("atr", split, tmp_path), table, "id")


class TestShanghaiTech:
    def test_the_root_may_be_the_part(self, tmp_path: Path) -> None:
        root = on_disk("shanghaitech_a", tmp_path)[0]
        before = load_samples("shanghaitech_a", "test", tmp_path)
        shutil.move(root / "part_A_final", tmp_path / "part_A")
        shutil.rmtree(tmp_path / "shanghaitech_a")
        shutil.move(tmp_path / "part_A", tmp_path / "shanghaitech_a")
        same(load_samples("shanghaitech_a", "test", tmp_path), before, "id", "points")

    @pytest.mark.parametrize("place", ["train", "shanghaitech_part_B/train"])
    def test_density_maps_of_c3_are_refused_in_words(self, tmp_path: Path, place: str) -> None:
        put(tmp_path / "shanghaitech_b" / place / "den/1.csv", "0.5,0.5\n")
        put(tmp_path / "shanghaitech_b" / place / "img/1.jpg", "")
        with pytest.raises(DataError, match=r"density maps .* do not tell where the heads are"):
            load_samples("shanghaitech_b", "train", tmp_path)


class EasyDict(dict):  # type: ignore[type-arg]
    """As the package of this name pickles its class: items and attributes are the same."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.__dict__.update(content)


@pytest.mark.parametrize(("name", "split"), [("pa100k", "val"), ("peta", "test"), ("rapv2", "train")])
def test_pickled_attributes_of_the_fields_toolchains(
    tmp_path: Path, name: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = on_disk(name, tmp_path)[0]
    card = load_card(name)
    before = load_samples(name, split, tmp_path)
    names = list(card.labels.attributes)[::-1]
    table = before.sort_values("id", ascending=False)
    stray, rows = ["stray.png"], np.arange(len(table), 0, -1)
    content = EasyDict(
        {
            "image_name": stray + list(table["id"]),
            "label": np.concatenate([np.ones((1, len(names))), table[names].to_numpy()]).astype(int),
            "attr_name": names,
            "partition": EasyDict({split: rows if name == "pa100k" else [rows] * 5}),
        }
    )  # fmt: skip
    module = types.ModuleType("easydict")
    module.EasyDict = EasyDict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "easydict", module)
    monkeypatch.setattr(EasyDict, "__module__", "easydict")
    (root / "dataset.pkl").write_bytes(pickle.dumps(content))
    for path in root.rglob("*.mat"):
        path.unlink()
    with pytest.warns(
        DataWarning, match=rf"{name} {split}: the annotations are those of .*dataset\.pkl, a conversion$"
    ):
        samples = load_samples(name, split, tmp_path)
    same(samples.sort_values("id"), before.sort_values("id"), "id", *card.labels.attributes)


def test_the_file_of_rap_version_1_is_called_that(tmp_path: Path) -> None:
    root = on_disk("rapv2", tmp_path)[0]
    record = np.empty((1, 1), [("partion", object), ("label", object)])
    record[0, 0] = (np.zeros((1, 5)), np.zeros((V1_IMAGES, 3), np.uint8))
    scipy.io.savemat(root / "RAP_annotation/RAP_annotation.mat", {"RAP_annotation": record})
    with pytest.raises(
        DataError, match=r"RAP version 1 \(41,585 images\); this dataset is version 2, which has 84,928"
    ):
        load_samples("rapv2", "train", tmp_path)


class TestBoxes:
    def test_citypersons_as_cityscapes_distributes_it(self, tmp_path: Path) -> None:
        root = on_disk("citypersons", tmp_path)[0]
        card = load_card("citypersons")
        before = {split: load_samples("citypersons", split, tmp_path) for split in ("train", "val")}
        names = CityPersonsOptions.of(card).names
        for split, table in before.items():
            for row in table.itertuples():
                objects = [
                    {"label": names[k], "bbox": b, "bboxVis": v, "instanceId": 24000 + n}
                    for n, (k, b, v) in enumerate(zip(row.labels, row.boxes.tolist(), row.visible.tolist()))  # noqa: B905
                ]  # fmt: skip
                stem = row.id.removesuffix("_leftImg8bit.png")
                path = root / "gtBboxCityPersons" / split / stem.split("_")[0] / f"{stem}_gtBboxCityPersons.json"
                put(path, {"imgHeight": 1024, "imgWidth": 2048, "objects": objects})
        shutil.rmtree(root / "annotations")
        for split, table in before.items():
            same(load_samples("citypersons", split, tmp_path), table, "id", "boxes", "ignore", "visible", "labels")
        shutil.move(root / "gtBboxCityPersons", root.parent)  # beside the folder of the pictures
        path = root.parent / path.relative_to(root)
        for split, table in before.items():
            same(load_samples("citypersons", split, tmp_path), table, "id", "boxes", "ignore", "visible", "labels")
        put(path, {"imgHeight": 1024, "imgWidth": 2048, "objects": [{"label": "statue", "bbox": [1, 2, 3, 4]}]})
        with pytest.raises(DataError, match=r"_gtBboxCityPersons\.json: expected .*person group.* KeyError: 'statue'"):
            load_samples("citypersons", split, tmp_path)

    @pytest.mark.parametrize(
        ("name", "split", "file", "stated", "gone"),
        [
            ("crowdhuman", "train", "annotations/train.json", "{stem}.jpg", ["annotation_train.odgt"]),
            ("citypersons", "val", "val_gt.json", "{id}", ["annotations"]),
            ("citypersons", "train", "train.json", "leftImg8bit/train/{city}/{id}", ["annotations"]),
            ("eurocity_persons", "train", "day/day_train_all.json", "day/img/train/{city}/{id}", ["day/labels"]),
            ("wider_pedestrian", "train", "train.json", "{id}", ["Annotations"]),
            ("widerperson", "train", "WiderPerson_remove_no_person_img.json", "Images/{id}", ["Annotations"]),
            ("coco_person", "train", "coco_person_remove_no_person_img.json", "{id}", ["annotations"]),
        ],
    )
    def test_boxes_of_toolchains_in_the_form_of_coco(
        self, tmp_path: Path, name: str, split: str, file: str, stated: str, gone: list[str]
    ) -> None:
        root = on_disk(name, tmp_path)[0]
        before = load_samples(name, split, tmp_path)
        images, annotations = [], []
        for number, row in enumerate(before.itertuples(), 1):
            file_name = stated.format(id=row.id, stem=row.id, city=str(row.id).split("_")[0])
            images.append({"id": number, "file_name": file_name, "width": 64, "height": 48})
            for box, ignored in zip(row.boxes.tolist(), row.ignore, strict=True):
                number_of = len(annotations) + 1
                annotations.append(
                    {"id": number_of, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": int(ignored)}
                )
        if name == "citypersons" and split == "val":
            images = [{("im_name" if k == "file_name" else k): v for k, v in image.items()} for image in images]
        for path in gone:
            shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()
        categories = [{"id": 1, "name": "pedestrain" if name.startswith("wider_") else "person"}]
        put(root / file, {"images": images, "annotations": annotations, "categories": categories})
        with pytest.warns(DataWarning, match=rf"{name} {split}: the annotations are those of .*, a conversion"):
            table = load_samples(name, split, tmp_path)
        same(table, before, "id", "image", "boxes", "ignore")

    def test_other_categories_and_flags_are_boxes_to_ignore(self, tmp_path: Path) -> None:
        put(tmp_path / "wider_pedestrian/Images/a.jpg", "")
        boxes = [
            {"category_id": 1},
            {"category_id": 2},
            {"category_id": 1, "ignore": 1},
            {"category_id": 1, "iscrowd": 1},
        ]
        content = {
            "images": [{"id": 7, "file_name": "a.jpg", "width": 9, "height": 9}],
            "annotations": [b | {"id": n, "image_id": 7, "bbox": [1, 1, 2, 2]} for n, b in enumerate(boxes)],
            "categories": [{"id": 1, "name": "pedestrian"}, {"id": 2, "name": "cyclist"}],
        }
        put(tmp_path / "wider_pedestrian/val.json", content)
        with pytest.warns(DataWarning, match="a conversion"):
            table = load_samples("wider_pedestrian", "val", tmp_path)
        assert table["ignore"][0].tolist() == [False, True, True, True]
        put(tmp_path / "wider_pedestrian/val.json", content | {"categories": [{"id": 1, "name": "car"}]})
        with pytest.raises(DataError, match="has no category person or pedestrian"):
            load_samples("wider_pedestrian", "val", tmp_path)


class TestNumbersOfConversions:
    """Results may name images by the numbers of the COCO-form conversion that lies beside the official file."""

    def conversion(self, path: Path, names: list[str]) -> dict[str, int]:
        images = [{"id": 100 + n, "file_name": name} for n, name in enumerate(reversed(names))]
        put(path, {"images": images, "annotations": [], "categories": []})
        return {image["file_name"]: image["id"] for image in images}

    def test_crowdhuman(self, tmp_path: Path) -> None:
        root = on_disk("crowdhuman", tmp_path)[0]
        table = load_samples("crowdhuman", "val", tmp_path)
        numbers = self.conversion(root / "annotations/val.json", [f"{i}.jpg" for i in table["id"]])
        table = load_samples("crowdhuman", "val", tmp_path)
        results = [
            {"image_id": numbers[f"{i}.jpg"], "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1} for i in table["id"]
        ]
        put(tmp_path / "results.json", results)
        read = detection.predictions.read(load_card("crowdhuman"), {"val": table}, tmp_path / "results.json")
        assert read.rows.tolist() == list(range(len(table)))

    def test_caltech(self, tmp_path: Path) -> None:
        root = on_disk("caltech", tmp_path)[0]
        frames = [i.replace("_I", "_").rsplit("_", 1) for i in load_samples("caltech", "test", tmp_path)["id"]]
        numbers = self.conversion(root / "val.json", [f"{stem}_{int(frame)}.png" for stem, frame in frames])
        table = load_samples("caltech", "test", tmp_path)
        given = [str(numbers[f"{stem}_{int(frame)}.png"]) for stem, frame in frames]
        assert named(load_card("caltech"), table, given) == table["id"].tolist()

    def test_aic(self, tmp_path: Path) -> None:
        root = on_disk("aic", tmp_path)[0]
        ids = load_samples("aic", "val", tmp_path).attrs["image_ids"]
        numbers = self.conversion(root / "annotations/aic_val.json", [f"{i}.jpg" for i in ids])
        table = load_samples("aic", "val", tmp_path)
        results = [{"image_id": numbers[f"{ids[2]}.jpg"], "category_id": 1, "keypoints": [1.0] * 42, "score": 1}]
        put(tmp_path / "results.json", results)
        read = pose.predictions.read(load_card("aic"), {"val": table}, tmp_path / "results.json")
        assert list(read.image_ids) == [ids[2]]
