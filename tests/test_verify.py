"""verify: small datasets, right ones and ones broken in one way each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from humanbench.cards import DatasetCard, Known, Split, load_card
from humanbench.data.fingerprint import fingerprint
from humanbench.data.report import Report, Row
from humanbench.data.samples import MARKER, load_samples
from humanbench.data.verify import measured, verify
from humanbench.errors import DataError
from humanbench.tasks.registry import task_for
from tests.readers.disk import on_disk
from tests.samples import SAMPLES, needs_samples


def written(name: str, data_root: Path) -> tuple[DatasetCard, Path]:
    """A small random copy of a dataset, and a card that states its counts."""
    card, (root, _) = load_card(name), on_disk(name, data_root)
    public = {s: d for s, d in card.splits.items() if d.labels != "withheld"}
    splits = {
        split: Split(**measured(card, load_samples(card, split, data_root)), labels=described.labels)
        for split, described in public.items()
    }
    return card.model_copy(update={"splits": dict(card.splits) | splits, "known": ()}), root


def trouble(report: Report) -> list[tuple[str, str, str]]:
    return [(row.check, row.split, row.status) for row in report.rows if row.status != "ok"]


def row(report: Report, check: str, split: str) -> Row:
    return next(r for r in report.rows if (r.check, r.split) == (check, split))


@pytest.mark.parametrize("name", ["market1501", "lip", "pa100k", "crowdhuman", "caltech", "shanghaitech_b", "aic"])
def test_a_right_copy_passes(name: str, tmp_path: Path) -> None:
    card, _ = written(name, tmp_path)
    report = verify(card, tmp_path, every=1)
    assert [t for t in trouble(report) if t[0] != "images with a box"] == []
    assert report.ok
    assert len(report.fingerprint) == 64
    checked = {split for split, described in card.splits.items() if described.labels != "withheld"}
    assert {r.split for r in report.rows if r.check == "pictures"} == checked


def test_an_absent_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        verify(load_card("market1501"), tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    card, root = written("crowdhuman", tmp_path)
    path = Path(load_samples(card, "val", tmp_path)["image"].iloc[3])
    path.unlink()
    report = verify(card, tmp_path, every=1)
    assert ("files", "val", "fail") in trouble(report)
    assert row(report, "files", "val").found == f"1 missing, the first is {path}"
    (root / "annotation_train.odgt").unlink()
    report = verify(card, tmp_path, every=1)
    assert ("structure", "train", "fail") in trouble(report)
    assert "annotation_train.odgt" in str(row(report, "structure", "train").found)
    assert report.fingerprint == ""


def test_a_split_that_nobody_uses_may_be_absent(tmp_path: Path) -> None:
    card, root = written("caltech", tmp_path)
    (root / "test_caltech_heavy_1xnew.odgt").unlink()
    report = verify(card, tmp_path)
    assert trouble(report) == [("structure", "test_heavy", "warn")]
    assert report.ok


def test_wrong_counts_fail_and_unsure_ones_warn(tmp_path: Path) -> None:
    card, _ = written("crowdhuman", tmp_path)
    right = card.splits["val"]
    wrong = right.model_copy(update={"samples": right.samples + 1, "persons": 7, "unsure": ("persons",)})
    report = verify(card.model_copy(update={"splits": dict(card.splits) | {"val": wrong}}), tmp_path)
    assert ("samples", "val", "fail") in trouble(report)
    assert ("persons", "val", "warn") in trouble(report)
    assert not report.ok
    samples_row = row(report, "samples", "val")
    assert (samples_row.expected, samples_row.found) == (right.samples + 1, right.samples)


def test_truncated_and_foreign_pictures_are_named(tmp_path: Path) -> None:
    card, _ = written("shanghaitech_b", tmp_path)
    images = [Path(p) for p in load_samples(card, "test", tmp_path)["image"]]
    images[4].write_bytes(images[4].read_bytes()[:700])
    report = verify(card, tmp_path, every=4)
    assert trouble(report) == [("pictures", "test", "fail")]
    assert str(images[4]) in str(row(report, "pictures", "test").found)
    images[4].write_text("no picture")
    text = str(row(verify(card, tmp_path, every=4), "pictures", "test").found)
    assert text.startswith("1 of 3 do not: ")
    assert verify(card, tmp_path, every=5).ok  # pictures 0, 5 and 10


def test_a_picture_known_to_be_damaged_warns(tmp_path: Path) -> None:
    card, _ = written("wider_pedestrian", tmp_path)
    path = Path(load_samples(card, "train", tmp_path)["image"].iloc[0])
    path.write_bytes(path.read_bytes()[:500])
    options = card.reader.options | {"damaged": [path.name]}
    changed = card.model_copy(update={"reader": card.reader.model_copy(update={"options": options})})
    assert row(verify(card, tmp_path, every=1), "pictures", "train").status == "fail"
    assert row(verify(changed, tmp_path, every=1), "pictures", "train").status == "warn"


def test_a_stated_size_that_is_not_the_pictures_fails(tmp_path: Path) -> None:
    card, _ = written("coco_person", tmp_path)
    image = load_samples(card, "val", tmp_path)["image"].iloc[0]
    Image.new("RGB", (31, 17)).save(image)
    report = verify(card, tmp_path, every=1)
    assert "is 31 x 17, the annotation says 160 x 120" in str(row(report, "sizes", "val").found)


def break_crowdhuman(root: Path) -> None:
    path = root / "annotation_val.odgt"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    people = next(line["gtboxes"] for line in lines if any(p["tag"] == "person" for p in line["gtboxes"]))
    next(p for p in people if p["tag"] == "person")["fbox"][2] = -4
    path.write_text("\n".join(map(json.dumps, lines)))


def test_a_box_without_area_is_out_of_range(tmp_path: Path) -> None:
    card, root = written("crowdhuman", tmp_path)
    break_crowdhuman(root)
    report = verify(card, tmp_path)
    assert trouble(report)[0] == ("labels", "val", "fail")
    assert "has a person's box without area" in str(row(report, "labels", "val").found)


def test_a_class_that_the_card_does_not_have_fails(tmp_path: Path) -> None:
    card, _ = written("lip", tmp_path)
    label = Path(load_samples(card, "val", tmp_path)["label"].iloc[0])
    with Image.open(label) as image:
        pixels = np.array(image)
    pixels[0, 0] = 77
    Image.fromarray(pixels).save(label)
    report = verify(card, tmp_path, every=1)
    assert ("maps", "val", "fail") in trouble(report)
    assert "holds the value 77" in str(row(report, "maps", "val").found)
    Image.fromarray(pixels[1:] * 0).save(label)
    assert "its picture" in str(row(verify(card, tmp_path, every=1), "maps", "val").found)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"v": 5}, "whose v is none of 0, 1, 2"),
        ({"x": np.nan}, "without finite coordinates"),
        ({"joints": 3}, "keypoints of shape (3, 3), the card has 14"),
        ({"w": np.nan}, "a box that is not finite"),
    ],
)
def test_keypoints_out_of_range(values: dict[str, Any], part: str) -> None:

    keypoints = np.tile([10.0, 20.0, 2.0], (values.get("joints", 14), 1))
    keypoints[1, 0], keypoints[1, 2] = values.get("x", 10.0), values.get("v", 2)
    box = np.array([1.0, 2.0, values.get("w", 3.0), 4.0])
    table = pd.DataFrame({"id": ["a/0"], "bbox": [box], "keypoints": [keypoints]})
    assert part in task_for(load_card("aic")).labels.problem(load_card("aic"), table)


def test_attributes_out_of_range() -> None:

    card = load_card("pa100k")
    table = pd.DataFrame({"id": ["1.jpg", "2.jpg"]} | {name: [0, 1] for name in card.labels.attributes})
    assert task_for(card).labels.problem(card, table) == ""
    table.loc[1, card.labels.attributes[3]] = 2
    assert (
        task_for(card).labels.problem(card, table)
        == f"2.jpg has {card.labels.attributes[3]} = 2, allowed are 0, 1 and -1 (unknown)"
    )


def test_labels_of_other_pictures_fail(tmp_path: Path) -> None:
    card, _ = written("shanghaitech_b", tmp_path)
    for path in load_samples(card, "test", tmp_path)["image"]:
        Image.new("L", (6, 4)).save(path)
    report = verify(card, tmp_path, every=1)
    assert trouble(report) == [("frame", "test", "fail")]


def test_the_fingerprint_is_the_documented_digest() -> None:
    card = load_card("market1501")
    table = pd.DataFrame({"id": ["b", "a"], "image": ["x", "y"], "pid": [7, 3], "camid": [0, 5]})
    content = b"split query 2\na\nb\n"
    for name, values in ((b"pid", (300, 700)), (b"camid", (500, 0))):
        content += b"column " + name + b"\n"
        content += np.array([1, 1, *values], "<i8").tobytes()
    assert fingerprint(card, {"query": table}) == hashlib.sha256(content).hexdigest()


def test_the_fingerprint_tells_content_not_place(tmp_path: Path) -> None:
    card, root = written("crowdhuman", tmp_path / "a")
    same, _ = written("crowdhuman", tmp_path / "b")
    first, second = verify(card, tmp_path / "a"), verify(same, tmp_path / "b")
    assert first.fingerprint == second.fingerprint
    release = Known(release="release one", fingerprint=first.fingerprint)
    known = card.model_copy(update={"known": (release,)})
    report = verify(known, tmp_path / "a")
    assert report.release == "release one"
    assert row(report, "fingerprint", "").status == "ok"
    break_crowdhuman(root)
    report = verify(known, tmp_path / "a")
    assert report.release == ""
    assert row(report, "fingerprint", "").status == "warn"


def test_known_files_are_recognised(tmp_path: Path) -> None:
    card, root = written("caltech", tmp_path)
    name = "test_caltech_heavy_1xnew.odgt"
    digest = hashlib.sha256((root / name).read_bytes()).hexdigest()
    for fingerprint_, status in ((digest, "ok"), ("0" * 64, "warn")):
        known = Known(release="the list", fingerprint=fingerprint_, of="file", file=name)
        report = verify(card.model_copy(update={"known": (known,)}), tmp_path)
        assert row(report, f"file {name}", "").status == status


def test_a_procedural_copy_is_held_against_its_marker(tmp_path: Path) -> None:
    card, _ = written("crowdhuman", tmp_path)
    digest = verify(card, tmp_path).fingerprint
    official = load_card("crowdhuman").model_copy(update={"known": (Known(release="real", fingerprint=digest),)})
    marker = tmp_path / "crowdhuman" / MARKER
    counts = {split: {"samples": 8, "persons": card.splits[split].persons} for split in ("train", "val")}
    marker.write_text(json.dumps({"splits": counts}))
    report = verify(official, tmp_path)
    assert trouble(report) == []
    assert report.release == "mannequin"
    assert "mannequin" in report.title
    counts["val"]["persons"] = 1
    marker.write_text(json.dumps({"splits": counts}))
    assert trouble(verify(official, tmp_path)) == [("persons", "val", "fail")]
    marker.write_text('{"splits": {"nowhere": {}}}')
    with pytest.raises(DataError, match=r"MANNEQUIN\.json: expected"):
        verify(official, tmp_path)


def test_a_report_is_plain_values(tmp_path: Path) -> None:
    card, _ = written("shanghaitech_b", tmp_path)
    report = verify(card, tmp_path)
    content = json.loads(json.dumps(report.as_dict()))
    assert content["ok"] is True
    assert content["dataset"] == "shanghaitech_b"
    assert content["rows"][0] == {
        "check": "structure", "split": "train", "expected": "readable", "found": "readable", "status": "ok"
    }  # fmt: skip


@needs_samples
def test_the_official_annotations_of_pa100k_are_recognised(tmp_path: Path) -> None:
    root = tmp_path / "pa100k"
    root.mkdir()
    (root / "annotation").symlink_to(SAMPLES / "PA-100K" / "annotation")
    (root / "release_data").symlink_to(SAMPLES / "PA-100K" / "release_data")
    card = load_card("pa100k")
    report = verify(card, tmp_path, every=500)
    assert report.release == "official annotation.mat"
    assert row(report, "fingerprint", "").status == "ok"
    assert [row(report, "samples", split).found for split in card.splits] == [80_000, 10_000, 10_000]
    tables = {split: load_samples(card, split, tmp_path) for split in card.splits}
    swapped = tables["train"].rename(columns={"Female": "Hat", "Hat": "Female"})
    assert fingerprint(card, tables) == report.fingerprint
    assert fingerprint(card, tables | {"train": swapped}) != report.fingerprint
