"""Bad predictions, one row each: exit code 2, one clear sentence on stderr, no traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import humanbench
from tests.evaluated import EXAMPLES, run


def refuse(name: str, root: Path, path: Path, *said: str) -> None:
    result = run("score", name, "--predictions", path, "--data-root", root, "--json")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("humanbench: ")
    assert result.stderr.count("\n") == 1, "one sentence on one line"
    assert "Traceback" not in result.stderr
    for part in said:
        assert part in result.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_missing_file_is_refused(name: str, written: Any, tmp_path: Path) -> None:
    refuse(name, written(name)[0], tmp_path / "nowhere", "nowhere: there is no such")


def test_an_unreadable_path_is_one_sentence_too(written: Any) -> None:
    refuse("shanghaitech_a", written("shanghaitech_a")[0], Path("x" * 300), "File name too long")


def test_an_interrupt_ends_with_130_and_no_traceback(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root, perfect, _ = written("shanghaitech_a")

    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("humanbench.scoring.bootstrap", interrupt)
    result = run("score", "shanghaitech_a", "--predictions", perfect, "--data-root", root)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "humanbench: interrupted\n")


# JSON ----------------------------------------------------------------------------------------------------------------

Edit = Callable[[list[dict[str, Any]]], Any]


def at(index: int, **fields: Any) -> Edit:
    """Change fields of one entry; None removes the field."""

    def edit(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        changed = {k: v for k, v in {**entries[index], **fields}.items() if v is not None}
        entries[index] = changed
        return entries

    return edit


JSON_ROWS: dict[str, tuple[str, Edit, tuple[str, ...]]] = {
    "no list": ("crowdhuman", lambda e: {"a": 1}, ("holds a JSON dict", "a list of objects")),
    "no object": ("crowdhuman", lambda e: [*e, 7], ("is not an object but 7",)),
    "another category": ("crowdhuman", at(1, category_id=3), ("entry 1 has category_id 3",)),
    "unknown image": ("crowdhuman", at(0, image_id="x" * 9), ("1 of its", "the first is 'xxxxxxxxx'", "looks like")),
    "no image": ("crowdhuman", at(2, image_id=None), ("entry 2 has no image_id",)),
    "image id of a wrong kind": ("crowdhuman", at(2, image_id=1.5), ("entry 2 has 1.5 as image_id",)),
    "NaN box": ("crowdhuman", at(3, bbox=[0, 0, float("nan"), 1]), ("entry 3 holds NaN or infinity in bbox",)),
    "infinite score": ("crowdhuman", at(3, score=float("inf")), ("entry 3 holds NaN or infinity in score",)),
    "no score": ("crowdhuman", at(1, score=None), ("entry 1 has no score",)),
    "score in words": ("crowdhuman", at(1, score="0.5"), ('entry 1 has "0.5" as score',)),
    "score that is true": ("crowdhuman", at(1, score=True), ("entry 1 has true as score",)),
    "score of 400 digits": ("crowdhuman", at(1, score=10**400), ("entry 1 has 1000000000",)),
    "box with true": (
        "crowdhuman",
        at(2, bbox=[1, 2, True, 4.5]),
        ("entry 2 has true among the numbers in bbox; expected",),
    ),
    "joint that is true": ("mpii", at(1, keypoints=[True, 1.0, 1.0] * 16), ("entry 1 has true among the numbers in",)),
    "joints in words": ("mpii", at(1, keypoints=["1", 1.0, 1.0] * 16), ('entry 1 has "1" among the numbers in',)),
    "category that is true": ("crowdhuman", at(1, category_id=True), ("entry 1 has category_id true",)),
    "box of negative size": ("crowdhuman", at(4, bbox=[5, 5, -1, 3]), ("entry 4 is a box of negative size",)),
    "box beyond numbers": ("crowdhuman", at(4, bbox=[5, 1e160, 1, 3]), ("entry 4 has a bbox beyond 1e+100",)),
    "box of a pose, of negative size": (
        "coco_pose",
        lambda e: [{**x, "bbox": [5, 5, -1, 3]} for x in e],
        ("entry 0 is a box of negative size",),
    ),
    "keypoint beyond numbers": ("coco_pose", at(1, keypoints=[1e160, 1.0, 1.0] * 17), ("a keypoint beyond 1e+100",)),
    "joint beyond numbers": ("mpii", at(1, keypoints=[1e160, 1.0, 1.0] * 16), ("has a joint beyond 1e+100",)),
    "box of three numbers": ("crowdhuman", at(4, bbox=[5, 5, 3]), ("entry 4 has 3 numbers in bbox; expected 4",)),
    "keypoints missing": ("coco_pose", at(0, keypoints=[1.0] * 48), ("entry 0 has 48 numbers", "of 17 keypoints")),
    "keypoints of all": (
        "coco_pose",
        lambda e: [{**x, "keypoints": x["keypoints"][:42]} for x in e],
        ("entry 0 has 42 numbers in keypoints", "51 (x, y, score of 17 keypoints)"),
    ),
    "NaN keypoint": ("coco_pose", at(1, keypoints=[float("nan")] * 51), ("entry 1 holds NaN",)),
    "unknown image of a person": ("coco_pose", at(1, image_id=-3), ("the first is '-3'",)),
    "person missing": ("mpii", lambda e: e[1:], ("1 of", "persons have no prediction, the first is")),
    "person twice": ("mpii", lambda e: [*e, e[0]], ("occurs 2 times, but every person has exactly one",)),
    "person unknown": ("mpii", at(0, annotation_id=10**6), ("the first is '1000000'",)),
    "person not named": ("mpii", at(0, annotation_id=None), ("entry 0 has no annotation_id",)),
    "person in a wrong image": ("mpii", lambda e: at(0, image_id=e[-1]["image_id"])(e), ("is in image", "not in")),
}


@pytest.mark.parametrize("row", JSON_ROWS)
def test_bad_json_is_refused(row: str, written: Any, tmp_path: Path) -> None:
    name, edit, said = JSON_ROWS[row]
    root, perfect, _ = written(name)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(edit(json.loads(perfect.read_text()))))
    refuse(name, root, path, *said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[\n{"image_id": 1,\n"score": }]', "line 3 column 10: not valid JSON"),
        (b"[" * 100_000, "not a JSON file (RecursionError)"),
        (b"\xff[1]", "not a JSON file (UnicodeDecodeError)"),
        (b"", "line 1 column 1: not valid JSON"),
    ],
)
def test_malformed_json_is_refused_with_its_position(content: bytes, said: str, written: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    refuse("coco_pose", written("coco_pose")[0], tmp_path / "bad.json", said)


# CSV -----------------------------------------------------------------------------------------------------------------

Rows = list[list[str]]


def cell(row: int, column: int, value: str) -> Callable[[Rows], Rows]:
    def edit(rows: Rows) -> Rows:
        rows[row][column] = value
        return rows

    return edit


CSV_ROWS: dict[str, tuple[str, Callable[[Rows], Rows], tuple[str, ...]]] = {
    "image missing": ("pa100k", lambda r: r[:-2], ("2 of 12 images have no prediction, the first is",)),
    "image unknown": ("pa100k", cell(1, 0, "me.jpg"), ("1 of its 12 names", "the first is 'me.jpg'", "looks like")),
    "image twice": ("pa100k", lambda r: [*r, r[1]], ("occurs 2 times, but every image has exactly one",)),
    "NaN": ("pa100k", cell(2, 3, "nan"), ("line 3: 'nan' in column", "is not a finite number")),
    "words": ("pa100k", cell(2, 3, "yes"), ("line 3: 'yes' in column",)),
    "logits": ("pa100k", cell(2, 3, "-2.5"), ("is -2.5; probabilities lie between 0 and 1",)),
    "an attribute missing": ("pa100k", lambda r: [x[:-1] for x in r], ("1 of 27 columns are missing",)),
    "attribute unknown": ("pa100k", cell(0, 1, "Hatt"), ("unknown column 'Hatt'; did you mean Hat?",)),
    "attribute twice": ("pa100k", lambda r: [[*r[0], r[0][1]], *[[*x, "0"] for x in r[1:]]], ("occurs twice",)),
    "a cell too many": ("pa100k", lambda r: [*r[:3], [*r[3], "1"], *r[4:]], ("line 4: 28 cells under 27 columns",)),
    "semicolons": ("shanghaitech_a", lambda r: [[";".join(x)] for x in r], ("separated by ';', and here by commas",)),
    "row numbers": (
        "shanghaitech_a",
        lambda r: [[str(i) if i else "", *x] for i, x in enumerate(r)],
        ("unknown column ''; a column without a name is the row number of pandas: write the file with index=False",),
    ),
    "no header": ("shanghaitech_a", lambda r: r[1:], ("unknown column",)),
    "infinite count": ("shanghaitech_a", cell(1, 1, "inf"), ("line 2: 'inf' in column count",)),
    "huge count": (
        "shanghaitech_a",
        cell(1, 1, "1e160"),
        ("bad.csv: predicted count", "is 1e+160, too large to square"),
    ),
    "count missing": ("shanghaitech_a", lambda r: r[:-1], ("1 of", "images have no prediction")),
    "nothing": ("shanghaitech_a", lambda r: [], ("2 of 2 columns are missing",)),
}


@pytest.mark.parametrize("row", CSV_ROWS)
def test_bad_csv_is_refused(row: str, written: Any, tmp_path: Path) -> None:
    name, edit, said = CSV_ROWS[row]
    root, perfect, _ = written(name)
    path = tmp_path / "bad.csv"
    text = io.StringIO()
    csv.writer(text).writerows(edit(list(csv.reader(io.StringIO(perfect.read_text())))))
    path.write_text(text.getvalue())
    refuse(name, root, path, *said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image,count\n\xe9,1\n", "not a text file (byte 12 is not UTF-8)"),
        (b'image,count\nx,"1\n', "line 2: not valid CSV"),
    ],
)
def test_malformed_csv_is_refused_with_its_position(content: bytes, said: str, written: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    refuse("shanghaitech_a", written("shanghaitech_a")[0], tmp_path / "bad.csv", said)


# Arrays --------------------------------------------------------------------------------------------------------------

Arrays = dict[str, Any]

NPZ_ROWS: dict[str, tuple[Callable[[Arrays], Arrays], tuple[str, ...]]] = {
    "names and features of different length": (
        lambda a: a | {"query_features": a["query_features"][:-1]},
        ("query_features must be 12 x D floats, it is 11 x",),
    ),
    "query missing": (
        lambda a: {k: v[1:] if k.startswith("query") else v for k, v in a.items()},
        ("1 of 12 query images have no prediction, the first is 'query/",),
    ),
    "gallery image twice": (
        lambda a: {k: np.concatenate([v, v[:1]]) if k.startswith("gallery") else v for k, v in a.items()},
        ("occurs 2 times, but every gallery image has exactly one",),
    ),
    "name unknown": (
        lambda a: a | {"query_names": np.array(["x.jpg", *a["query_names"][1:]])},
        ("1 of its 12 names belong to no sample here, the first is 'x.jpg'",),
    ),
    "query and gallery in different spaces": (
        lambda a: a | {"gallery_features": a["gallery_features"][:, :-1]},
        ("gallery_features must be 12 x",),
    ),
    "NaN": (
        lambda a: a | {"gallery_features": np.where(np.arange(12)[:, None] == 5, np.nan, a["gallery_features"])},
        ("gallery_features holds NaN or infinity in row 5",),
    ),
    "pickled names": (
        lambda a: a | {"query_names": a["query_names"].astype(object)},
        ("query_names holds pickled Python objects, which are never loaded", "dtype=str"),
    ),
    "no features": (lambda a: {k: v for k, v in a.items() if "names" in k}, ("has no array query_features",)),
    "no names": (lambda a: {k: v for k, v in a.items() if "names" not in k}, ("has no array query_names",)),
    "names are numbers": (lambda a: a | {"query_names": np.arange(12)}, ("query_names must be a list of names",)),
    "whole numbers": (
        lambda a: a | {"query_features": a["query_features"].astype(int)},
        ("query_features must be 12 x D floats",),
    ),
    "distances of a wrong shape": (
        lambda a: {k: v for k, v in a.items() if "names" in k} | {"distances": np.zeros((12, 11), np.float32)},
        ("distances must be 12 x 12 floats, it is 12 x 11 of type float32",),
    ),
    "features and distances": (
        lambda a: a | {"distances": np.zeros((12, 12), np.float32)},
        ("holds features and distances; leave one of them out",),
    ),
}


@pytest.mark.parametrize("row", NPZ_ROWS)
def test_bad_npz_is_refused(row: str, written: Any, tmp_path: Path) -> None:
    edit, said = NPZ_ROWS[row]
    root, perfect, _ = written("market1501")
    with np.load(perfect) as archive:
        np.savez(tmp_path / "bad.npz", **edit(dict(archive)))
    refuse("market1501", root, tmp_path / "bad.npz", *said)


def test_files_that_are_no_npz_are_refused(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("market1501")
    (tmp_path / "text.npz").write_text("hello")
    refuse("market1501", root, tmp_path / "text.npz", "not a readable .npz archive")
    (tmp_path / "table.csv").write_text("image,count\n")
    refuse(
        "market1501", root, tmp_path / "table.csv", "predictions of market1501 are a .npz file (docs/predictions.md), "
    )
    (tmp_path / "cut.npz").write_bytes(perfect.read_bytes()[:-100])
    refuse("market1501", root, tmp_path / "cut.npz", "not a readable .npz archive")
    with zipfile.ZipFile(tmp_path / "strange.npz", "w") as archive:
        archive.writestr("query_names.npy", b"not an array")
    refuse("market1501", root, tmp_path / "strange.npz", "not a readable .npz archive")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_refused_however_it_was_packed(method: int, written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("market1501")
    path = tmp_path / "packed.npz"
    with zipfile.ZipFile(perfect) as source, zipfile.ZipFile(path, "w", method) as packed:
        for name in source.namelist():
            packed.writestr(name, source.read(name))
        places = [(member.header_offset, member.compress_size) for member in packed.infolist()]
    assert run("score", "market1501", "--predictions", path, "--data-root", root).exit_code == 0
    whole = path.read_bytes()
    for offset, size in places:
        content = bytearray(whole)
        content[offset + 60 + size // 2] ^= 0xFF
        path.write_bytes(content)
        refuse("market1501", root, path, "packed.npz")


def test_an_npz_that_unpacks_to_absurd_size_is_refused_before_it_is_unpacked(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("market1501")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    )  # 4 TB
    with np.load(perfect) as archive:
        names = {k: archive[k] for k in archive.files if "names" in k}
    np.savez(tmp_path / "bomb.npz", **names)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "a") as archive:
        archive.writestr("distances.npy", header.getvalue())
    refuse("market1501", root, tmp_path / "bomb.npz", "distances must be 12 x 12 floats, it is 1000000 x 1000000")


# Label maps ----------------------------------------------------------------------------------------------------------


def maps_of(perfect: Path) -> dict[str, np.ndarray]:
    return {m.name: np.array(Image.open(m)) for m in sorted(perfect.iterdir())}


def write_maps(folder: Path, maps: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for name, array in maps.items():
        Image.fromarray(array).save(folder / name)
    return folder


Maps = dict[str, np.ndarray]


def first(edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[Maps], Maps]:
    return lambda maps: {k: edit(m) if i == 0 else m for i, (k, m) in enumerate(maps.items())}


MAP_ROWS: dict[str, tuple[Callable[[Maps], Maps], tuple[str, ...]]] = {
    "map missing": (lambda m: dict(list(m.items())[1:]), ("1 of 4 images have no prediction, the first is",)),
    "map unknown": (lambda m: m | {"me.png": m[next(iter(m))]}, ("the first is 'me'",)),
    "no map": (lambda m: {}, ("holds no .png label map",)),
    "wrong size": (first(lambda m: m[:, 1:]), ("the label map is", "predictions have the image's original size")),
    "unknown class": (first(lambda m: np.full_like(m, 20)), ("holds the class id 20, but the classes are 0..19",)),
    "ignore is no class": (first(lambda m: np.full_like(m, 255)), ("holds the class id 255",)),
    "a colour image": (first(lambda m: np.stack([m] * 3, axis=2)), ("8-bit single-channel", "mode RGB")),
}


@pytest.mark.parametrize("row", MAP_ROWS)
def test_bad_label_maps_are_refused(row: str, written: Any, tmp_path: Path) -> None:
    edit, said = MAP_ROWS[row]
    root, perfect, _ = written("lip")
    refuse("lip", root, write_maps(tmp_path / "maps", edit(maps_of(perfect))), *said)


@pytest.mark.parametrize("zipped", [False, True])
def test_an_empty_map_is_called_by_its_name(zipped: bool, written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("lip")
    folder = write_maps(tmp_path / "maps", maps_of(perfect))
    empty = min(folder.iterdir())
    empty.write_bytes(b"")
    if zipped:
        folder = Path(shutil.make_archive(str(folder), "zip", folder))
    refuse("lip", root, folder, f"{folder}: {empty.name}: not a readable image (it is empty, or no picture)")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_among_label_maps_is_named(make: Callable[[Path], None], written: Any, tmp_path: Path) -> None:
    """A pipe would be waited for without end."""
    root, perfect, _ = written("lip")
    folder = write_maps(tmp_path / "p", maps_of(perfect))  # a name that other words hold
    place = min(folder.iterdir())
    place.unlink()
    make(place)
    refuse("lip", root, folder, f"{place}: is no file but a folder, a pipe or a link that leads nowhere")


def test_label_maps_with_names_in_capitals_are_read(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("lip")
    folder = write_maps(tmp_path / "maps", maps_of(perfect))
    place = min(folder.iterdir())
    place.rename(place.with_suffix(".PNG"))
    for path in (folder, Path(shutil.make_archive(str(folder), "zip", folder))):
        assert humanbench.score("lip", path, root, resamples=2).metrics["mIoU"].value == 100.0


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("member", "content", "said"),
    [
        ("../evil.png", b"", "a path outside the archive's folder; refused"),
        ("a/../../evil.png", b"", "a path outside the archive's folder; refused"),
        ("/etc/evil.png", b"", "a path outside the archive's folder; refused"),
        ("C:\\evil.png", b"", "a path outside the archive's folder; refused"),
        ("..\\evil.png", b"", "a path outside the archive's folder; refused"),
        (link("evil.png"), b"/etc/passwd", "holds the link 'evil.png'; refused"),
        ("bomb.png", b"", "to 1099511627776 bytes; refused"),
    ],
    ids=["up", "up inside", "absolute", "drive", "up with backslash", "link", "bomb"],
)
def test_hostile_zips_are_refused(
    member: str | zipfile.ZipInfo, content: bytes, said: str, written: Any, tmp_path: Path
) -> None:
    root, perfect, _ = written("lip")
    with zipfile.ZipFile(tmp_path / "maps.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in perfect.iterdir():
            archive.write(file, file.name)
        archive.writestr(member, content)
        if member == "bomb.png":
            archive.filelist[-1].file_size = 1 << 40
    refuse("lip", root, tmp_path / "maps.zip", said)
    assert not list(tmp_path.parent.glob("evil.png"))


def test_damaged_zips_and_maps_are_refused(written: Any, tmp_path: Path) -> None:
    root, perfect, _ = written("lip")
    (tmp_path / "text.zip").write_text("hello")
    refuse("lip", root, tmp_path / "text.zip", "neither a folder nor a readable zip archive")
    folder = write_maps(tmp_path / "maps", maps_of(perfect))
    victim = sorted(folder.iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:60])
    refuse("lip", root, folder, f"{victim.name}: not a readable image")
