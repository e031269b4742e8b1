"""Parsing formats: what goes wrong on real disks, and the real samples."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.labels import load_label, read_index_image
from humanbench.data.readers import modanet
from humanbench.data.readers.polygons import mask, paint, shape
from humanbench.data.samples import load_samples
from humanbench.data.writers.outlines import outlines
from humanbench.errors import DataError, DataWarning, WithheldError
from tests import make
from tests.readers.disk import on_disk
from tests.samples import SAMPLES, needs_samples


def save_map(path: Path, values: Any, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(values, np.uint8)
    image = Image.frombytes(mode, array.shape[1::-1], array.tobytes())
    if mode == "P":
        image.putpalette([255 - i for i in range(256) for _ in range(3)])
    image.save(path)


class TestIndexImages:
    def test_a_palette_map_gives_indices_not_colours(self, tmp_path: Path) -> None:
        save_map(tmp_path / "a.png", [[0, 1], [19, 255]], "P")
        assert read_index_image(tmp_path / "a.png").tolist() == [[0, 1], [19, 255]]

    @pytest.mark.parametrize(("bits", "values"), [(1, [[0, 1, 1]]), (2, [[0, 3, 2]]), (4, [[0, 1, 15]])])
    def test_grey_maps_of_fewer_bits_keep_their_values(
        self, tmp_path: Path, bits: int, values: list[list[int]]
    ) -> None:
        (tmp_path / "a.png").write_bytes(grey_png(values, bits))
        assert read_index_image(tmp_path / "a.png").tolist() == values

    def test_a_colour_image_is_refused(self, tmp_path: Path) -> None:
        save_map(tmp_path / "a.png", np.zeros((2, 2, 3)), "RGB")
        with pytest.raises(DataError, match=r"a\.png: .*single-channel.*mode RGB"):
            load_label(load_card("lip"), str(tmp_path / "a.png"))

    def test_a_lossy_file_is_refused(self, tmp_path: Path) -> None:
        Image.new("L", (8, 8)).save(tmp_path / "a.png", "JPEG")
        with pytest.raises(DataError, match=r"a\.png: a label map is a PNG, this is JPEG"):
            load_label(load_card("lip"), str(tmp_path / "a.png"))

    def test_a_truncated_file_is_refused(self, tmp_path: Path) -> None:
        save_map(tmp_path / "a.png", np.random.default_rng(0).integers(0, 20, (64, 64)))
        whole = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=r"a\.png: not a readable image"):
            load_label(load_card("lip"), str(tmp_path / "a.png"))

    def test_an_absent_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"gone\.png: there is no such label map"):
            load_label(load_card("lip"), str(tmp_path / "gone.png"))

    def test_a_value_that_is_no_class_is_named(self, tmp_path: Path) -> None:
        save_map(tmp_path / "a.png", [[0, 20]])
        with pytest.raises(DataError, match=r"a\.png: holds the value 20, but lip uses 0\.\.19"):
            load_label(load_card("lip"), str(tmp_path / "a.png"))

    def test_sparse_values_become_classes(self, tmp_path: Path) -> None:
        save_map(tmp_path / "a.png", [[0, 1, 6, 17], [46, 56, 58, 255]], "P")
        label = load_label(load_card("human36m_parsing"), str(tmp_path / "a.png"))
        # Positions in the list of stored values: 6 is the fifth, 17 the eighth, 46, 56, 58 the 21st, 24th, 25th.
        assert label.tolist() == [[0, 1, 4, 7], [20, 23, 24, 255]]

    @pytest.mark.parametrize("value", [4, 59, 254])
    def test_a_value_between_sparse_ones_is_named(self, tmp_path: Path, value: int) -> None:
        save_map(tmp_path / "a.png", [[0, value]])
        with pytest.raises(DataError, match=rf"a\.png: holds the value {value}, but human36m_parsing uses 0, 1, 2"):
            load_label(load_card("human36m_parsing"), str(tmp_path / "a.png"))


def grey_png(values: list[list[int]], bits: int) -> bytes:
    """A grey PNG of 1, 2 or 4 bits, which Pillow reads but does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    width = len(values[0])
    rows = b""
    for row in values:
        text = "".join(f"{v:0{bits}b}" for v in row)
        text += "0" * (-len(text) % 8)
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    header = struct.pack(">IIBBBBB", width, len(values), bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class TestLists:
    def test_ids_of_nested_frames_hold_the_folder(self, tmp_path: Path) -> None:
        on_disk("human36m_parsing", tmp_path)[1]
        table = load_samples("human36m_parsing", "train", tmp_path)
        assert table["id"][0] == "S1/Directions 1.54138969/00000000"
        assert table["label"][0].endswith("protocol_1/seg/S1/Directions 1.54138969/00000000.png")

    def test_a_line_of_another_form_is_named(self, tmp_path: Path) -> None:
        on_disk("human36m_parsing", tmp_path)[1]
        listed = tmp_path / "human36m_parsing/human3.6/flist_2hz_eval.txt"
        listed.write_text(listed.read_text() + "S9/Directions 1.54138969/00000000\n")
        with pytest.raises(DataError, match=r"flist_2hz_eval\.txt, line 5: .*protocol_1/rgb/\{id\}\.png"):
            load_samples("human36m_parsing", "eval", tmp_path)

    def test_an_id_without_image_is_named(self, tmp_path: Path) -> None:
        on_disk("lip", tmp_path)[1]
        listed = tmp_path / "lip/TrainVal_images/train_id.txt"
        listed.write_text(listed.read_text() + "77_77\n")
        with pytest.raises(DataError, match=r"1 of 5 ids have no image, the first lacks .*train_images/77_77\.jpg"):
            load_samples("lip", "train", tmp_path)

    def test_an_id_without_map_is_named(self, tmp_path: Path) -> None:
        on_disk("cihp", tmp_path)[1]
        (tmp_path / "cihp/instance-level_human_parsing/Training/Category_ids/0000002.png").unlink()
        with pytest.raises(DataError, match=r"no label map, the first lacks .*Category_ids/0000002\.png"):
            load_samples("cihp", "train", tmp_path)

    def test_without_its_list_a_folder_is_the_split(self, tmp_path: Path) -> None:
        written = on_disk("cihp", tmp_path)[1]
        (tmp_path / "cihp/instance-level_human_parsing/Validation/val_id.txt").unlink()
        assert list(load_samples("cihp", "val", tmp_path)["id"]) == list(written["val"]["id"])

    @pytest.mark.parametrize("form", ["flat", "humanbench"])
    def test_other_layouts_of_lip_are_read(self, tmp_path: Path, form: str) -> None:
        written = on_disk("lip", tmp_path)[1]
        root = tmp_path / "lip"
        (root / "TrainVal_images").rename(root / "data")
        if form == "flat":
            for path in [*(root / "data").iterdir(), *(root / "TrainVal_parsing_annotations").iterdir()]:
                path.rename(root / path.name)
        table = load_samples("lip", "val", tmp_path)
        assert list(table["id"]) == list(written["val"]["id"])
        assert all(os.path.isfile(p) for p in [*table["image"], *table["label"]])

    def test_atr_tests_on_what_the_training_list_leaves(self, tmp_path: Path) -> None:
        root = tmp_path / "atr"
        for stem in ("2500_1", "997_3", "fash_2", "Multi_9"):
            make.save((1, 8, 8), root / f"humanparsing/JPEGImages/{stem}.jpg")
            save_map(root / f"humanparsing/SegmentationClassAug/{stem}.png", np.zeros((8, 8)))
        (root / "train_id.txt").write_text("997_3\n2500_1\n")
        assert list(load_samples("atr", "train", tmp_path)["id"]) == ["997_3", "2500_1"]
        assert list(load_samples("atr", "val", tmp_path)["id"]) == ["Multi_9", "fash_2"]
        (root / "val_id.txt").write_text("fash_2\n")
        assert list(load_samples("atr", "val", tmp_path)["id"]) == ["fash_2"]

    @pytest.mark.parametrize("split", ["train", "val"])
    def test_atr_without_list_says_where_it_is_published(self, tmp_path: Path, split: str) -> None:
        on_disk("atr", tmp_path)[1]
        next((tmp_path / "atr").rglob("train_id.txt")).unlink()
        with pytest.raises(DataError, match=r"train_id\.txt.*Gaoyiminggithub/Graphonomy \(sha256 793325f4"):
            load_samples("atr", split, tmp_path)

    def test_paper_doll_without_pseudo_labels_says_so(self, tmp_path: Path) -> None:
        on_disk("paperdoll", tmp_path)[1]
        root = tmp_path / "paperdoll/PaperDoll"
        (root / "TrainVal_parsing_annotations").rename(root / "elsewhere")
        with pytest.raises(DataError, match=r"no part labels: produce index PNGs with a parser trained on CIHP"):
            load_samples("paperdoll", "train", tmp_path)

    @pytest.mark.parametrize("name", ["lip", "cihp", "vip", "deepfashion2"])
    def test_withheld_labels_are_refused_with_the_alternative(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(WithheldError, match=r"not public.*use val"):
            load_samples(name, "test", tmp_path)


def garments(*items: tuple[int, list[Any]]) -> dict[str, Any]:
    named = {f"item{i}": {"category_id": c, "segmentation": s} for i, (c, s) in enumerate(items, 1)}
    return {"source": "shop", "pair_id": 1, **named}


def fashion_image(root: Path, annotation: Any) -> str:
    """A 6 x 4 DeepFashion2 image with this annotation; the path of the JSON."""
    make.save((1, 6, 4), root / "image/000001.jpg")
    path = root / "annos/000001.json"
    path.parent.mkdir()
    path.write_text(annotation if isinstance(annotation, str) else json.dumps(annotation))
    return str(path)


RECTANGLE = [[1, 1, 5, 1, 5, 3, 1, 3]]


class TestDeepFashion2:
    def test_polygons_become_pixels(self, tmp_path: Path) -> None:
        label = load_label(load_card("deepfashion2"), fashion_image(tmp_path, garments((7, RECTANGLE))))
        # Pixel i spans i to i + 1, so the edges 1 and 5 enclose pixels 1 to 4.
        assert label.tolist() == [[0] * 6, [0, 7, 7, 7, 7, 0], [0, 7, 7, 7, 7, 0], [0] * 6]

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_smaller_garment_is_on_top(self, tmp_path: Path, order: int) -> None:
        items = [(7, RECTANGLE), (3, [[2, 1, 3, 1, 3, 3, 2, 3]])][::order]
        label = load_label(load_card("deepfashion2"), fashion_image(tmp_path, garments(*items)))
        assert label[1].tolist() == [0, 7, 3, 7, 7, 0]

    def test_pieces_of_a_garment_are_united(self, tmp_path: Path) -> None:
        pieces = [[0, 0, 2, 0, 2, 1, 0, 1], [4, 0, 6, 0, 6, 1, 4, 1], [1, 1, 2, 2]]
        label = load_label(load_card("deepfashion2"), fashion_image(tmp_path, garments((1, pieces))))
        assert label.tolist() == [[1, 1, 0, 0, 1, 1], *[[0] * 6] * 3]

    @pytest.mark.parametrize(
        ("annotation", "message"),
        [
            (garments((14, RECTANGLE)), r"000001\.json, item1: the category_id 14 is not one of 1\.\.13"),
            (garments((1, [[1, 2, 3]])), r"000001\.json, item1: a polygon is a row of pairs"),
            (garments((1, [[1, 1, "x", 1, 5, 3]])), r"item1: .* is not a polygon"),
            (garments((1, [[0, 0, 1e9, 0, 5, 3]])), r"item1: a polygon goes to 1000000000\.0, far outside"),
            (garments((1, [[0, 0, float("nan"), 0, 5, 3]])), r"item1: a polygon goes to nan"),
            (garments((1, {"counts": "abc", "size": [4, 6]})), r"item1: a segmentation is a list of polygons"),  # type: ignore[arg-type]
            ({"item1": {"segmentation": RECTANGLE}}, r"item1: an annotation needs category_id and segmentation"),
            ([], r"000001\.json: a DeepFashion2 annotation is an object"),
            ('{"item1": ', r"000001\.json, line 1 column 11: not valid JSON"),
        ],
    )
    def test_malformed_annotations_are_named(self, tmp_path: Path, annotation: Any, message: str) -> None:
        with pytest.raises(DataError, match=message):
            load_label(load_card("deepfashion2"), fashion_image(tmp_path, annotation))

    def test_maps_drawn_by_a_toolchain_are_read(self, tmp_path: Path) -> None:
        root = tmp_path / "deepfashion2/train"
        make.save((1, 6, 4), root / "image/000001.jpg")
        save_map(root / "seg/000001.png", np.full((4, 6), 13))
        with pytest.warns(DataWarning, match="the annotations are those of .*seg, a conversion"):
            table = load_samples("deepfashion2", "train", tmp_path)
        assert (load_label(load_card("deepfashion2"), table["label"][0]) == 13).all()


class TestModaNet:
    def test_images_without_polygons_are_no_samples(self, tmp_path: Path) -> None:
        on_disk("modanet", tmp_path)[1]
        path = tmp_path / "modanet/annotations/modanet2018_instances_train.json"
        content = json.loads(path.read_text())
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 2]
        path.write_text(json.dumps(content))
        assert list(load_samples("modanet", "train", tmp_path)["id"]) == ["0000001", "0000003", "0000004"]

    def test_a_list_chooses_among_the_photographs(self, tmp_path: Path) -> None:
        on_disk("modanet", tmp_path)[1]
        root = tmp_path / "modanet"
        (root / "images/0000002.jpg").unlink()
        with pytest.raises(DataError, match=r"lacks .*images/0000002\.jpg.*train_id\.txt"):
            load_samples("modanet", "train", tmp_path)
        (root / "train_id.txt").write_text("0000004\n0000001\n")
        assert list(load_samples("modanet", "train", tmp_path)["id"]) == ["0000004", "0000001"]
        (root / "train_id.txt").write_text("0000009\n")
        with pytest.raises(DataError, match=r"names '0000009', of which .* has no polygons"):
            load_samples("modanet", "train", tmp_path)

    def test_maps_drawn_by_a_toolchain_are_read(self, tmp_path: Path) -> None:
        make.save((1, 6, 4), tmp_path / "modanet/images/0000007.jpg")
        save_map(tmp_path / "modanet/seg/0000007.png", np.full((4, 6), 13))
        with pytest.warns(DataWarning, match="the annotations are those of .*seg, a conversion"):
            table = load_samples("modanet", "train", tmp_path)
        assert (load_label(load_card("modanet"), table["label"][0]) == 13).all()

    def test_nothing_there_names_both_places(self, tmp_path: Path) -> None:
        (tmp_path / "modanet").mkdir()
        with pytest.raises(DataError, match=r"annotations/modanet2018_instances_train\.json or .* not found"):
            load_samples("modanet", "train", tmp_path)

    def test_the_file_is_parsed_once_and_again_when_it_changes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on_disk("modanet", tmp_path)[1]
        parsed: list[Path] = []
        parse = modanet._parse
        monkeypatch.setattr(modanet, "_parse", lambda card, path: (parsed.append(path), parse(card, path))[1])
        labels = list(load_samples("modanet", "train", tmp_path)["label"])
        for label in labels:
            load_label(load_card("modanet"), label)
        assert len(parsed) == 1
        file = parsed[0]
        os.utime(file, ns=(1, 1))
        load_label(load_card("modanet"), labels[0])
        assert len(parsed) == 2

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"images": [{"id": 1}]}, r"train\.json: not a COCO instance file"),
            ({"annotations": [{"image_id": 99}]}, r"annotation 0 belongs to image 99"),
            (
                {"annotations": [{"image_id": 1, "category_id": 0, "segmentation": []}]},
                r"annotation 0: the category_id 0",
            ),
        ],
    )
    def test_malformed_files_are_named(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        on_disk("modanet", tmp_path)[1]
        path = tmp_path / "modanet/annotations/modanet2018_instances_train.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(DataError, match=message):
            load_samples("modanet", "train", tmp_path)


def test_outlines_of_any_mask_give_the_same_pixels() -> None:
    rng = np.random.default_rng(11)
    for _ in range(200):
        region = rng.random(rng.integers(1, 12, 2)) < rng.uniform(0.05, 0.95)
        if region.any():
            polygons = [np.array(p, float) for p in outlines(region)]
            np.testing.assert_array_equal(mask(region.shape[::-1], polygons), region)


def test_a_ring_is_one_polygon_around_its_hole() -> None:
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    assert len(outlines(ring)) == 1


@needs_samples
class TestRealSamples:
    def test_cihp(self, tmp_path: Path) -> None:
        (tmp_path / "cihp").symlink_to(SAMPLES / "CIHP")
        card = load_card("cihp")
        table = load_samples(card, "val", tmp_path)
        assert len(table) == 5
        seen: set[int] = set()
        for row in table.itertuples():
            with Image.open(str(row.image)) as image:
                label = load_label(card, str(row.label))
                assert label.shape == image.size[::-1]
            seen |= set(np.unique(label).tolist())
        # Classes present in the five maps: no glove (3), sunglasses (4), and nothing outside 0..19.
        assert seen == set(range(20)) - {3, 4}

    def test_cihp_is_written_as_it_is_distributed(self, tmp_path: Path) -> None:
        on_disk("cihp", tmp_path)[1]
        ours, theirs = tmp_path / "cihp", SAMPLES / "CIHP"
        folders = [{str(p.parent.relative_to(r)) for p in r.rglob("*") if p.is_file()} for r in (ours, theirs)]
        assert folders[1] <= folders[0]
        where = "instance-level_human_parsing/Validation"
        for root in (ours, theirs):
            listed = (root / where / "val_id.txt").read_text().split()
            assert {p.stem for p in (root / where / "Category_ids").glob("*.png")} == set(listed)
            for stem in listed:
                assert len(stem) == 7
                assert (root / where / "Images" / f"{stem}.jpg").is_file()
                with Image.open(root / where / "Category_ids" / f"{stem}.png") as image:
                    assert (image.format, image.mode) == ("PNG", "L")

    def test_real_maps_survive_as_polygons(self) -> None:
        paths = sorted((SAMPLES / "CIHP/instance-level_human_parsing/Validation/Category_ids").glob("*.png"))
        assert paths
        label = read_index_image(paths[0])
        shapes = [
            (int(c), [np.array(p, float) for p in outlines(label == c)]) for c in np.unique(label[label > 0]).tolist()
        ]
        np.testing.assert_array_equal(paint(label.shape[::-1], shapes), label)

    def test_real_deepfashion2_polygons_lie_in_their_boxes(self) -> None:
        content = json.loads((SAMPLES / "DeepFashion2/annotations/deepfasion2.json").read_text())
        card = load_card("deepfashion2")
        for annotation in content["annotations"]:
            label = paint((750, 750), [shape(card, annotation, (750, 750), "sample")])
            ys, xs = np.nonzero(label == 11)  # a long sleeve dress
            x, y, width, height = annotation["bbox"]
            assert xs.min() >= x
            assert ys.min() >= y
            assert xs.max() <= x + width
            assert ys.max() <= y + height  # one box ends at the last row, 749, as if it counted pixels
            assert len(xs) > 0.5 * width * height
