"""Traps of the ReID formats, on small folders in the official form and on CUHK03's real split files."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner
from PIL import Image

from humanbench.cards import load_card
from humanbench.cli import main
from humanbench.data.readers.cuhk03 import extract
from humanbench.data.readers.files import load_mat
from humanbench.data.samples import load_samples
from humanbench.errors import DataError
from tests.readers.disk import on_disk, put
from tests.samples import SAMPLES, needs_samples


def touch(folder: Path, *names: str) -> None:
    for name in names:
        put(folder / name)


def test_market_drops_junk_keeps_distractors_and_passes_over_other_files(tmp_path: Path) -> None:
    gallery = tmp_path / "market1501" / "Market-1501-v15.09.15" / "bounding_box_test"
    touch(
        gallery,
        "0001_c6s4_002202_01.jpg",
        "0000_c1s1_000151_01.jpg",
        "-1_c3s1_000401_03.jpg",
        "Thumbs.db",
        "._0001_c6s4_002202_01.jpg",
    )
    table = load_samples("market1501", "gallery", tmp_path)
    assert table[["id", "pid", "camid"]].values.tolist() == [
        ["bounding_box_test/0000_c1s1_000151_01.jpg", 0, 0],
        ["bounding_box_test/0001_c6s4_002202_01.jpg", 1, 5],
    ]
    assert Path(table["image"][1]) == gallery / "0001_c6s4_002202_01.jpg"


def test_market_is_found_without_the_archives_top_folder(tmp_path: Path) -> None:
    touch(tmp_path / "market1501" / "query", "0003_c2s1_000001_00.jpg")
    assert load_samples("market1501", "query", tmp_path)["pid"].tolist() == [3]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("person.jpg", r"person\.jpg tells no identity.*query/0002_c1s1_000451_01\.jpg"),
        ("0003_c7s1_000001_00.jpg", "of camera 7; the cameras are 1, 2, 3, 4, 5, 6"),
    ],
)
def test_an_odd_name_is_an_error_that_names_the_file(tmp_path: Path, name: str, message: str) -> None:
    touch(tmp_path / "market1501" / "query", "0003_c2s1_000001_00.jpg", name)
    with pytest.raises(DataError, match=message):
        load_samples("market1501", "query", tmp_path)


def test_a_missing_or_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "market1501" / "query").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no image .* in .*query"):
        load_samples("market1501", "query", tmp_path)
    with pytest.raises(DataError, match=r"bounding_box_train not found under .*datasets show market1501"):
        load_samples("market1501", "train", tmp_path)


def test_sensereid_has_no_cameras_and_two_spellings_of_probe(tmp_path: Path) -> None:
    touch(tmp_path / "sensereid" / "SenseReID" / "test_prob", "00001_0.jpg", "00001_1.jpg")
    table = load_samples("sensereid", "query", tmp_path)
    assert table["pid"].tolist() == [1, 1]
    assert table["camid"].tolist() == [-1, -1]


def test_last_takes_the_identity_from_the_file_not_the_folder(tmp_path: Path) -> None:
    touch(tmp_path / "last" / "last" / "train", "7/000012_film_0001.jpg")
    table = load_samples("last", "train", tmp_path)
    assert table[["pid", "camid"]].values.tolist() == [[12, -1]]


def test_prcc_takes_cameras_from_names_in_training_and_from_folders_in_testing(tmp_path: Path) -> None:
    rgb = tmp_path / "prcc" / "prcc" / "rgb"
    touch(rgb, "train/001/A_cropped_rgb001.jpg", "train/001/C_cropped_rgb002.jpg", "test/B/005/cropped_rgb001.jpg")
    assert load_samples("prcc", "train", tmp_path)[["pid", "camid"]].values.tolist() == [[1, 0], [1, 2]]
    assert load_samples("prcc", "query_same", tmp_path)[["pid", "camid"]].values.tolist() == [[5, 1]]
    touch(rgb, "train/001/D_cropped_rgb003.jpg")
    with pytest.raises(DataError, match="of camera D; the cameras are A, B, C"):
        load_samples("prcc", "train", tmp_path)


def test_dgmarket_has_identities_only_where_lists_say_them(tmp_path: Path) -> None:
    root = tmp_path / "dgmarket" / "DG-Market"
    touch(root, "data/a/x.jpg", "data/b.jpg")
    table = load_samples("dgmarket", "train", tmp_path)
    assert table[["id", "pid"]].values.tolist() == [["data/a/x.jpg", -1], ["data/b.jpg", -1]]
    (root / "DG-Market-fileLists.txt").write_text("b.jpg\na/x.jpg\n")
    labels = root / "DG-Market-metaLists.txt"
    labels.write_text("2\n7\n3\n")
    table = load_samples("dgmarket", "train", tmp_path)
    assert table[["id", "pid"]].values.tolist() == [["data/b.jpg", 7], ["data/a/x.jpg", 3]]
    labels.write_text("2\n7\n")
    with pytest.raises(DataError, match=r"lists 2 images, .* has 1 identities"):
        load_samples("dgmarket", "train", tmp_path)
    labels.write_text("2\n7\nseven\n")
    with pytest.raises(DataError, match=r"line 3: .*'seven'"):
        load_samples("dgmarket", "train", tmp_path)


def test_luperson_walks_the_tree_of_countries(tmp_path: Path) -> None:
    touch(
        tmp_path / "luperson_nl" / "lup-nl",
        "Italy/Rome/abc/000012_0001234_03.jpg",
        "Chile/Lima/d/000002_0000001_00.jpg",
    )
    table = load_samples("luperson_nl", "train", tmp_path)
    assert table["id"].tolist() == ["Chile/Lima/d/000002_0000001_00.jpg", "Italy/Rome/abc/000012_0001234_03.jpg"]
    assert table["pid"].tolist() == [2, 12]


@pytest.mark.parametrize(("folder", "version"), [("train", "V1"), ("mask_train_v2", "V2")])
def test_msmt17_says_which_version_it_found(tmp_path: Path, folder: str, version: str) -> None:
    root = tmp_path / "msmt17" / f"MSMT17_{version}"
    (root / folder).mkdir(parents=True)
    # Windows line ends, no newline at the end
    (root / "list_train.txt").write_bytes(
        b"0000/0000_000_01_0303morning_0008_0.jpg 0\r\n1040/1040_011_15_0114noon_0031_1.jpg 1040"
    )
    table = load_samples("msmt17", "train", tmp_path)
    assert table.attrs["version"] == version
    assert table[["pid", "camid"]].values.tolist() == [[0, 0], [1040, 14]]
    assert table["id"][0] == f"{folder}/0000/0000_000_01_0303morning_0008_0.jpg"


@pytest.mark.parametrize(
    ("split", "folder"), [("train", "train"), ("val", "train"), ("query", "test"), ("gallery", "test")]
)
def test_msmt17_queries_and_gallery_are_of_the_test_folder(tmp_path: Path, split: str, folder: str) -> None:
    root = tmp_path / "msmt17"
    for name in ("train", "test"):
        (root / name).mkdir(parents=True)
    (root / f"list_{split}.txt").write_text("0000/0000_000_01_0303morning_0008_0.jpg 0\n")
    assert load_samples("msmt17", split, tmp_path)["id"][0] == f"{folder}/0000/0000_000_01_0303morning_0008_0.jpg"


@pytest.mark.parametrize(
    "line",
    ["0000/0000_000_01_0303morning_0008_0.jpg", "0000/0000_000_16_0303morning_0008_0.jpg 0", "0000/a.jpg 0", ""],
)
def test_msmt17_names_the_line_it_cannot_read(tmp_path: Path, line: str) -> None:
    root = tmp_path / "msmt17"
    (root / "train").mkdir(parents=True)
    good = "0000/0000_000_01_0303morning_0008_0.jpg 0\n"
    (root / "list_train.txt").write_text(f"{good}{line}\n{good}")
    with pytest.raises(DataError, match=r"list_train\.txt, line 2: expected an image path"):
        load_samples("msmt17", "train", tmp_path)


def test_msmt17_without_images_names_both_layouts(tmp_path: Path) -> None:
    (tmp_path / "msmt17").mkdir()
    with pytest.raises(DataError, match=r"train \(V1\) or mask_train_v2 \(V2\) not found"):
        load_samples("msmt17", "train", tmp_path)


# CUHK03


@needs_samples
@pytest.mark.parametrize(
    ("split", "images", "identities", "views"),
    [  # counted from the split files with scipy alone
        ("train", 7365, 767, [3601, 3764]),
        ("query", 1400, 700, [700, 700]),
        ("gallery", 5332, 700, [2617, 2715]),
        ("labeled_train", 7368, 767, [3607, 3761]),
        ("labeled_query", 1400, 700, [700, 700]),
        ("labeled_gallery", 5328, 700, [2615, 2713]),
    ],
)
def test_cuhk03_new_protocol_counts(tmp_path: Path, split: str, images: int, identities: int, views: list[int]) -> None:
    root = tmp_path / "cuhk03"
    for boxes in ("detected", "labeled"):
        (root / f"images_{boxes}").mkdir(parents=True)
        shutil.copy(SAMPLES / "annotations" / f"cuhk03_new_protocol_config_{boxes}.mat", root)
    table = load_samples("cuhk03", split, tmp_path)
    assert (len(table), table["pid"].nunique()) == (images, identities)
    assert np.bincount(table["camid"]).tolist() == views
    # the second part of a name counts people anew in each pair, so it cannot be the identity; its third is the view
    names = table["id"].str.extract(r"/(\d)_(\d+)_(\d)_\d+\.png$").astype(int)
    assert (names[2] - 1 == table["camid"]).all()
    assert not (names[1] == table["pid"]).all()


@needs_samples
def test_cuhk03_split_files_are_written_like_the_real_ones(tmp_path: Path) -> None:
    root, _ = on_disk("cuhk03", tmp_path)
    for boxes in ("detected", "labeled"):
        name = f"cuhk03_new_protocol_config_{boxes}.mat"
        real, ours = scipy.io.loadmat(SAMPLES / "annotations" / name), scipy.io.loadmat(root / name)
        assert set(real) == set(ours)
        for key in ("camId", "filelist", "labels", "query_idx", "gallery_idx", "train_idx"):
            assert (real[key].dtype, real[key].shape[1:]) == (ours[key].dtype, ours[key].shape[1:]), key
        assert real["filelist"][0, 0].shape == ours["filelist"][0, 0].shape
        assert real["filelist"][0, 0][0][:2] == ours["filelist"][0, 0][0][:2]


def write_release(path: Path, bad: bool = False) -> dict[str, np.ndarray]:
    """A cuhk-03.mat of five camera pairs with three people each, some views missing; returns pixels by name.

    HDF5 holds MATLAB arrays with the axes reversed: a people x 10 cell is 10 x people, an image 3 x W x H.
    """
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    pixels: dict[str, np.ndarray] = {}
    with h5py.File(path, "w") as file:
        for boxes in ("detected", "labeled"):
            pairs = file.create_dataset(boxes, (1, 5), dtype=h5py.ref_dtype)
            for pair in range(5):
                people = file.create_dataset(f"#refs#/{boxes}{pair}", (10, 3), dtype=h5py.ref_dtype)
                for number in range(10):
                    for person in range(3):
                        key = f"#refs#/{boxes}_{pair}_{person}_{number}"
                        if (number + person) % 4 == 3:
                            cell = file.create_dataset(key, data=np.zeros(2, np.uint64))  # how MATLAB stores []
                        else:
                            image = rng.integers(0, 255, (12, 5 + person, 2 if bad else 3), np.uint8)
                            cell = file.create_dataset(key, data=image.T)
                            view = 1 if number < 5 else 2
                            pixels[f"{boxes}/{pair + 1}_{person + 1:03d}_{view}_{number + 1:02d}.png"] = image
                        people[number, person] = cell.ref
                pairs[0, pair] = people.ref
    return pixels


def test_cuhk03_release_is_extracted_to_the_names_of_the_split_files(tmp_path: Path) -> None:
    # the same files and pixels as torchreid's CUHK03.preprocess_split writes from this release (compared by running it)
    root = tmp_path / "cuhk03"
    expected = write_release(root / "cuhk03_release" / "cuhk-03.mat")
    with pytest.raises(DataError, match=r"still packed in cuhk-03\.mat; `humanbench datasets extract cuhk03`"):
        load_samples("cuhk03", "train", tmp_path)
    done = CliRunner().invoke(main, ["datasets", "extract", "cuhk03", "--data-root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(root / "images_detected"), str(root / "images_labeled")]
    extracted = {
        f"{p.parent.name.removeprefix('images_')}/{p.name}": np.array(Image.open(p)) for p in root.glob("images_*/*")
    }
    assert extracted.keys() == expected.keys()
    assert all(np.array_equal(extracted[name], expected[name]) for name in expected)
    with pytest.raises(DataError, match=r"no file .*cuhk03_new_protocol_config_detected\.mat"):
        load_samples("cuhk03", "train", tmp_path)


def test_a_broken_cuhk03_release_leaves_nothing_behind(tmp_path: Path) -> None:
    root = tmp_path / "cuhk03"
    card = load_card("cuhk03")
    write_release(root / "cuhk03_release" / "cuhk-03.mat", bad=True)
    with pytest.raises(DataError, match=r"cuhk-03\.mat could not be extracted"):
        extract(card, root)
    (root / "cuhk03_release" / "cuhk-03.mat").write_bytes(b"\x89HDF\r\n\x1a\n truncated")
    with pytest.raises(DataError, match=r"cuhk-03\.mat could not be extracted"):
        extract(card, root)
    assert [p.name for p in root.iterdir()] == ["cuhk03_release"]


def test_nothing_to_extract_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["datasets", "extract", "market1501", "--data-root", str(tmp_path)])
    assert done.exit_code == 2
    assert "nothing to extract" in done.stderr


def test_cuhk03_np_is_read_like_market(tmp_path: Path) -> None:
    touch(tmp_path / "cuhk03" / "cuhk03-np" / "detected" / "bounding_box_train", "0001_c1_1.png", "0767_c2_10.png")
    table = load_samples("cuhk03", "train", tmp_path)
    assert table[["id", "pid", "camid"]].values.tolist() == [
        ["cuhk03-np/detected/bounding_box_train/0001_c1_1.png", 1, 0],
        ["cuhk03-np/detected/bounding_box_train/0767_c2_10.png", 767, 1],
    ]


@pytest.mark.parametrize(
    ("split", "folder"), [("query", "query"), ("gallery", "bounding_box_test"), ("train", "bounding_box_train")]
)
def test_cuhk03_np_has_a_folder_for_each_part(tmp_path: Path, split: str, folder: str) -> None:
    base = tmp_path / "cuhk03" / "cuhk03-np" / "detected"
    touch(base, "query/0001_c1_1.png", "bounding_box_test/0001_c2_6.png", "bounding_box_train/0002_c1_1.png")
    (name,) = load_samples("cuhk03", split, tmp_path)["id"]
    assert name.split("/")[2] == folder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"labels": [[1]]}, "has no variable 'filelist'"),
        ({"train_idx": [[5]]}, "not a split file of the new protocol"),
        ({"filelist": [[1.5]]}, "a cell holds"),
        (None, "not a readable MATLAB file"),
    ],
)
def test_cuhk03_split_file_must_be_one(
    tmp_path: Path, content: dict[str, list[list[int]]] | None, message: str
) -> None:
    root = tmp_path / "cuhk03"
    (root / "images_detected").mkdir(parents=True)
    path = root / "cuhk03_new_protocol_config_detected.mat"
    names = np.empty((1, 1), object)
    names[0, 0] = "1_001_1_01.png"
    whole = {"filelist": names, "labels": [[1]], "camId": [[1]], "train_idx": [[1]]}
    if content is None:
        scipy.io.savemat(path, whole)
        path.write_bytes(path.read_bytes()[:200])
    else:
        scipy.io.savemat(path, content if "labels" in content else whole | content)
    with pytest.raises(DataError, match=message):
        load_samples("cuhk03", "train", tmp_path)


def test_matlab_73_files_come_in_matlabs_axis_order(tmp_path: Path) -> None:
    path = tmp_path / "new.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["matrix"] = np.arange(6.0).reshape(3, 2)  # 2 x 3 in MATLAB
        text = file.create_dataset("#refs#/a", data=np.array([[ord(c)] for c in "hat"], np.uint16))
        text.attrs["MATLAB_class"] = np.bytes_("char")
        cell = file.create_dataset("cell", (1, 1), dtype=h5py.ref_dtype)
        cell[0, 0] = text.ref
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    content = load_mat(load_card("cuhk03"), path)
    assert content["matrix"].tolist() == [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]
    assert content["cell"][0, 0] == "hat"
