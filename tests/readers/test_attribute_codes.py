"""Attribute datasets whose labels are codes in JSON, in file names or in a database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from humanbench.cards import cards, load_card
from humanbench.data.samples import load_samples
from humanbench.errors import DataError
from tests.readers.disk import on_disk, put


@pytest.mark.parametrize("name", sorted(n for n, c in cards().items() if c.labels.groups and c.task == "attribute"))
def test_groups_are_made_of_attributes_in_order(name: str) -> None:
    labels = load_card(name).labels
    grouped = [a for names in labels.groups.values() for a in names]
    assert grouped == list(labels.attributes[-len(grouped) :])


# HARDHC


def wider(data_root: Path, targets: list[dict[str, Any]], folder: str = "Anno") -> Path:
    root = data_root / "hardhc"
    (root / "Image").mkdir(parents=True)
    images = [
        {"file_name": "val/1--Handshaking/b.jpg", "scene_id": 1, "targets": targets[:1]},
        {"file_name": "train/0--Parade/a.jpg", "scene_id": 0, "targets": targets},
        {"file_name": "train/0--Parade/nobody.jpg", "scene_id": 0, "targets": []},
    ]
    content = {"images": images, "attribute_id_map": {}, "scene_id_map": {}}
    return put(root / folder / "wider_attribute_trainval.json", content)


TARGETS = [
    {"attribute": [1, -1, 0, *[-1] * 11], "bbox": [10.5, 20, 30, 40]},
    {"attribute": [-1] * 14, "bbox": [1, 2, 3, 4]},
]


@pytest.mark.parametrize("folder", ["Anno", "Annotations", "."])
def test_hardhc_has_a_row_per_person_and_unspecified_is_unknown(tmp_path: Path, folder: str) -> None:
    wider(tmp_path, TARGETS, folder)
    table = load_samples("hardhc", "train", tmp_path)
    assert list(table["id"]) == ["train/0--Parade/a.jpg#0", "train/0--Parade/a.jpg#1"]
    assert table[["Male", "longHair", "sunglass"]].values.tolist() == [[1, 0, -1], [0, 0, 0]]
    assert table["bbox"][0] == [10.5, 20, 30, 40]
    assert Path(table["image"][1]) == tmp_path / "hardhc" / "Image" / "train/0--Parade/a.jpg"
    assert list(load_samples("hardhc", "val", tmp_path)["id"]) == ["val/1--Handshaking/b.jpg#0"]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            [TARGETS[0] | {"attribute": [1, 2]}],
            r"person 0 of .*\.jpg has 4 box values and 2 attributes; expected 4 and 14",
        ),
        ([TARGETS[0] | {"bbox": [1, 2, "wide", 4]}], r"person 0 of .*\.jpg needs the lists of numbers"),
        ([{"bbox": [1, 2, 3, 4]}], r"needs the lists of numbers .* \(KeyError: 'attribute'\)"),
        ([TARGETS[1], TARGETS[0] | {"attribute": [3] * 14}], "holds 3 for attribute Male in row 2"),
        ([], "no picture whose file_name starts with train/"),
    ],
)
def test_hardhc_people_must_be_whole(tmp_path: Path, targets: list[dict[str, Any]], message: str) -> None:
    wider(tmp_path, targets)
    with pytest.raises(DataError, match=message):
        load_samples("hardhc", "train", tmp_path)


def test_hardhc_broken_json_names_line_and_column(tmp_path: Path) -> None:
    path = wider(tmp_path, TARGETS)
    path.write_text('{"images": [\n  {"file_name": ]}')
    with pytest.raises(DataError, match=r"wider_attribute_trainval\.json, line 2 column 17: not valid JSON"):
        load_samples("hardhc", "train", tmp_path)
    path.write_text('{"pictures": []}')
    with pytest.raises(DataError, match="has no list `images`"):
        load_samples("hardhc", "train", tmp_path)


# UAV-Human


def uav(data_root: Path, *names: str) -> None:
    folder = data_root / "uav_human" / "uavhuman" / "train"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()


def test_uav_human_codes(tmp_path: Path) -> None:
    # P070... is the README's example: male, no backpack, red hat, upper purple (10) short, lower dark brown (9) short
    # P071...: female, backpack 5 = none, black hat; upper pink (11) and lower n/a (00) with n/a style: two people
    uav(
        tmp_path,
        "P070S01G10B00H10UC102000LC092000A031R0_09131758_117_bbox.jpg",
        "P071S01G21B51H20UC110012LC000092A031R0_09131758_117_bbox.jpg",
        "P072S01G00B40H50UC013000LC021000A031R0_09131758_1_bbox.jpg",
    )
    table = load_samples("uav_human", "train", tmp_path)
    assert list(table["male"]) == [1, 0, -1]
    names = [a for a in load_card("uav_human").labels.attributes if a != "male"]
    present = [[a for a in names if row[a] == 1] for _, row in table.iterrows()]
    assert present == [
        ["backpack none", "hat red", "upper purple", "upper style short", "lower dark brown", "lower style short"],
        ["backpack none", "hat black", "upper pink", "upper style n/a", "lower n/a", "lower style n/a"],
        ["backpack yellow", "hat none", "upper red", "upper style skirt", "lower black", "lower style long"],
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("person.jpg", r"person\.jpg is not named like P070"),
        ("P070S01G30B00H10UC102000LC092000A031R0_09131758_117_bbox.jpg", "holds the code 3, known are 1, 2, 0"),
        ("P070S01G10B00H10UC122000LC092000A031R0_09131758_117_bbox.jpg", "holds the code 12"),
        ("P070S01G10B00H10UC104000LC092000A031R0_09131758_117_bbox.jpg", "holds the code 4"),
    ],
)
def test_uav_human_odd_names(tmp_path: Path, name: str, message: str) -> None:
    uav(tmp_path, name)
    with pytest.raises(DataError, match=message):
        load_samples("uav_human", "train", tmp_path)


# PARSE-27k: the codes were compared by running psudowe/parse27k_tools' DataPreprocessorPARSE on a written copy


def test_parse27k_codes_sequences_and_sitting_people(tmp_path: Path) -> None:
    root, written = on_disk("parse27k", tmp_path)
    with sqlite3.connect(root / "annotations.sqlite3") as database:
        database.execute("UPDATE AttributeSet SET PostureID = 4 WHERE attributeSetID = 2")
        database.execute(
            "UPDATE AttributeSet SET PostureID = 3, OrientationID = 5, GenderID = 1 WHERE attributeSetID = 1"
        )
        database.execute(
            "UPDATE Pedestrian SET box_min_x = 3, box_min_y = 4, box_max_x = 13, box_max_y = 24 WHERE pedestrianID = 1"
        )
    database.close()
    table = load_samples("parse27k", "train", tmp_path)
    assert list(table["id"]) == [i for i in written["train"]["id"] if i != "2"]
    first = table.iloc[0]
    assert first["bbox"] == [3, 4, 10, 20]
    assert first[["Posture standing", "Orientation right", "Gender n/a"]].tolist() == [1, 1, 1]
    with sqlite3.connect(root / "annotations.sqlite3") as database:
        assert database.execute("SELECT DISTINCT sequenceID FROM Image").fetchall() == [(1,), (2,), (3,)]
        database.execute("UPDATE Image SET sequenceID = 7 WHERE sequenceID = 1")  # a sequence of val
        database.execute("UPDATE Sequence SET sequenceID = 7 WHERE sequenceID = 1")
    database.close()
    assert len(load_samples("parse27k", "val", tmp_path)) == 12 + 11
    with pytest.raises(DataError, match=r"no pedestrian in the sequences of train, \(1, 4, 5\)"):
        load_samples("parse27k", "train", tmp_path)


def test_parse27k_flip_pairs_swap_left_and_right() -> None:
    labels = load_card("parse27k").labels
    for a, b in labels.flip_pairs:
        left, right = labels.attributes[a], labels.attributes[b]
        assert left != right
        assert left.replace("Left", "|").replace("left", "|") == right.replace("Right", "|").replace("right", "|") or (
            left.replace("right", "|") == right.replace("left", "|")
        )
    sided = {i for i, name in enumerate(labels.attributes) if "left" in name.lower() or "right" in name.lower()}
    assert {i for pair in labels.flip_pairs for i in pair} == sided


def test_parse27k_unknown_codes_and_foreign_files(tmp_path: Path) -> None:
    root, _ = on_disk("parse27k", tmp_path)
    path = root / "annotations.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE AttributeSet SET GenderID = 9 WHERE attributeSetID = 1")
    database.close()
    with pytest.raises(DataError, match="pedestrian 1 has GenderID 9; known are 1, 2, 3"):
        load_samples("parse27k", "train", tmp_path)
    for wrong, message in (("NULL", "has GenderID None"), ("'male'", "has GenderID 'male'")):
        with sqlite3.connect(path) as database:
            database.execute(f"UPDATE AttributeSet SET GenderID = {wrong} WHERE attributeSetID = 1")
        database.close()
        with pytest.raises(DataError, match=message):
            load_samples("parse27k", "train", tmp_path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE AttributeSet SET GenderID = 1")
        database.execute("UPDATE Pedestrian SET box_max_x = box_min_x WHERE pedestrianID = 3")
    database.close()
    with pytest.raises(DataError, match=r"the box of pedestrian 3 .* hold no area"):
        load_samples("parse27k", "train", tmp_path)
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE AttributeSet")
    database.close()
    with pytest.raises(DataError, match=r"is not the database of PARSE-27k \(no such table: AttributeSet\)"):
        load_samples("parse27k", "train", tmp_path)
    path.write_text("no database at all, but long enough to be looked at" * 30)
    with pytest.raises(DataError, match="file is not a database"):
        load_samples("parse27k", "train", tmp_path)
