"""Values of another kind where annotation files hold numbers: one sentence, and nothing is taken for a number."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from humanbench.cards import load_card
from humanbench.data.readers import odgt
from humanbench.data.samples import load_samples
from humanbench.errors import DataError
from tests.evaluated import write_dataset

ODD = ("12", True, 10**400, "١٢", None, [1.0])

FIELDS = {
    "aic": [r"\d+\.human_annotations\.human1\.0", r"\d+\.keypoint_annotations\.human1\.1"],
    "aist_plusplus": [r"0\.size\.0", r"0\.matrix\.0\.0", r"0\.distortions\.1"],
    "caltech": [r"0\.0\.width", r"0\.1\.gtboxes\.0\.fbox\.0"],
    "coco_person": [r"images\.0\.height", r"annotations\.0\.bbox\.0"],
    "coco_pose": [r"images\.0\.height", r"annotations\.0\.(bbox|keypoints)\.0", r"annotations\.0\.area"],
    "crowdhuman": [r"1\.gtboxes\.0\.fbox\.0", r"1\.gtboxes\.0\.[vh]box\.0"],
    "eurocity_persons": ["imagewidth", r"children\.0\.x0"],
    "hardhc": [r"images\.0\.targets\.0\.(bbox|attribute)\.0"],
    "jrdb_pose": [r"annotations\.0\.(bbox|keypoints)\.0"],
    "mpii": [r"0\.(center|joints_vis)\.0", r"0\.scale", r"0\.joints\.0\.0"],
}
"""Numbers that are read, as paths of keys."""


def numbers(document: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, container and key of every number."""
    pairs = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(pairs):
        if isinstance(value, dict | list):
            yield from numbers(value, f"{path}{key}.")
        elif isinstance(value, int | float):
            yield f"{path}{key}", document, key


def read(name: str, root: Path) -> None:
    card = load_card(name)
    for split, described in card.splits.items():
        if described.labels != "withheld":
            load_samples(card, split, root)


@pytest.mark.parametrize("name", FIELDS)
def test_only_numbers_are_numbers(name: str, tmp_path: Path) -> None:
    write_dataset(load_card(name), tmp_path)
    read(name, tmp_path)
    wanted = re.compile("|".join(f"({pattern})" for pattern in FIELDS[name]))
    seen: set[str] = set()
    for path in sorted(p for p in tmp_path.rglob("*") if p.suffix in (".json", ".odgt")):
        text = path.read_text()
        content = [json.loads(line) for line in text.splitlines()] if path.suffix == ".odgt" else json.loads(text)
        for where, owner, key in numbers(content):
            if not wanted.fullmatch(where) or where in seen:
                continue
            seen.add(where)
            before = owner[key]
            for value in ODD:
                owner[key] = value
                path.write_text("\n".join(map(json.dumps, content)) if path.suffix == ".odgt" else json.dumps(content))
                with pytest.raises(DataError, match=re.escape(str(path))):
                    read(name, tmp_path)
            owner[key] = before
        path.write_text(text)
    assert len(seen) >= len(FIELDS[name])


@pytest.mark.parametrize(
    ("name", "file", "number"),
    [
        ("dgmarket", "**/DG-Market-metaLists.txt", r"(?<=\n)\d+"),
        ("msmt17", "**/list_train.txt", r"(?<= )\d+"),
        ("wider_pedestrian", "**/train_bbox.txt", r"(?<= )\d+"),
        ("widerperson", "**/Annotations/*.txt", r"(?<= )\d+"),
        ("caltech", "**/set*.txt", r"(?<= )\d+(?= )"),
    ],
)
def test_numbers_in_lists_are_digits_of_at_most_64_bits(name: str, file: str, number: str, tmp_path: Path) -> None:
    write_dataset(load_card(name), tmp_path)
    for path in tmp_path.glob(file):
        text = path.read_text()
        if re.search(number, text):
            break
    for odd in ("9" * 400, "9" * 5000, "１２", "٣", "1_0", "nan"):
        path.write_text(re.sub(number, odd, text, count=1))
        with pytest.raises(DataError, match=re.escape(str(path))):
            read(name, tmp_path)
    path.write_text(text)
    read(name, tmp_path)


def test_a_flag_is_no_text(tmp_path: Path) -> None:
    """ "0" would count as set: a person would be passed over."""
    write_dataset(load_card("coco_person"), tmp_path)
    (path,) = tmp_path.rglob("instances_val2017.json")
    content = json.loads(path.read_text())
    content["annotations"][0]["iscrowd"] = "0"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"instances_val2017\.json.*'0' is no whole number"):
        load_samples("coco_person", "val", tmp_path)


def test_a_damaged_variable_of_a_matlab_file_is_found_before_it_is_parsed(tmp_path: Path) -> None:
    """scipy ends the process on some of them; the sum of the stream tells."""
    write_dataset(load_card("pa100k"), tmp_path)
    (path,) = tmp_path.rglob("annotation.mat")
    content = path.read_bytes()
    assert content[128] == 15  # compressed
    for damaged in (
        content[:-5],
        content[: len(content) // 2],
        content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
        content[:400] + b"\x55" + content[400:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"annotation\.mat is not a readable MATLAB file"):
            load_samples("pa100k", "test", tmp_path)


def test_what_no_reader_foresaw_is_one_sentence(tmp_path: Path) -> None:
    """A name of 5,000 characters where a list names a file: the system refuses it."""
    write_dataset(load_card("aist_plusplus"), tmp_path)
    (path,) = tmp_path.rglob("mapping.txt")
    path.write_text(re.sub(r"setting\d+", "setting" + "9" * 5000, path.read_text()))
    with pytest.raises(DataError, match=r"^aist_plusplus: .*cannot be read \(File name too long\)"):
        load_samples("aist_plusplus", "all", tmp_path)


ODGT = {
    "ID": "a",
    "width": 10,
    "height": 8,
    "gtboxes": [
        {"tag": "person", "fbox": [1, 2, 3, 4], "vbox": [1, 2, 3, 4], "hbox": [0, 0, 1, 1], "extra": {"ignore": 1}},
        {"tag": "mask", "fbox": [-1, 2.5, 3, 4]},
    ],
}


@pytest.mark.parametrize(
    ("place", "values"),
    [
        (("ID",), [5, 5.5, None]),
        (("width",), [10.0, "10", None, -3, 2**70]),
        (("gtboxes", 0, "fbox"), [[1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, True], [1, 2, 3, 2**64], None]),
        (("gtboxes", 0, "vbox"), [None, [1, 2, 3, float("nan")]]),
        (("gtboxes", 0, "extra"), [None, {}, {"ignore": 2}, {"ignore": True}, {"ignore": 1.0}, {"ignore": "1"}]),
        (("gtboxes", 1, "tag"), [5, None, "person"]),
        (("gtboxes",), [[], {}, None]),
    ],
)
def test_odgt_is_read_alike_with_types_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, ...], values: list[Any]
) -> None:
    """What the quick reading takes is what the one that can say what is wrong takes, and no more."""
    typed, quick = odgt._typed, 0

    def rows(path: Path) -> str:
        try:
            return repr(list(odgt.odgt_rows(load_card("crowdhuman"), path)))
        except DataError as error:
            return str(error)

    for value in values:
        record: Any = copy.deepcopy(ODGT)
        inner = record
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        (tmp_path / "a.odgt").write_text(json.dumps(ODGT) + "\n" + json.dumps(record))
        monkeypatch.setattr(odgt, "_typed", typed)
        quick += typed(json.dumps(record)) is not None
        typed_rows = rows(tmp_path / "a.odgt")
        monkeypatch.setattr(odgt, "_typed", lambda line: None)
        assert typed_rows == rows(tmp_path / "a.odgt")
    assert typed(json.dumps(ODGT)) is not None
    assert quick < len(values)
