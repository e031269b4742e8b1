"""ShanghaiTech: 1-based points in a struct inside a cell, two spellings of the folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench.cards import load_card
from humanbench.data.boxes import object_column
from humanbench.data.samples import load_samples
from humanbench.data.writers.shanghaitech import write
from humanbench.errors import DataError
from tests import make
from tests.samples import SAMPLES, needs_samples

REAL = SAMPLES / "ShanghaiTech-format_IndianMini" / "part_B_final"


def build(folder: Path, truth: str = "ground_truth", numbers: tuple[int, ...] = (1, 2, 10)) -> None:
    (folder / truth).mkdir(parents=True)
    (folder / "images").mkdir()
    for n in numbers:
        (folder / f"images/IMG_{n}.jpg").touch()
        record = np.empty((1, 1), [("location", object), ("number", object)])
        record[0, 0] = (np.array([[1.0, 1.0], [5.5, n]])[: n % 3], np.array([[n]], np.uint8))
        cell = np.empty((1, 1), object)
        cell[0, 0] = record
        scipy.io.savemat(folder / truth / f"GT_IMG_{n}.mat", {"image_info": cell})


@pytest.mark.parametrize(
    ("top", "truth"),
    [
        ("ShanghaiTech_Crowd_Counting_Dataset/part_A_final", "ground_truth"),
        ("ShanghaiTech/part_A", "ground-truth"),
        ("part_A_final", "ground_truth"),
    ],
)
def test_layouts_order_and_origin(tmp_path: Path, top: str, truth: str) -> None:
    build(tmp_path / "shanghaitech_a" / top / "test_data", truth)
    table = load_samples("shanghaitech_a", "test", tmp_path)
    assert list(table["id"]) == ["test_data/IMG_1.jpg", "test_data/IMG_2.jpg", "test_data/IMG_10.jpg"]
    np.testing.assert_array_equal(table["points"][1], [[0, 0], [4.5, 1]])  # stored counting from 1
    assert list(table["count"]) == [1.0, 2.0, 1.0]
    assert all(Path(path).is_file() for path in table["image"])


def test_an_image_without_heads_counts_zero(tmp_path: Path) -> None:
    build(tmp_path / "shanghaitech_b/part_B/train_data", numbers=(3,))
    table = load_samples("shanghaitech_b", "train", tmp_path)
    assert table["points"][0].shape == (0, 2)
    assert table["count"][0] == 0.0


def test_missing_annotations_and_corrupt_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "shanghaitech_a/part_A_final/test_data"
    build(folder)
    (folder / "images/IMG_7.jpg").touch()
    with pytest.raises(DataError, match=r"only one of IMG_7\.jpg and GT_IMG_7\.mat exists"):
        load_samples("shanghaitech_a", "test", tmp_path)
    (folder / "images/IMG_7.jpg").unlink()
    scipy.io.savemat(folder / "ground_truth/GT_IMG_2.mat", {"points": np.zeros((2, 2))})
    with pytest.raises(DataError, match=r"GT_IMG_2\.mat: expected image_info"):
        load_samples("shanghaitech_a", "test", tmp_path)
    (folder / "ground_truth/GT_IMG_2.mat").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"GT_IMG_2\.mat is not a readable MATLAB file"):
        load_samples("shanghaitech_a", "test", tmp_path)
    with pytest.raises(DataError, match=r"train_data not found under .*datasets show shanghaitech_a"):
        load_samples("shanghaitech_a", "train", tmp_path)


@needs_samples
def test_real_files_in_the_official_form(tmp_path: Path) -> None:
    (tmp_path / "shanghaitech_b").symlink_to(REAL.parent)
    train = load_samples("shanghaitech_b", "train", tmp_path)
    test = load_samples("shanghaitech_b", "test", tmp_path)
    assert (len(train), len(test)) == (30, 8)
    assert train["count"].sum() + test["count"].sum() == 623  # the sum of `number` over the 38 files
    stored = scipy.io.loadmat(REAL / "test_data/ground_truth/GT_IMG_1.mat")["image_info"][0, 0][0, 0]
    np.testing.assert_array_equal(test["points"][0], stored["location"] - 1)
    assert test["count"][0] == stored["number"][0, 0]


def structure(value: Any) -> Any:
    """Types and nesting of a loaded MATLAB value, with the number of points left open."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        return (value.shape, {name: structure(value.ravel()[0][name]) for name in value.dtype.names})
    if isinstance(value, np.ndarray) and value.dtype == object:
        return (value.shape, [structure(v) for v in value.ravel()])
    return (str(value.dtype), value.shape[1:])


@needs_samples
def test_written_files_are_built_like_real_ones(tmp_path: Path) -> None:
    points = object_column([np.array([[1.0, 2.0], [3.0, 4.0]])])
    table = pd.DataFrame({"image": object_column([(0, 8, 8)]), "points": points, "count": [2.0]})
    write(load_card("shanghaitech_b"), tmp_path, {"test": table}, make.save)
    mine = scipy.io.loadmat(tmp_path / "part_B_final/test_data/ground_truth/GT_IMG_1.mat")
    real = scipy.io.loadmat(REAL / "test_data/ground_truth/GT_IMG_1.mat")
    keys = {k for k in real if not k.startswith("__")}
    assert keys == {k for k in mine if not k.startswith("__")}
    assert {k: structure(mine[k]) for k in keys} == {k: structure(real[k]) for k in keys}


@needs_samples
@pytest.mark.parametrize("part", ["a", "b"])
def test_published_split_lists_have_the_sizes_of_the_card(part: str) -> None:
    card = load_card(f"shanghaitech_{part}")
    for split in ("train", "test"):
        listed = json.loads((SAMPLES / f"annotations/part_{part.upper()}_{split}.json").read_text())
        assert len(set(listed)) == card.splits[split].samples
