"""Attribute datasets annotated in MATLAB files: small copies in the official form, and PA-100K's real annotations."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.data.writers import writer_for
from humanbench.errors import DataError
from tests import make
from tests.make.attribute import table as random_table
from tests.readers.disk import on_disk
from tests.samples import SAMPLES, needs_samples

# PA-100K


@needs_samples
def test_pa100k_real_annotations() -> None:
    # PATH's configurations list the share of positives of each attribute over train and val; their order starts with
    # Hat, so a shifted or reordered column cannot pass
    ratios = {
        "Hat": 0.04354444, "Glasses": 0.17997778, "ShortSleeve": 0.5834, "LongSleeve": 0.4166,
        "UpperStride": 0.04947778, "UpperLogo": 0.15104444, "UpperPlaid": 0.10775556, "UpperSplice": 0.04191111,
        "LowerStripe": 0.00472222, "LowerPattern": 0.01688889, "LongCoat": 0.03241111, "Trousers": 0.71171111,
        "Shorts": 0.17344444, "Skirt&Dress": 0.11484444, "boots": 0.006, "HandBag": 0.185, "ShoulderBag": 0.19273333,
        "Backpack": 0.1601, "HoldObjectsInFront": 0.00952222, "AgeOver60": 0.01345556, "Age18-60": 0.92437778,
        "AgeLess18": 0.06216667, "Female": 0.46044444, "Front": 0.35266667, "Side": 0.29462222, "Back": 0.35271111,
    }  # fmt: skip
    card = load_card("pa100k").model_copy(update={"id": "PA-100K"})
    tables = {split: load_samples(card, split, SAMPLES) for split in ("train", "val", "test")}
    assert {split: len(table) for split, table in tables.items()} == {"train": 80000, "val": 10000, "test": 10000}
    assert [tables[s]["id"].iloc[0] for s in tables] == ["000001.jpg", "080001.jpg", "090001.jpg"]
    together = pd.concat([tables["train"], tables["val"]])[list(ratios)]
    assert set(ratios) == set(card.labels.attributes)
    np.testing.assert_allclose(together.mean(), list(ratios.values()), atol=1e-8)
    assert (together.dtypes == np.int8).all()
    assert Path(tables["train"]["image"][1999]).is_file()


@needs_samples
def test_pa100k_is_written_like_the_real_file(tmp_path: Path) -> None:
    root, _ = on_disk("pa100k", tmp_path)
    ours = scipy.io.loadmat(root / "annotation" / "annotation.mat")
    real = scipy.io.loadmat(SAMPLES / "PA-100K" / "annotation" / "annotation.mat")
    assert set(ours) == set(real)
    for key in set(real) - {"__header__", "__version__", "__globals__"}:
        assert (ours[key].dtype, ours[key].ndim, ours[key].shape[1:]) == (
            real[key].dtype,
            real[key].ndim,
            real[key].shape[1:],
        ), key
        if real[key].dtype == object:
            assert (ours[key][0, 0].dtype, ours[key][0, 0].shape) == (real[key][0, 0].dtype, real[key][0, 0].shape)
    assert [c[0][0] for c in ours["attributes"]] == [c[0][0] for c in real["attributes"]]


@pytest.mark.parametrize("place", ["data", "data/release_data/release_data", "release_data/release_data"])
def test_pa100k_layouts(tmp_path: Path, place: str) -> None:
    root, _ = on_disk("pa100k", tmp_path)
    shutil.move(root / "annotation" / "annotation.mat", root / "annotation.mat")
    images = tmp_path / "images"
    shutil.move(root / "release_data" / "release_data", images)
    shutil.rmtree(root / "release_data")
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(images, root / place)
    table = load_samples("pa100k", "val", tmp_path)
    assert Path(table["image"][0]) == root / place / table["id"][0]
    assert Path(table["image"][0]).is_file()


def change_pa100k(root: Path, **content: Any) -> None:
    path = root / "annotation" / "annotation.mat"
    stored = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    scipy.io.savemat(path, {k: v for k, v in (stored | content).items() if v is not None})


def test_pa100k_columns_follow_the_names_in_the_file(tmp_path: Path) -> None:
    root, written = on_disk("pa100k", tmp_path)
    stored = scipy.io.loadmat(root / "annotation" / "annotation.mat")
    turned = np.roll(np.arange(26), 7)
    change_pa100k(root, attributes=stored["attributes"][turned], train_label=stored["train_label"][:, turned])
    attributes = list(load_card("pa100k").labels.attributes)
    assert load_samples("pa100k", "train", tmp_path)[attributes].equals(written["train"][attributes])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train_label": None}, "has no variable train_label"),
        (
            {"train_label": np.zeros((3, 26), np.uint8)},
            "train_label is 3 x 26, but there are 12 names and 26 attributes",
        ),
        ({"train_label": np.full((12, 26), 2, np.uint8)}, "holds 2 for attribute Female in row 1; the codes are 0, 1"),
        (
            {"attributes": np.array([["Hat"]] * 26, object)},
            "does not name the attributes .* not found: Female, AgeOver60",
        ),
        ({"train_images_name": np.arange(12.0).reshape(12, 1)}, "names are expected to be text"),
    ],
)
def test_pa100k_annotations_must_fit(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    root, _ = on_disk("pa100k", tmp_path)
    change_pa100k(root, **content)
    with pytest.raises(DataError, match=message):
        load_samples("pa100k", "train", tmp_path)


@pytest.mark.parametrize("name", ["pa100k", "rapv2", "peta", "market1501_attribute"])
@pytest.mark.parametrize("damage", ["cut", "other", "text"])
def test_a_corrupt_mat_file_is_an_error_that_names_it(tmp_path: Path, name: str, damage: str) -> None:
    root, _ = on_disk(name, tmp_path)
    path = next(root.rglob("*.mat"))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "other":
        scipy.io.savemat(path, {"something": np.eye(3)})
    else:
        path.write_text("this is no MATLAB file\n" * 20)
    with pytest.raises(DataError, match=path.name):
        load_samples(name, "train", tmp_path)


# RAP v2 and PETA: written files have the nesting that the field's scripts index


def test_rapv2_file_is_nested_as_rethinking_of_par_indexes_it(tmp_path: Path) -> None:
    root, written = on_disk("rapv2", tmp_path)
    data = scipy.io.loadmat(root / "RAP_annotation" / "RAP_annotation.mat")["RAP_annotation"]
    attributes = [data["attribute"][0][0][i][0][0] for i in range(152)]
    selected = data["selected_attribute"][0][0][0] - 1
    assert len(selected) == 54
    assert attributes[selected[0]] == "Femal"
    rows = data["partition_attribute"][0][0][0][0]["val_index"][0][0][0] - 1
    names = [data["name"][0][0][i][0][0] for i in rows]
    assert names == list(written["val"]["id"])
    stored = data["data"][0][0][rows][:, selected[13]]
    np.testing.assert_array_equal(np.where(stored == 2, 0, stored), written["val"]["hs-Hat"])


def test_rapv2_uncertain_is_absent_unless_the_option_says_unknown(tmp_path: Path) -> None:
    root, _ = on_disk("rapv2", tmp_path)
    path = root / "RAP_annotation" / "RAP_annotation.mat"
    content = scipy.io.loadmat(path)
    record = content["RAP_annotation"][0, 0]
    row = int(np.ravel(record["partition_attribute"])[0]["train_index"][0, 0][0, 4]) - 1
    record["data"][row, record["selected_attribute"][0, 13] - 1] = 2
    scipy.io.savemat(path, {"RAP_annotation": content["RAP_annotation"]})
    card = load_card("rapv2")
    assert load_samples(card, "train", tmp_path)["hs-Hat"][4] == 0
    options = card.reader.options | {"uncertain": -1}
    other = card.model_copy(update={"reader": card.reader.model_copy(update={"options": options})})
    assert load_samples(other, "train", tmp_path)["hs-Hat"][4] == -1


def test_rapv2_takes_the_first_of_five_partitions(tmp_path: Path) -> None:
    """The others are cut to one row, which does not show."""
    root, written = on_disk("rapv2", tmp_path)
    path = root / "RAP_annotation" / "RAP_annotation.mat"
    content = scipy.io.loadmat(path)
    first, *others = np.ravel(content["RAP_annotation"][0, 0]["partition_attribute"])
    assert first["test_index"][0, 0].size == len(written["test"]) > 1
    assert len(others) == 4
    for cell in others:
        cell["test_index"][0, 0] = cell["test_index"][0, 0][:, :1]
    scipy.io.savemat(path, {"RAP_annotation": content["RAP_annotation"]})
    assert list(load_samples("rapv2", "test", tmp_path)["id"]) == list(written["test"]["id"])


def test_peta_file_is_nested_as_rethinking_of_par_indexes_it(tmp_path: Path) -> None:
    root, written = on_disk("peta", tmp_path)
    peta = scipy.io.loadmat(root / "PETA.mat")["peta"]
    names = [cell[0][0] for cell in peta[0][0][1]]
    assert len(names) == 105
    assert names[:35] == list(load_card("peta").labels.attributes)
    labels = peta[0][0][0][:, 4:]
    assert labels.shape[1] == 105
    for position, split in enumerate(("train", "val", "test")):
        rows = peta[0][0][3][0][0][0][0][position][:, 0] - 1
        assert [f"{i + 1:05}.png" for i in rows] == list(written[split]["id"])
        np.testing.assert_array_equal(labels[rows, 16], written[split]["personalMale"])


def test_peta_partition_is_an_option(tmp_path: Path) -> None:
    root, _ = on_disk("peta", tmp_path)
    path = root / "PETA.mat"
    content = scipy.io.loadmat(path)
    content["peta"][0, 0]["partition"][3, 0]["train_index"][0, 0] = np.array([[36], [2]], np.uint16)
    scipy.io.savemat(path, {"peta": content["peta"]})
    card = load_card("peta")
    other = card.model_copy(update={"reader": card.reader.model_copy(update={"options": {"partition": 3}})})
    assert list(load_samples(other, "train", tmp_path)["id"]) == ["00036.png", "00002.png"]
    assert len(load_samples(card, "train", tmp_path)) == 12


# Market-1501 Attribute


def market_tables(pids: dict[str, list[int]]) -> dict[str, pd.DataFrame]:
    card = load_card("market1501_attribute")
    rng = np.random.default_rng(0)
    return {split: random_table(card, split, rng, n=len(people)).assign(pid=people) for split, people in pids.items()}


@pytest.fixture
def market(tmp_path: Path) -> tuple[Path, dict[str, pd.DataFrame]]:
    card = load_card("market1501_attribute")
    root = tmp_path / card.id
    root.mkdir()
    tables = market_tables({"train": [7, 2, 7, 11], "test": [3, 1500, 3]})
    return root, writer_for(card).write(card, root, tables, make.save)


def test_market_attribute_images_get_the_labels_of_their_identity(
    market: tuple[Path, dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    root, _ = market
    part = scipy.io.loadmat(root / "market_attribute.mat")["market_attribute"][0, 0]["train"][0, 0]
    assert [str(i[0]) for i in part["image_index"][0]] == ["0002", "0007", "0011"]
    table = load_samples("market1501_attribute", "train", tmp_path)
    assert list(table["pid"]) == [2, 7, 7, 11]
    attributes = list(load_card("market1501_attribute").labels.attributes)
    assert table[attributes].iloc[1].equals(table[attributes].iloc[2])
    person = 1  # identity 0007
    for name in ("gender", "hair", "upblack", "downbrown"):
        assert table[name][1] == part[name][0, person] - 1
    age = ["young", "teenager", "adult", "old"][part["age"][0, person] - 1]
    assert table[["young", "teenager", "adult", "old"]].iloc[1].to_dict()[age] == 1
    assert table[["young", "teenager", "adult", "old"]].iloc[1].sum() == 1


def test_market_attribute_field_order_differs_between_the_parts(
    market: tuple[Path, dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    root, written = market
    parts = scipy.io.loadmat(root / "market_attribute.mat")["market_attribute"][0, 0]
    fields = {split: parts[split].dtype.names for split in ("train", "test")}
    assert fields["train"] != fields["test"]
    assert set(fields["train"]) == set(fields["test"])
    assert len(fields["train"]) == 28
    for split in fields:
        assert load_samples("market1501_attribute", split, tmp_path).equals(written[split])


def test_market_attribute_leaves_out_junk_and_distractors_but_no_one_else(
    market: tuple[Path, dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    images = market[0] / "Market-1501-v15.09.15" / "bounding_box_test"
    for name in ("-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg", "Thumbs.db"):
        (images / name).touch()
    assert list(load_samples("market1501_attribute", "test", tmp_path)["pid"]) == [3, 3, 1500]
    (images / "0004_c1s1_000151_01.jpg").touch()
    with pytest.raises(DataError, match="no labels for identity 0004 in test"):
        load_samples("market1501_attribute", "test", tmp_path)


def test_market_attribute_finds_the_images_of_the_reid_dataset(
    market: tuple[Path, dict[str, pd.DataFrame]], tmp_path: Path
) -> None:
    (tmp_path / "market1501").mkdir()
    shutil.move(market[0] / "Market-1501-v15.09.15", tmp_path / "market1501" / "Market-1501-v15.09.15")
    table = load_samples("market1501_attribute", "train", tmp_path)
    assert table["id"][0].startswith("bounding_box_train/0002_")
    assert Path(table["image"][0]).is_file()
    shutil.rmtree(tmp_path / "market1501")
    with pytest.raises(DataError, match=r"bounding_box_train or Market-1501-v15\.09\.15/bounding_box_train not found"):
        load_samples("market1501_attribute", "train", tmp_path)
