"""Pictures and labels that do not belong together are found by their sizes, and real ones pass."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.frames import check_map, check_pictures, map_fits, misstated, placement, some_sizes
from humanbench.data.samples import load_samples
from humanbench.data.verify import verify
from humanbench.data.writers import writer_for
from humanbench.engine.context import CellSpec
from humanbench.engine.prepared import read_tables
from humanbench.errors import DataError
from humanbench.recipes import load_recipe
from humanbench.run_log import RunLog
from tests import make
from tests.samples import SAMPLES, needs_samples


def people(folder: Path, pictures: int, size: tuple[int, int], seed: int = 0) -> pd.DataFrame:
    """A pose table (AIC's 14 joints) of one person a picture, labelled in pictures of 200 x 160."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(pictures):
        path = folder / f"{number:03d}.png"
        Image.new("L", size).save(path)
        points = np.column_stack([rng.uniform(0, 199, 14), rng.uniform(0, 159, 14), np.full(14, 2.0)])
        rows.append({"id": f"{number}/1", "image": str(path), "keypoints": points})
    table = pd.DataFrame(rows)
    table.attrs = {"dataset": "aic", "split": "val"}
    return table


@pytest.mark.parametrize(
    ("size", "trouble"),
    [((200, 160), ""), ((100, 80), "made smaller"), ((400, 320), "made larger"), ((160, 200), "outside")],
)  # fmt: skip
def test_labels_of_pictures_of_another_size_are_refused(tmp_path: Path, size: tuple[int, int], trouble: str) -> None:
    table = people(tmp_path, 25, size)
    if not trouble:
        check_pictures(load_card("aic"), table)
        return
    with pytest.raises(DataError, match=rf"aic val: .*{trouble}"):
        check_pictures(load_card("aic"), table)


def test_a_few_labels_outside_are_counted_and_taken(tmp_path: Path) -> None:
    table = people(tmp_path, 25, (200, 160))
    table["keypoints"][7][3] = (203.0, 80.0, 2)
    table["keypoints"][9][3] = (-30.0, 80.0, 2)
    table["keypoints"][9][4] = (-30.0, 80.0, 0)  # not labelled
    check_pictures(load_card("aic"), table)
    lying = placement(load_card("aic"), table, some_sizes(table))
    assert (lying.labels, lying.outside, lying.beyond, lying.far, lying.first) == (349, 2, 2, 0, "7/1")
    assert lying.text == "2 of 349 labels outside (0.6%), first in 7/1"


def test_every_copy_is_looked_at_whatever_the_sampling(tmp_path: Path) -> None:
    """A copy of MPII whose pictures were halved after it was labelled."""
    card = load_card("mpii")
    root = tmp_path / "mpii"
    root.mkdir()
    writer_for(card).write(card, root, make.tables(card, np.random.default_rng(3)), make.save)
    assert [r.status for r in verify(card, tmp_path, every=1000).rows if r.check == "frame"] == ["ok"] * 3
    for path in (root / "images").iterdir():
        with Image.open(path) as image:
            image.resize((image.width // 3, image.height // 3)).save(path)
    rows = [r for r in verify(card, tmp_path, every=1000).rows if r.check == "frame" and r.split == "val"]
    assert [r.status for r in rows] == ["fail"]
    assert "lie outside their pictures" in str(rows[0].found)


def test_a_picture_on_its_side_is_named_by_the_stated_size(tmp_path: Path) -> None:
    table = people(tmp_path, 3, (200, 160)).assign(size=[(200, 160)] * 3)
    Image.new("L", (160, 200)).save(table["image"][1])
    assert misstated(table, some_sizes(table)) == [
        "1/1 is 160 x 200, the annotation says 200 x 160 (it is stored on its side)"
    ]
    with pytest.raises(DataError, match="1 of 3 pictures have another size than annotated: 1/1 is 160 x 200"):
        check_pictures(load_card("aic"), table)


@pytest.mark.parametrize(
    ("picture", "part_map", "fits"),
    [
        ((640, 480), (640, 480), True), ((640, 480), (320, 240), True), ((333, 500), (167, 250), True),
        ((1000, 1000), (500, 500), True), ((640, 480), (480, 640), False), ((640, 480), (640, 479), False),
        ((640, 480), (320, 320), False), ((333, 500), (160, 250), False),
    ],
)  # fmt: skip
def test_maps_fit_at_the_pictures_size_or_shape(
    picture: tuple[int, int], part_map: tuple[int, int], fits: bool
) -> None:
    assert map_fits(picture, part_map) == fits
    assert map_fits(part_map, picture) == fits


def test_a_picture_on_its_side_against_its_map_is_named(tmp_path: Path) -> None:
    card = load_card("lip")
    root = tmp_path / "lip"
    root.mkdir()
    writer_for(card).write(card, root, make.tables(card, np.random.default_rng(3)), make.save)
    path = Path(load_samples(card, "val", tmp_path)["image"][1])
    with Image.open(path) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(path)
    rows = [r for r in verify(card, tmp_path, every=1).rows if r.check == "maps" and r.split == "val"]
    assert rows[0].status == "fail"
    assert "1 of " in str(rows[0].found)
    assert "stored on its side" in str(rows[0].found)
    with pytest.raises(DataError, match=rf"the map of {path} is .*stored on its side"):
        check_map(str(path), (480, 640), (640, 480))


@pytest.mark.parametrize("name", ["mpii", "shanghaitech_b", "crowdhuman"])
def test_a_cell_on_such_a_copy_ends_before_its_training(tmp_path: Path, name: str) -> None:
    card = load_card(name)
    root = tmp_path / name / card.reader.roots[0]
    root.mkdir(parents=True, exist_ok=True)
    writer_for(card).write(card, root, make.tables(card, np.random.default_rng(3)), make.save)
    context: Any = SimpleNamespace(cache=False, log=RunLog(loud=False), data_root=tmp_path, subset=None, heads=None)
    spec = CellSpec(card, load_recipe(card, "full"), 0)
    assert read_tables(context, spec).train
    for path in [p for p in (tmp_path / name).rglob("*") if p.suffix in (".jpg", ".png")]:
        with Image.open(path) as image:
            image.resize((image.width // 3, image.height // 3)).save(path)
    with pytest.raises(DataError, match=rf"{name} \w+: .* lie outside their pictures"):
        read_tables(context, spec)


@pytest.mark.parametrize("name", ["hardhc", "parse27k"])
def test_people_in_larger_pictures_lie_where_their_boxes_are(tmp_path: Path, name: str) -> None:
    card = load_card(name)
    root = tmp_path / name / card.reader.roots[0]
    root.mkdir(parents=True)
    writer_for(card).write(card, root, make.tables(card, np.random.default_rng(3)), make.save)
    table = load_samples(name, "train", tmp_path)
    check_pictures(card, table)
    for path in table["image"].unique():
        with Image.open(path) as image:
            image.resize((image.width // 4, image.height // 4)).save(path)
    with pytest.raises(DataError, match=rf"{name} train: .* lie outside their pictures"):
        check_pictures(card, table)
    assert ("frame", "train", "fail") in [(r.check, r.split, r.status) for r in verify(card, tmp_path).rows]


@needs_samples
@pytest.mark.parametrize(
    ("name", "split", "folder", "labels", "outside"),
    [
        ("coco_pose", "val", "COCO", 652, 0), ("mpii", "val", "MPII", 76, 0), ("aic", "val", "AIC", 101, 0),
        ("posetrack18", "val", "PoseTrack18", 182, 1), ("coco_person", "val", "COCO", 117, 0),
        ("shanghaitech_b", "train", "ShanghaiTech-format_IndianMini", 487, 0),
        ("shanghaitech_b", "test", "ShanghaiTech-format_IndianMini", 136, 0),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::humanbench.errors.DataWarning")
def test_real_pictures_and_labels_belong_together(
    tmp_path: Path, name: str, split: str, folder: str, labels: int, outside: int
) -> None:
    (tmp_path / name).symlink_to(SAMPLES / folder)
    table = load_samples(name, split, tmp_path)
    check_pictures(load_card(name), table)
    lying = placement(load_card(name), table, some_sizes(table))
    assert (lying.labels, lying.outside) == (labels, outside)
