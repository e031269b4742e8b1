"""The counting model: nobody is lost or made up between the points and the count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import norm

from humanbench.cards import load_card
from humanbench.data.rasters import PillowRaster
from humanbench.errors import RecipeError
from humanbench.recipes import Recipe, load_recipe
from humanbench.tasks.counting import training as model
from humanbench.tasks.counting.data import random_window
from humanbench.tasks.counting.density import density_map, inside, kernels
from humanbench.tasks.counting.options import CountingAugmentOptions, CountingLossOptions
from tests.tasks.dense import IDENTITY, backbone, check_repeatable, features, save

PART_B = load_card("shanghaitech_b")
FIXED = CountingLossOptions(kernel="fixed", sigma=6.0, neighbours=3, spread=0.3, magnify=100, count=0.1)
ADAPTIVE = FIXED.model_copy(update={"kernel": "adaptive"})


def recipe(name: str = "shanghaitech_b", **changed: Any) -> Recipe:
    return load_recipe(load_card(name), "full", overrides={k.replace("__", "."): v for k, v in changed.items()})


def test_a_cell_holds_the_integral_of_the_gaussian() -> None:
    """A point at (20, 12) with sigma 3: the share of cell (1, 2) of 8 pixels, edges at 7.5..15.5 and 15.5..23.5."""
    down = np.diff(norm.cdf([7.5, 15.5], 12, 3))[0] / np.diff(norm.cdf([-0.5, 31.5], 12, 3))[0]
    across = np.diff(norm.cdf([15.5, 23.5], 20, 3))[0] / np.diff(norm.cdf([-0.5, 47.5], 20, 3))[0]
    density = density_map(np.array([[20.0, 12.0]]), np.array([3.0]), (32, 48), 8)
    assert density.shape == (4, 6)
    assert density[1, 2] == pytest.approx(down * across, rel=1e-6)


points = st.lists(st.tuples(st.floats(-30, 130), st.floats(-30, 110)), max_size=12)


@settings(max_examples=50)
@given(points, st.floats(0.5, 40), st.sampled_from([1, 4, 8, 16]))
def test_the_map_sums_to_the_points_wherever_they_lie(found: list[Any], sigma: float, stride: int) -> None:
    """Also to those that annotators put outside the picture."""
    heads = inside(np.array(found).reshape(-1, 2), (83, 101))
    density = density_map(heads, np.full(len(heads), sigma), (83, 101), stride)
    assert density.shape == (-(-83 // stride), -(-101 // stride))
    assert density.sum() == pytest.approx(len(found), rel=1e-5, abs=1e-6)


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_windows_and_scales_keep_the_people_in_them(seed: int) -> None:
    """The density of a window counts the points in it; all windows that part a picture count everybody."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(np.zeros((90, 120, 3), np.uint8))
    heads = rng.uniform(0, [119, 89], (20, 2))
    options = CountingAugmentOptions(crop=(48, 64), scale=(0.8, 1.6), flip=0.5, photometric=0)
    window, moved, held, factor = random_window(PillowRaster(image), heads, options, "bilinear", rng)
    assert window.size == (64, 48)
    density = density_map(moved[held], np.full(held.sum(), 4.0), (48, 64), 8)
    assert density.sum() == pytest.approx(held.sum(), rel=1e-5, abs=1e-6)
    assert factor >= 48 / 90
    # distances scale by the factor
    apart, before = np.linalg.norm(moved[0] - moved[1]), np.linalg.norm(heads[0] - heads[1])
    assert apart == pytest.approx(factor * before)


def test_points_stay_on_their_heads_in_a_window() -> None:
    pixels = np.zeros((200, 260, 3), np.uint8)
    heads = np.array([[60.0, 50.0], [180.0, 120.0], [120.0, 160.0]])
    ys, xs = np.mgrid[:200, :260]
    for x, y in heads:
        pixels[(ys - y) ** 2 + (xs - x) ** 2 <= 25] = 255
    options = CountingAugmentOptions(crop=(120, 160), scale=(0.7, 1.5), flip=0, photometric=0)
    seen = 0
    for seed in range(15):
        window, moved, held, _ = random_window(
            PillowRaster(Image.fromarray(pixels)), heads, options, "bilinear", np.random.default_rng(seed)
        )
        shown = np.asarray(window)
        for x, y in moved[held].round().astype(int):
            assert shown[y, x, 0] > 200
            seen += 1
    assert seen > 15


def test_a_small_picture_is_enlarged_to_the_window() -> None:
    image = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
    options = CountingAugmentOptions(crop=(40, 90), scale=(1.0, 1.0), flip=0, photometric=0)
    heads = np.array([[29.0, 19.0], [0.0, 0.0]])
    window, _, held, factor = random_window(PillowRaster(image), heads, options, "bilinear", np.random.default_rng(0))
    assert (window.size, factor) == ((90, 40), 3.0)
    assert held.sum() <= 2


def test_kernels_are_those_of_mcnn() -> None:
    """Adaptive: 0.3 times the mean distance to the three nearest; on a line 10 apart: (10+20+30)/3 or (10+10+20)/3."""
    line = np.array([[0.0, 0], [10, 0], [20, 0], [30, 0]])
    np.testing.assert_allclose(kernels(line, ADAPTIVE), [6, 4, 4, 6])
    assert kernels(line, FIXED).tolist() == [6.0] * 4
    assert kernels(line[:3], ADAPTIVE).tolist() == [6.0] * 3  # too few neighbours: the fixed one
    assert kernels(np.zeros((5, 2)), ADAPTIVE).tolist() == [1.0] * 5  # all at one place


def table(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    files = [save(tmp_path / f"{i}.png", rng.integers(0, 256, (60 + 20 * i, 90, 3))) for i in range(2)]
    heads = [np.array([[10.0, 10], [95, 30], [50, 50]]), np.zeros((0, 2))]
    return pd.DataFrame({"id": ["a", "b"], "image": files, "points": heads, "count": [3.0, 0.0]})


def test_samples_depend_on_seed_epoch_and_index_only(tmp_path: Path) -> None:
    small = recipe(augment__crop=[48, 48])
    tables = {"train": table(tmp_path)}
    data = check_repeatable(lambda seed: model.training.training_data(PART_B, tables, small, IDENTITY, seed))
    assert data[1]["density"].sum() == 0  # a picture without people


@pytest.mark.parametrize(("stride", "cells"), [(4, 32), (8, 16), (14, 10), (16, 8), (32, 4)])
def test_any_stride_gives_a_map_of_the_recipes(stride: int, cells: int) -> None:
    head = model.training.build_head(PART_B, {}, recipe(head__channels=8), backbone(6, stride))
    batch = {"input_size": (128, 120), "density": torch.zeros(2, 16, 15)}
    out = head(features(torch.randn(2, 6, cells, cells)), batch)
    assert out.shape == (2, 16, 15)
    assert torch.isfinite(sum(head.loss(out, batch).values()))


def test_resampling_to_another_stride_keeps_the_count() -> None:
    """A constant density on patches of 14 pixels (7 after doubling) is the same density per pixel at stride 8."""
    head = model.training.build_head(PART_B, {}, recipe(head__channels=8), backbone(6, 14))
    torch.nn.init.zeros_(head.density.weight)
    torch.nn.init.constant_(head.density.bias, 1.0)
    out = head(features(torch.randn(1, 6, 8, 8)), {"input_size": (112, 112)})
    assert out.sum().item() == pytest.approx(16 * 16, rel=1e-5)


def test_loss_and_count_are_exact_for_the_true_density() -> None:
    head = model.training.build_head(PART_B, {}, recipe(), backbone())
    density = torch.from_numpy(density_map(np.array([[10.0, 10], [40, 30]]), np.array([5.0, 5]), (64, 80), 8))[None]
    outputs = density * head.magnify
    assert sum(head.loss(outputs, {"density": density}).values()).item() == pytest.approx(0, abs=1e-5)
    # one person too many, spread over 80 cells: counts differ by 1, cells by 100 / 80
    more = outputs + head.magnify / 80
    losses = head.loss(more, {"density": density})
    assert losses["count"].item() == pytest.approx(head.count, rel=1e-4)
    assert losses["density"].item() == pytest.approx((100 / 80) ** 2, rel=1e-4)


def test_padding_does_not_count() -> None:
    head = model.training.build_head(PART_B, {}, recipe(), backbone())
    outputs = torch.full((2, 8, 10), 100.0)  # one person per cell
    counts = head.decode([outputs], {"size": [(64, 80), (30, 41)]})
    assert counts == pytest.approx([80, 4 * 6])
    assert head.decode([-outputs], {"size": [(64, 80), (30, 41)]}) == [0, 0]


def test_pictures_are_whole_and_shrunk_only_when_too_large(tmp_path: Path) -> None:
    tables = {"test": table(tmp_path)}
    data = model.training.test_data(PART_B, tables, recipe(input__size=[60, 200]), IDENTITY, {})
    assert data[0]["size"] == (60, 90)
    assert data[1]["size"] == (60, 68)  # 80 x 90 times 0.75, 67.5 to the even number
    assert data[1]["image"].shape == (3, 60, 68)
    assert model.training.predictions(PART_B, tables, [1.5, 2.0]).tolist() == [1.5, 2.0]


def test_slips_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"loss\.kernel"):
        model.training.check(recipe(loss__kernel="wide"))
