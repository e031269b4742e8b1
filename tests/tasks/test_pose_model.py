"""The pose model: windows, targets, decoding, what is trained and tested on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from humanbench.cards import load_card
from humanbench.data import transforms as images
from humanbench.errors import DataError, PredictionError, RecipeError
from humanbench.recipes import Recipe, load_recipe
from humanbench.tasks.pose import training as model
from humanbench.tasks.pose import transforms
from humanbench.tasks.pose.head import PoseHead
from humanbench.tasks.pose.heatmaps import gaussians, peaks
from humanbench.tasks.pose.options import PoseAugmentOptions, PoseHeadOptions, PoseLossOptions, PoseTestOptions
from humanbench.tasks.pose.rescoring import CropPose, oks_nms, rescore
from humanbench.tasks.pose.transforms import Window
from tests.tasks.dense import IDENTITY, backbone, check_repeatable, features, needs_parity, official, save

COCO = load_card("coco_pose")
PLAIN = PoseTestOptions(flip=False, boxes="annotations", blur=11)
FLIP = PoseTestOptions(flip=True, boxes="annotations", blur=11)
STILL = {
    "augment.shift_chance": 0.0, "augment.flip": 0.0, "augment.half_body": 0.0, "augment.scale": 0.0,
    "augment.rotation_chance": 0.0,
}  # fmt: skip


def recipe(name: str = "coco_pose", **changed: Any) -> Recipe:
    return load_recipe(load_card(name), "full", overrides={k.replace("__", "."): v for k, v in changed.items()})


def window_of(x: float, y: float, w: float, h: float) -> Window:
    return Window(np.array([x, y]), np.array([w, h]))


# --- windows ----------------------------------------------------------------------------------------------------------


def test_box_window_grows_the_shorter_side_and_pads() -> None:
    # 30 x 100 at 3:4 becomes 75 x 100, times 1.25
    window = transforms.box_window([10, 20, 30, 100], 192 / 256)
    assert window.center.tolist() == [25, 70]
    assert window.extent.tolist() == [93.75, 125]
    # 90 x 60 becomes 90 x 120
    assert transforms.box_window([0, 0, 90, 60], 192 / 256).extent.tolist() == [112.5, 150]


def test_a_box_is_cut_off_at_the_picture() -> None:
    # left 0, right min(99, 0 + 49); top 10, bottom min(79, 10 + 199)
    assert transforms.clip_box([-5, 10, 50, 200], (80, 100)).tolist() == [0, 10, 49, 69]


def test_mpii_window() -> None:
    """The table's centre counts from 0; moved down by 15 * scale, 200 * 1.25 * scale wide and high."""
    window = transforms.given_window([50, 60], 2.0)
    assert (window.center.tolist(), window.extent.tolist()) == ([50, 90], [500, 500])
    unstated = transforms.given_window([-2, -2], 2.0)
    assert (unstated.center.tolist(), unstated.extent.tolist()) == ([-2, -2], [400, 400])


def test_window_matrix_is_the_unbiased_one() -> None:
    """Against mmpose's `get_udp_warp_matrix`, worked out for center (60, 80), extent (90, 120), 30 degrees, 192 x 256:
    m00 = cos 30 * 191 / 90, m02 = 191 / 90 * (-60 cos 30 + 80 sin 30 + 45), and so on."""
    cos, sin, sx, sy = np.sqrt(3) / 2, 0.5, 191 / 90, 255 / 120
    expected = [
        [cos * sx, -sin * sx, sx * (-60 * cos + 80 * sin + 45)],
        [sin * sy, cos * sy, sy * (-60 * sin - 80 * cos + 60)],
    ]
    matrix = transforms.window_matrix(window_of(60, 80, 90, 120), (256, 192), 30)
    np.testing.assert_allclose(matrix, expected, atol=1e-12)


positions = st.floats(-500, 500)
sides = st.floats(1, 800)


@given(positions, positions, sides, sides, st.lists(st.tuples(positions, positions), min_size=1, max_size=5))
def test_to_the_input_and_back_is_the_identity(x: float, y: float, w: float, h: float, points: list[Any]) -> None:
    window, size = window_of(x, y, w, h), (256, 192)
    shown = images.apply(transforms.window_matrix(window, size), np.array(points))
    there = transforms.between(shown, size, (64, 48))
    np.testing.assert_allclose(transforms.to_picture(there, window, (64, 48)), points, atol=1e-6)


@given(positions, positions, sides, sides, st.floats(-80, 80), positions, positions)
def test_affine_maps_undo_and_follow_each_other(
    x: float, y: float, w: float, h: float, angle: float, px: float, py: float
) -> None:
    matrix = transforms.window_matrix(window_of(x, y, w, h), (64, 48), angle)
    point = np.array([px, py])
    np.testing.assert_allclose(images.apply(images.invert(matrix), images.apply(matrix, point)), point, atol=1e-5)
    both = images.compose(images.mirroring(48), matrix)
    np.testing.assert_allclose(images.apply(both, point), [47, 0] + images.apply(matrix, point) * [-1, 1], atol=1e-6)


def test_warp_puts_pixels_where_the_matrix_says() -> None:
    """A linear ramp is what bilinear interpolation keeps exactly, so every pixel tells where it came from."""
    ys, xs = np.mgrid[:60, :80]
    picture = Image.fromarray(np.stack([xs * 3, ys * 4, np.zeros_like(xs)], -1).astype(np.uint8))
    matrix = transforms.window_matrix(window_of(40, 30, 30, 36), (48, 40), 20)
    shown = np.asarray(images.warp(picture, matrix, (48, 40), "bilinear"), float)
    rows, columns = np.mgrid[:48, :40]
    source = images.apply(images.invert(matrix), np.stack([columns, rows], -1))
    assert np.abs(shown[..., 0] / 3 - source[..., 0]).max() <= 1 / 3  # Pillow cuts values to whole numbers
    assert np.abs(shown[..., 1] / 4 - source[..., 1]).max() <= 1 / 4


def test_warp_by_the_identity_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    shown = images.warp(Image.fromarray(pixels), np.eye(3)[:2], (20, 30), "bilinear")
    assert (np.asarray(shown) == pixels).all()


def test_half_body_shows_joints_of_one_half() -> None:
    options = recipe().augment | {"half_body": 1.0, "half_body_joints": 8}
    augment = PoseAugmentOptions.model_validate(options)
    keypoints = np.zeros((17, 3))
    keypoints[:, 0], keypoints[:, 1], keypoints[:, 2] = 50 + np.arange(17) % 3, np.arange(17) * 10, 2
    whole = window_of(50, 80, 150, 200)
    seen = {
        float(transforms.half_body(whole, keypoints, COCO.labels.upper_body, 0.75, augment, rng).center[1])
        for rng in (np.random.default_rng(i) for i in range(30))
    }
    # means of 0..100 (joints 0 to 10) and of 110..160
    assert seen == {50.0, 135.0}
    few = keypoints * [[1, 1, k < 8] for k in range(17)]
    rng = np.random.default_rng(0)
    assert transforms.half_body(whole, few, COCO.labels.upper_body, 0.75, augment, rng) is whole


# --- targets and decoding ---------------------------------------------------------------------------------------------

JOINTS = [[10.3, 20.7], [0.4, 1.2], [47.9, 30.5], [5.5, 63.49], [23.25, 8.0], [-3.2, 10.0], [-6.6, 4.0]]


def test_target_gaussians_are_those_of_mmpose() -> None:
    """Numbers: mmpose 759b39c, `generate_udp_gaussian_heatmaps((48, 64), JOINTS, ones, 2)`, sums and single cells."""
    heatmaps, inside = gaussians(torch.tensor([JOINTS]), (64, 48), 2.0)
    sums = [25.07431, 13.62812, 10.52308, 12.59392, 25.07888, 2.1638, 0.02139]
    np.testing.assert_allclose(heatmaps[0].sum((1, 2)), sums, atol=2e-5)
    cells = [heatmaps[0, 0, 20, 10], heatmaps[0, 0, 26, 16], heatmaps[0, 2, 30, 46], heatmaps[0, 5, 10, 3]]
    np.testing.assert_allclose(cells, [0.93006563, 0.00051440549, 0.61723793, 0.0081887003], rtol=1e-4)
    assert inside.all()
    _, inside = gaussians(torch.tensor([[[-8.0, 5.0], [60.0, 5.0], [5.0, 71.0], [5.0, 69.0]]]), (64, 48), 2.0)
    assert inside.tolist() == [[False, False, False, True]]


def test_refinement_is_that_of_mmpose() -> None:
    """Numbers: mmpose 759b39c, `refine_keypoints_dark_udp` (OpenCV 4 blur) from the same maps and their maxima."""
    heatmaps, _ = gaussians(torch.tensor([JOINTS[:5]]), (64, 48), 2.0)
    ys, xs = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    bump = 0.1 * torch.exp(-((xs - 12) ** 2 + (ys - 24) ** 2) / 18)
    places, scores = peaks(0.8 * heatmaps + bump + 0.0005 * xs, 11)
    expected = [
        [10.41816044, 20.91510963], [-0.50019997, 1.66773999], [47.49488068, 30.50340080], [5.51020002, 63.49932099],
        [23.26025009, 8.00024033],
    ]  # fmt: skip
    np.testing.assert_allclose(places[0], expected, atol=2e-4)
    assert scores.shape == (1, 5)


@settings(max_examples=40)
@given(st.floats(9, 38), st.floats(9, 54), st.floats(0.2, 1.0))
def test_a_gaussian_decodes_to_where_it_was_drawn(x: float, y: float, height: float) -> None:
    heatmaps, _ = gaussians(torch.tensor([[[x, y]]]), (64, 48), 2.0)
    places, _ = peaks(height * heatmaps, 11)
    np.testing.assert_allclose(places[0, 0], [x, y], atol=0.05)


@settings(max_examples=25)
@given(st.floats(5, 12), st.floats(5, 18))
def test_a_narrow_gaussian_on_a_small_map_with_its_kernel(x: float, y: float) -> None:
    heatmaps, _ = gaussians(torch.tensor([[[x, y]]]), (24, 18), 1.0)
    places, _ = peaks(heatmaps, 5)
    np.testing.assert_allclose(places[0, 0], [x, y], atol=0.05)


@settings(max_examples=40)
@given(st.floats(0, 11), st.floats(0, 15), st.sampled_from([1.0, 1.5, 2.0]), st.floats(0.2, 1.0))
def test_without_blur_a_gaussian_at_the_border_is_read_where_it_is(
    x: float, y: float, sigma: float, top: float
) -> None:
    """The blur with zeros outside moves it inwards by up to a cell."""
    heatmaps, _ = gaussians(torch.tensor([[[x, y]]]), (16, 12), sigma)
    places, _ = peaks(top * heatmaps, 1)
    np.testing.assert_allclose(places[0, 0], [x, y], atol=0.05)


def test_flat_and_negative_maps_decode_to_finite_places_on_the_map() -> None:
    for blur in (1, 5):
        places, scores = peaks(torch.stack([torch.zeros(2, 8, 6), -torch.rand(2, 8, 6)]), blur)
        assert torch.isfinite(places).all()
        assert torch.isfinite(scores).all()
        assert ((places >= -2) & (places <= 9)).all()


# --- the head ---------------------------------------------------------------------------------------------------------


@needs_parity
def test_head_equals_the_official_one() -> None:
    head, io = official(
        PoseHead(64, 16, 5, [], PoseHeadOptions(channels=16, stride=4), PoseLossOptions(sigma=2.0), PLAIN), "pose"
    )
    out = head(features(io["x"]), {"input_size": (96, 48)})
    assert (out - io["pose.out"]).abs().max() < 1e-5


@pytest.mark.parametrize(("stride", "cells"), [(4, 32), (8, 16), (14, 10), (16, 8), (32, 4)])
def test_any_stride_gives_the_recipes_heatmaps(stride: int, cells: int) -> None:
    head = model.training.build_head(COCO, {}, recipe(head__channels=8), backbone(6, stride))
    out = head(features(torch.randn(2, 6, cells, cells)), {"input_size": (128, 120)})
    assert out.shape == (2, 17, 32, 30)


def test_odd_strides_keep_places() -> None:
    """A map of stride 14 that holds each cell's place in the picture holds places after resampling to stride 4."""
    from humanbench.tasks.maps import cover

    ys, xs = torch.meshgrid(torch.arange(10.0), torch.arange(10.0), indexing="ij")
    centres = torch.stack([(xs + 0.5) * 14, (ys + 0.5) * 14])[None]
    out = cover(centres, 14, 4, (128, 120))
    assert out.shape == (1, 2, 32, 30)
    inner = out[0, :, 2:-2, 2:-2]
    np.testing.assert_allclose(inner[0, 0], (torch.arange(30.0)[2:-2] + 0.5) * 4, atol=1e-4)
    np.testing.assert_allclose(inner[1, :, 0], (torch.arange(32.0)[2:-2] + 0.5) * 4, atol=1e-4)


def test_loss_counts_labelled_joints_only() -> None:
    head = PoseHead(4, 16, 3, [], PoseHeadOptions(channels=4, stride=4), PoseLossOptions(sigma=2.0), PLAIN)
    joints = torch.tensor([[[31.0, 31.0], [20.0, 40.0], [500.0, 500.0]]])
    batch = {"joints": joints, "weights": torch.tensor([[1.0, 0.0, 1.0]]), "input_size": (64, 64)}
    target, _ = gaussians(joints * 15 / 63, (16, 16), 2.0)
    outputs = target.clone()
    outputs[:, 1:] += 5  # one joint without a label, one outside the map
    assert head.loss(outputs, batch)["heatmap"].item() == pytest.approx(0, abs=1e-12)
    outputs[:, 0] += 0.5  # a square of 0.25 in one of three joints
    assert head.loss(outputs, batch)["heatmap"].item() == pytest.approx(0.25 / 3, rel=1e-5)


def heads_and_batch(test: PoseTestOptions) -> tuple[PoseHead, dict[str, Any]]:
    head = PoseHead(4, 16, 3, [(1, 2)], PoseHeadOptions(channels=4, stride=4), PoseLossOptions(sigma=2.0), test)
    window = torch.tensor([[100.0, 200.0, 47.0, 63.0]]).double()  # heatmap cells are picture pixels, moved
    return head, {"window": window, "who": [(7, 8)], "box_score": torch.tensor([0.5])}


def test_decoding_returns_to_the_picture() -> None:
    head, batch = heads_and_batch(PLAIN)
    joints = torch.tensor([[[10.3, 20.7], [23.25, 30.0], [30.5, 40.5]]])
    found = head.decode([0.9 * gaussians(joints, (64, 48), 2.0)[0]], batch)[0]
    np.testing.assert_allclose(found.keypoints[:, :2], joints[0] + torch.tensor([76.5, 168.5]), atol=0.03)
    assert (found.image_id, found.annotation_id, found.box_score, found.area) == (7, 8, 0.5, 47 * 63)


def test_flip_view_is_mirrored_back_with_pairs_exchanged() -> None:
    head, batch = heads_and_batch(FLIP)
    joints = torch.tensor([[[10.3, 20.7], [23.25, 30.0], [30.5, 40.5]]])
    plain, _ = gaussians(joints, (64, 48), 2.0)
    flipped, _ = gaussians(
        (torch.tensor([47.0, 0.0]) + joints * torch.tensor([-1.0, 1.0]))[:, [0, 2, 1]], (64, 48), 2.0
    )
    alone, both = head.decode([plain], batch)[0], head.decode([plain, flipped], batch)[0]
    np.testing.assert_allclose(both.keypoints, alone.keypoints, atol=1e-4)


# --- scores of people -------------------------------------------------------------------------------------------------


def test_rescore_is_the_box_times_the_confident_joints() -> None:
    keypoints = np.array([[0, 0, 0.9], [0, 0, 0.1], [0, 0, 0.5]])
    assert rescore(CropPose(1, 1, keypoints, 0.5, 1.0), 0.2) == pytest.approx(0.5 * 0.7)
    assert rescore(CropPose(1, 1, keypoints, 0.5, 1.0), 0.95) == 0.0


def test_the_same_person_found_twice_is_kept_once() -> None:
    """exp(-d^2 / (2 sigma)^2 / area / 2) with sigma 0.05, area 10,000: 10 pixels apart e^-0.5 = 0.61, 3 apart 0.956."""

    def person(image: int, x: float) -> CropPose:
        return CropPose(image, None, np.array([[x, 0.0, 1.0], [x, 50.0, 1.0]]), 1.0, 10_000.0)

    people = [person(1, 0), person(1, 3), person(1, 10), person(2, 3)]
    assert oks_nms(people, [0.5, 0.9, 0.4, 0.1], [0.05, 0.05], 0.9) == [1, 2, 3]
    assert oks_nms(people, [0.5, 0.9, 0.4, 0.1], [0.05, 0.05], 0.6) == [1, 3]
    assert oks_nms([], [], [0.05, 0.05], 0.9) == []


# --- data -------------------------------------------------------------------------------------------------------------


def people(tmp_path: Path, card: Any = COCO, n: int = 3) -> pd.DataFrame:
    """Pictures of noise; person 1 is a crowd, person 2 has no labelled joints where there are three."""
    rng = np.random.default_rng(3)
    files = [save(tmp_path / f"{i:012d}.jpg.png", rng.integers(0, 256, (60, 80, 3))) for i in range(n)]
    joints = len(card.labels.keypoints)
    keypoints = [np.concatenate([rng.uniform(5, 50, (joints, 2)), np.full((joints, 1), 2.0)], 1) for _ in range(n)]
    table = pd.DataFrame(
        {
            "id": [f"{i}/{10 + i}" for i in range(n)], "image": files, "image_id": range(n),
            "annotation_id": range(10, 10 + n), "bbox": [np.array([10.0, 5.0, 40.0, 50.0])] * n,
            "keypoints": keypoints, "area": [900.0] * n, "iscrowd": [int(i == 1) for i in range(n)],
        }
    )  # fmt: skip
    if n > 2:
        table["keypoints"].iloc[2][:, 2] = 0
    table.attrs["image_ids"] = [*range(n), 99]
    return table


def test_training_leaves_out_crowds_and_the_unlabelled(tmp_path: Path) -> None:
    data = model.training.training_data(COCO, {"train": people(tmp_path)}, recipe(), IDENTITY, 0)
    assert len(data) == 1
    empty = people(tmp_path).iloc[1:]
    with pytest.raises(DataError, match="labelled joints"):
        model.training.training_data(COCO, {"train": empty}, recipe(), IDENTITY, 0)


def test_samples_depend_on_seed_epoch_and_index_only(tmp_path: Path) -> None:
    tables = {"train": people(tmp_path, n=2).assign(iscrowd=0)}
    data = check_repeatable(lambda seed: model.training.training_data(COCO, tables, recipe(), IDENTITY, seed))
    assert sorted(i for batch in data.batches(1, 0, 0) for i in batch) == [0, 1]


def test_joints_stay_on_their_pixels_through_all_augmentations(tmp_path: Path) -> None:
    """Dots of a value per joint: after any crop, turn and mirror the input has it where the joint is said to be."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    keypoints = np.zeros((17, 3))
    for number, (x, y) in enumerate([(40, 30), (70, 50), (100, 80), (60, 90)]):
        ys, xs = np.mgrid[:120, :160]
        pixels[(ys - y) ** 2 + (xs - x) ** 2 <= 9] = 40 + 60 * number if number < 3 else 255
        keypoints[number] = x, y, 2
    table = people(tmp_path, n=1)
    table["image"] = save(tmp_path / "dots.png", pixels)
    table["keypoints"], table["bbox"] = [keypoints], [np.array([20.0, 10.0, 110.0, 100.0])]
    data = model.training.training_data(COCO, {"train": table}, recipe(), IDENTITY, 0)
    values = np.array([40, 100, 160, 255]) / 255
    checked, mirrored = 0, 0
    for epoch in range(20):
        data.set_epoch(epoch)
        sample = data[0]
        image = images.normalise(sample["image"][None], IDENTITY)[0]
        swapped = sample["weights"].nonzero()[:, 0].tolist() == [0, 1, 2, 4]
        mirrored += swapped
        # pairs of the card: joints 1 and 2, 3 and 4 change places in a mirror image
        order = [0, 2, 1, 4] if swapped else [0, 1, 2, 3]
        for value, joint in zip(values, order, strict=True):
            x, y = sample["joints"][joint].round().int().tolist()
            if 3 <= x < 189 and 3 <= y < 253:
                assert image[0, y, x].item() == pytest.approx(value, abs=0.02)
                checked += 1
    assert checked > 40
    assert 0 < mirrored < 20


def test_whose_windows_are_tested(tmp_path: Path) -> None:
    table = people(tmp_path)
    assert len(model.training.test_data(COCO, {"val": table}, recipe(), IDENTITY, {})) == 1
    detected = load_recipe(COCO, "full", variant="ap56")
    with pytest.raises(RecipeError, match="input 'boxes'"):
        model.training.test_data(COCO, {"val": table}, detected, IDENTITY, {})
    boxes = [
        {"image_id": 0, "category_id": 1, "bbox": [-5, 5, 20, 20], "score": 0.9},
        {"image_id": 99, "category_id": 1, "bbox": [5, 5, 20, 20], "score": 0.4},
        {"image_id": 0, "category_id": 3, "bbox": [5, 5, 20, 20], "score": 0.9},
        {"image_id": 12345, "category_id": 1, "bbox": [5, 5, 20, 20], "score": 0.9},
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(boxes))
    data = model.training.test_data(COCO, {"val": table}, detected, IDENTITY, {"boxes": path})
    assert data.who == [(0, None), (99, None)]
    assert data.paths[1] == str(tmp_path / "000000000099.jpg")  # an image without annotated people
    assert data[0]["box_score"] == 0.9
    assert data[0]["window"].tolist() == [5, 15, 1.25 * 20, 1.25 * 20 / 0.75]  # not cut off at the border
    path.write_text("{}")
    with pytest.raises(PredictionError, match="list of objects"):
        model.training.test_data(COCO, {"val": table}, detected, IDENTITY, {"boxes": path})


def test_given_people_come_back_in_the_tables_order(tmp_path: Path) -> None:
    card = load_card("mpii")
    table = people(tmp_path, card).assign(center=[np.array([30.0, 30.0])] * 3, scale=0.2)
    data = model.training.test_data(card, {"val": table}, recipe("mpii"), IDENTITY, {})
    assert len(data) == 3  # also people without labelled joints: every row needs a prediction
    found = [CropPose(w[0], w[1], np.full((16, 3), float(w[1])), 1.0, 1.0) for w in data.who]
    result = model.training.predictions(card, {"val": table}, found[::-1])
    assert result.annotation_ids == [10, 11, 12]
    assert result.keypoints[:, 0, 0].tolist() == [10, 11, 12]


def test_variants_are_understood_and_slips_refused() -> None:
    model.training.check(load_recipe(COCO, "full", variant="ap56"))
    with pytest.raises(RecipeError, match="odd"):
        model.training.check(recipe(test__blur=4))
    with pytest.raises(RecipeError, match=r"input\.fit"):
        model.training.check(recipe(input__fit="stretch"))
