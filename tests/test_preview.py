"""Contact sheets on tiny tables: what is drawn, where, and in which colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
from PIL import Image

from humanbench.cards import DatasetCard, cards, load_card
from humanbench.data import canvas
from humanbench.data.canvas import CELL, Color, Tile
from humanbench.data.preview import contact_sheet, preview_table
from humanbench.data.writers import writer_for
from humanbench.errors import DataError, WithheldError
from humanbench.tasks.parsing.drawing import part_color
from humanbench.tasks.pose.drawing import side_color
from humanbench.tasks.reid.drawing import PERSON_CELL
from tests import make

GREY = (120, 120, 120)
TITLE, GAP = 32, 6


def card_of(task: str, labels: dict[str, Any] | None = None, **splits: dict[str, Any]) -> DatasetCard:
    return DatasetCard.model_validate(
        {
            "id": "tiny",
            "name": "Tiny",
            "task": task,
            "paper": {"title": "t", "year": 2000, "venue": "v"},
            "homepage": "h",
            "licence": "l",
            "access": {"kind": "open", "how": "h"},
            "reader": {"format": "label_maps", "tree": "t"},
            "splits": splits or {"train": {}},
            "labels": labels or {},
            "pretraining": {"images": 1, "counts": "c", "splits": []},
        }
    )


def flat(path: Path, width: int = 80, height: int = 80, color: Color = GREY) -> str:
    Image.new("RGB", (width, height), color).save(path)
    return str(path)


def tile_of(sheet: Image.Image, number: int = 0, width: int = CELL, columns: int = 1) -> np.ndarray:
    """The picture part of a tile, H x W x 3."""
    x = GAP + number % columns * (width + GAP)
    y = TITLE + number // columns * (CELL + Tile.CAPTION + GAP)
    return np.asarray(sheet, int)[y : y + CELL, x : x + width]


def where(picture: np.ndarray, color: Color, tolerance: int = 12) -> np.ndarray:
    return (np.abs(picture - np.array(color)) <= tolerance).all(axis=-1)


class TestTile:
    def test_a_pixel_is_placed_at_its_centre(self) -> None:
        tile = Tile(Image.new("RGB", (10, 10)), 100, 100, "")
        # 10 pixels on 100, drawn twice as large: pixel 0 spans 0..20, so its centre is 10; pixel 9 spans 180..200.
        assert tile.place([[0, 0], [9, 9]]).tolist() == [[10, 10], [190, 190]]

    def test_a_crop_moves_and_enlarges(self) -> None:
        tile = Tile(Image.new("RGB", (40, 40)), 100, 100, "", crop=(10.4, 20.0, 19.6, 29.5))
        assert tile.window == (10, 20, 20, 30)
        assert tile.place([[10, 20], [19, 29]]).tolist() == [[10, 10], [190, 190]]

    @pytest.mark.parametrize("crop", [(-50, -50, 300, 300), (90, 90, 95, 95), (5, 5, 5, 5)])
    def test_a_crop_stays_in_the_picture(self, crop: canvas.Box) -> None:
        left, top, right, bottom = Tile(Image.new("RGB", (40, 40)), 100, 100, "", crop).window
        assert 0 <= left < right <= 40
        assert 0 <= top < bottom <= 40

    def test_a_long_caption_keeps_its_end(self) -> None:
        short, long = (Tile(Image.new("RGB", (9, 9)), 90, 50, words).reduced() for words in ("...00017.jpg", 40 * "x"))
        assert short.size == long.size
        assert (np.asarray(long)[50:, 89:] == canvas.MOUNT).all()  # nothing runs over the edge


class TestDetection:
    def sheet(self, tmp_path: Path, ignore: bool, visible: Any = None) -> np.ndarray:
        row = {
            "id": "a",
            "image": flat(tmp_path / "a.png"),
            "boxes": np.array([[0.0, 0, 80, 80], [20, 20, 40, 40]]),
            "ignore": np.array([False, ignore]),
            "visible": visible,
        }
        return tile_of(contact_sheet(card_of("detection"), pd.DataFrame([row]), 1, 1))

    def test_boxes_are_outlined_where_they_are(self, tmp_path: Path) -> None:
        outline = where(self.sheet(tmp_path, ignore=False), canvas.YELLOW)
        inner = outline[40:-40, 40:-40]
        rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
        # 80 pixels on 340: the box from 20 to 60 runs from 85 to 255, or 45 to 215 without the 40 cut off.
        assert [rows[0], rows[-1]] == pytest.approx([45, 215], abs=2)
        assert [columns[0], columns[-1]] == pytest.approx([45, 215], abs=2)
        assert not inner[60:200, 60:200].any()

    def test_an_ignored_box_is_dashed_in_another_colour(self, tmp_path: Path) -> None:
        picture = self.sheet(tmp_path, ignore=True)
        assert not where(picture, canvas.YELLOW)[40:-40, 40:-40].any()
        _, count = scipy.ndimage.label(where(picture, canvas.VERMILION, 60), np.ones((3, 3)))
        assert count > 20

    def test_the_visible_part_is_drawn_where_it_is_less(self, tmp_path: Path) -> None:
        boxes = np.array([[0.0, 0, 80, 80], [20, 20, 40, 20]])
        assert where(self.sheet(tmp_path, False, boxes), canvas.SKY, 40).any()
        assert where(self.sheet(tmp_path, False, np.array([1.0, 0.5])), canvas.SKY, 40).any()
        assert not where(self.sheet(tmp_path, False, np.array([1.0, 1.0])), canvas.SKY, 40).any()


class TestPose:
    LABELS: ClassVar = {"keypoints": ["left_hand", "right_hand", "nose"], "skeleton": [[0, 2], [1, 2]]}

    def table(self, tmp_path: Path, *visibility: int) -> pd.DataFrame:
        points = np.array([[60.0, 40], [20, 40], [40, 10]])
        row = {
            "id": "a/1",
            "image": flat(tmp_path / "a.png"),
            "bbox": np.array([0.0, 0, 80, 80]),
            "keypoints": np.column_stack([points, visibility]),
            "iscrowd": 0,
        }
        return pd.DataFrame([row])

    def picture(self, tmp_path: Path, *visibility: int) -> np.ndarray:
        return tile_of(contact_sheet(card_of("pose", self.LABELS), self.table(tmp_path, *visibility), 1, 1))

    def test_sides_have_their_colours_and_places(self, tmp_path: Path) -> None:
        picture = self.picture(tmp_path, 2, 2, 2)
        for (x, y), color in (((60, 40), canvas.ORANGE), ((20, 40), canvas.SKY), ((40, 10), canvas.GREEN)):
            # (x + 0.5) * 340 / 80: the centre of the pixel on the tile.
            column, row = int((x + 0.5) * 4.25), int((y + 0.5) * 4.25)
            assert where(picture, color)[row - 1 : row + 2, column - 1 : column + 2].all()

    def test_a_hidden_joint_is_a_ring_and_an_unlabelled_one_nothing(self, tmp_path: Path) -> None:
        picture = self.picture(tmp_path, 1, 0, 0)
        row, column = int(40.5 * 4.25), int(60.5 * 4.25)
        around = (slice(row - 8, row + 9), slice(column - 8, column + 9))
        assert where(picture, canvas.PAPER)[row, column]
        assert where(picture, canvas.ORANGE, 60)[around].any()
        assert not where(picture, canvas.SKY, 40).any()
        assert not where(picture, canvas.GREEN, 40).any()

    def test_joints_that_a_flip_exchanges_have_the_colours_of_the_sides(self) -> None:
        for card in cards().values():
            for pair in card.labels.flip_pairs if card.labels.keypoints else ():
                sides = {side_color(card.labels.keypoints[i]) for i in pair}
                assert sides == {canvas.ORANGE, canvas.SKY}, card.id

    def test_people_without_joints_are_not_chosen(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="none of the 1 samples has a label to draw"):
            self.picture(tmp_path, 0, 0, 0)


class TestParsing:
    LABELS: ClassVar = {"classes": ["background", "hat", "left-arm"]}

    def draw(self, tmp_path: Path, values: np.ndarray) -> Image.Image:
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / "a_label.png")
        row = {"id": "a", "image": flat(tmp_path / "a.png"), "label": str(tmp_path / "a_label.png")}
        return contact_sheet(card_of("parsing", self.LABELS), pd.DataFrame([row]), 1, 1)

    def test_parts_are_blended_and_listed(self, tmp_path: Path) -> None:
        values = np.zeros((80, 80))
        values[:40, :40], values[40:, 40:] = 1, 2
        sheet = self.draw(tmp_path, values)
        picture = tile_of(sheet)
        for number, at in ((1, slice(10, 40)), (2, slice(290, 320))):
            blended = tuple(int(0.35 * g + 0.65 * c) for g, c in zip(GREY, part_color(number), strict=True))
            assert where(picture, blended)[at, at].all()
        assert where(picture, GREY)[300, 30]
        legend = np.asarray(sheet, int)[TITLE + CELL + Tile.CAPTION :]
        assert where(legend, part_color(1)).any()
        assert where(legend, part_color(2)).any()
        assert not where(legend, part_color(3), 3).any()

    def test_a_map_of_another_size_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a_label\.png: the map is 70 x 80, its image 80 x 80"):
            self.draw(tmp_path, np.ones((80, 70)))

    def test_a_map_without_parts_is_still_shown(self, tmp_path: Path) -> None:
        assert where(tile_of(self.draw(tmp_path, np.zeros((80, 80)))), GREY)[20:-20, 20:-20].all()


def test_every_head_has_a_mark(tmp_path: Path) -> None:
    points = np.array([[10.0, 10], [40, 40], [70, 20]])
    row = {"id": "a", "image": flat(tmp_path / "a.png"), "points": points, "count": 3.0}
    picture = tile_of(contact_sheet(card_of("counting"), pd.DataFrame([row]), 1, 1))
    marks, count = scipy.ndimage.label(where(picture, canvas.YELLOW))
    assert count == 3
    centres = sorted((x, y) for y, x in scipy.ndimage.center_of_mass(marks > 0, marks, [1, 2, 3]))
    np.testing.assert_allclose(centres, (points + 0.5) * 4.25, atol=1)


def test_attributes_present_and_unknown_are_named(tmp_path: Path) -> None:
    names = ["Hat", "Bag", "Skirt"]
    image = flat(tmp_path / "a.png", 40, 80)
    rows = [[1, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 0]]
    pictures = []
    for values in rows:
        table = pd.DataFrame([{"id": "a", "image": image, **dict(zip(names, values, strict=True))}])
        pictures.append(tile_of(contact_sheet(card_of("attribute", {"attributes": names}), table, 1, 1))[:, 175:])
    ink = [where(p, canvas.INK, 60).sum() for p in pictures]
    assert ink[0] > ink[1] > 0
    assert ink[2] == ink[3] == 0
    assert (pictures[2] != canvas.MOUNT).any()  # the unknown one is there, in grey
    assert (pictures[3] == canvas.MOUNT).all()


def test_attributes_of_somebody_in_a_larger_picture_are_shown_with_that_person(tmp_path: Path) -> None:
    image = flat(tmp_path / "a.png", 400, 300)
    row = {"id": "a", "image": image, "Hat": 1, "bbox": np.array([300.0, 100.0, 40.0, 120.0])}
    picture = tile_of(contact_sheet(card_of("attribute", {"attributes": ["Hat"]}), pd.DataFrame([row]), 1, 1))
    rows, columns = np.nonzero(where(picture, canvas.YELLOW))
    # The crop is the box with a margin of 0.12 of its height and 8 pixels on every side: the box fills most of it.
    assert (rows.max() - rows.min()) / (columns.max() - columns.min()) == pytest.approx(120 / 40, rel=0.05)
    assert rows.max() - rows.min() > 0.5 * canvas.CELL


class TestReid:
    def table(self, tmp_path: Path, gallery: list[tuple[int, int]]) -> pd.DataFrame:
        image = flat(tmp_path / "a.png", 40, 80)
        rows = [("query", 1, 0), ("query", 2, 0), *(("gallery", *entry) for entry in gallery)]
        return pd.DataFrame(
            [
                {"id": f"{role}/{n}", "image": image, "pid": pid, "camid": camera, "role": role}
                for n, (role, pid, camera) in enumerate(rows)
            ]
        )

    def borders(self, sheet: Image.Image, cells: int) -> list[Color | None]:
        known = (canvas.INK, canvas.GREEN, canvas.GREY, canvas.PURPLE, canvas.VERMILION)
        top = [tile_of(sheet, n, PERSON_CELL[0], cells)[1] for n in range(cells)]
        return [next((c for c in known if where(line, c).any()), None) for line in top]

    def test_a_row_shows_right_left_out_distracting_and_other_images(self, tmp_path: Path) -> None:
        # Person 1 was seen by cameras 1, 2 and by the query's own camera 0; person 2 is asked for by the other query,
        # but only camera 0 saw him, so that query has no row; nobody asks for person 7.
        table = self.table(tmp_path, [(1, 1), (1, 2), (1, 0), (7, 1), (2, 0)])
        sheet = contact_sheet(card_of("reid"), table, columns=3, rows=2)
        expected = [canvas.INK, canvas.GREEN, canvas.GREEN, canvas.GREY, canvas.PURPLE, canvas.VERMILION]
        assert self.borders(sheet, 6) == expected
        assert sheet.height < TITLE + 2 * CELL  # one row

    def test_without_cameras_nothing_is_left_out(self, tmp_path: Path) -> None:
        table = self.table(tmp_path, [(1, 0), (1, 0)]).assign(camid=-1)
        sheet = contact_sheet(card_of("reid"), table, columns=2, rows=1)
        assert self.borders(sheet, 4)[:3] == [canvas.INK, canvas.GREEN, canvas.GREEN]

    def test_rows_start_with_their_query_when_the_gallery_is_small(self, tmp_path: Path) -> None:
        table = self.table(tmp_path, [(1, 1), (2, 1)])
        sheet = contact_sheet(card_of("reid"), table, columns=3, rows=2)
        for line in (0, 6):
            tile = tile_of(sheet, line, PERSON_CELL[0], 6)
            assert where(tile[1], canvas.INK).any()

    def test_a_training_table_serves_as_its_own_gallery(self, tmp_path: Path) -> None:
        table = self.table(tmp_path, [(1, 1)]).drop(columns="role")
        sheet = contact_sheet(card_of("reid"), table, columns=2, rows=1)
        assert self.borders(sheet, 4)[:2] == [canvas.INK, canvas.GREEN]


def counting_table(tmp_path: Path, n: int) -> pd.DataFrame:
    images = [flat(tmp_path / f"{i}.png", color=(8 * i, 8 * i, 8 * i)) for i in range(n)]
    return pd.DataFrame({"id": range(n), "image": images, "points": [np.zeros((0, 2))] * n, "count": [0.0] * n})


def test_the_seed_decides_which_samples_are_drawn(tmp_path: Path) -> None:
    table = counting_table(tmp_path, 20)
    one, again, other = (contact_sheet(card_of("counting"), table, 2, 2, seed) for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes() != other.tobytes()
    shown = {int(tile_of(one, n, columns=2)[170, 170, 0]) for n in range(4)}
    assert len(shown) == 4


def test_no_sample_is_an_error() -> None:
    with pytest.raises(DataError, match="tiny: there is no sample to draw"):
        contact_sheet(card_of("counting"), pd.DataFrame())


@pytest.mark.parametrize("content", [None, b"not an image"])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    table = counting_table(tmp_path, 1)
    Path(table["image"][0]).unlink()
    if content:
        Path(table["image"][0]).write_bytes(content)
    with pytest.raises(DataError, match=r"0\.png: (there is no such image|not a readable image)"):
        contact_sheet(card_of("counting"), table)


class TestPreviewTable:
    def write(self, name: str, tmp_path: Path) -> DatasetCard:
        card = load_card(name)
        root = tmp_path / card.id / card.reader.roots[0]
        root.mkdir(parents=True)
        writer_for(card).write(card, root, make.tables(card, np.random.default_rng(3)), make.save)
        return card

    def test_query_and_gallery_come_together(self, tmp_path: Path) -> None:
        card = self.write("market1501", tmp_path)
        table = preview_table(card, data_root=tmp_path)
        assert table["role"].value_counts().to_dict() == {"query": 12, "gallery": 12}
        assert table.attrs["split"] == "query and gallery"
        assert "role" not in preview_table(card, "train", tmp_path)
        assert contact_sheet(card, table).width > 0

    def test_the_first_public_split_is_taken(self, tmp_path: Path) -> None:
        card = self.write("lip", tmp_path)
        assert preview_table(card, data_root=tmp_path).attrs["split"] == "train"
        with pytest.raises(WithheldError):
            preview_table(card, "test", tmp_path)
