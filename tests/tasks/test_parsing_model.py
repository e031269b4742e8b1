"""The parsing model: pictures and maps together, the head, maps at their own size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from humanbench.cards import load_card
from humanbench.data.labels import load_label
from humanbench.data.rasters import PillowRaster
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.recipes import Recipe, load_recipe
from humanbench.tasks.parsing import data as transforms
from humanbench.tasks.parsing import predictions as parsing
from humanbench.tasks.parsing import training as model
from humanbench.tasks.parsing.head import PackedMap, ParsingHead
from humanbench.tasks.parsing.options import ParsingHeadOptions
from tests.tasks.dense import IDENTITY, backbone, check_repeatable, features, needs_parity, official, save

LIP = load_card("lip")


def recipe(name: str = "lip", **changed: Any) -> Recipe:
    return load_recipe(load_card(name), "full", overrides={k.replace("__", "."): v for k, v in changed.items()})


def picture(height: int = 40, width: int = 30) -> tuple[Image.Image, np.ndarray]:
    """A left arm (14) on the left half's top, a right leg (17) on the right half's bottom; red = 10 x class."""
    label = np.zeros((height, width), np.uint8)
    label[: height // 2, : width // 2] = 14
    label[height // 2 :, width // 2 :] = 17
    return Image.fromarray(np.repeat(label[..., None] * 10, 3, axis=2)), label


def test_a_mirror_image_exchanges_left_and_right_classes() -> None:
    image, label = picture()
    table = transforms.mirrored_classes(LIP.labels.flip_pairs)
    flipped, swapped = transforms.mirrored(PillowRaster(image), label, table)
    assert (np.asarray(flipped.image())[:, ::-1] == np.asarray(image)).all()
    assert (swapped[:20, 15:] == 15).all()  # the left arm is a right arm now, at the right
    assert (swapped[20:, :15] == 16).all()
    again = transforms.mirrored(flipped, swapped, table)
    assert (again[1] == label).all()


def test_clothes_and_ignored_pixels_stay_what_they_are() -> None:
    modanet = load_card("modanet")
    assert (transforms.mirrored_classes(modanet.labels.flip_pairs) == np.arange(256)).all()
    assert transforms.mirrored_classes(LIP.labels.flip_pairs)[255] == 255


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.6])
def test_a_window_keeps_classes_on_their_pixels(scale: float) -> None:
    """The picture's colour is ten times the class, so both must agree wherever no class border is near."""
    image, label = picture()
    shown, cut = transforms.window(PillowRaster(image), label, (80, 60), scale, "bilinear", np.random.default_rng(1))
    assert cut.shape == (80, 60)
    assert shown.size == (80, 60)
    red = np.asarray(shown.image())[..., 0]
    ignored = cut == 255
    assert (red[ignored] == 0).all()
    assert ignored.mean() == pytest.approx(0.75 if scale == 0.5 else 0.0)  # a picture of half the size at the top left
    right = np.abs(red[~ignored].astype(int) - 10 * cut[~ignored].astype(int)) <= 1
    assert right.mean() > 0.85  # but for the borders that bilinear interpolation smooths


def table(tmp_path: Path, n: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    files = [save(tmp_path / f"{i}.png", rng.integers(0, 256, (50 + i, 40, 3))) for i in range(n)]
    labels = [save(tmp_path / f"label{i}.png", rng.integers(0, 20, (50 + i, 40))) for i in range(n)]
    return pd.DataFrame({"id": [str(i) for i in range(n)], "image": files, "label": labels})


def test_samples_depend_on_seed_epoch_and_index_only(tmp_path: Path) -> None:
    small = recipe(input__size=[32, 32], augment__photometric=0.2)
    tables = {"train": table(tmp_path)}
    data = check_repeatable(lambda seed: model.training.training_data(LIP, tables, small, IDENTITY, seed))
    batch = model.training.collate([data[0], data[1]])
    assert (batch["image"].shape, batch["label"].shape) == ((2, 3, 32, 32), (2, 32, 32))
    assert batch["input_size"] == (32, 32)


@needs_parity
def test_head_equals_the_official_one() -> None:
    head, io = official(
        ParsingHead(64, 16, 7, range(7), ParsingHeadOptions(channels=256, norm="layer", stride=8)), "parsing"
    )
    logits = head(features(io["x"]), {"input_size": (96, 48)})
    out = torch.nn.functional.interpolate(logits, size=(50, 40), mode="bilinear", align_corners=True)
    expected = io["parsing.out_96x48_then_50x40"]
    assert (out - expected).abs().max() < 1e-5
    (packed,) = head.decode([logits[:1]], {"map_size": [(50, 40)]})
    assert (packed.unpack() == expected[0].argmax(0).numpy()).all()


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize(("stride", "cells"), [(8, 8), (14, 5), (16, 4), (32, 2)])
def test_any_stride_gives_scores_at_the_input_size(norm: str, stride: int, cells: int) -> None:
    head = model.training.build_head(LIP, {}, recipe(head__channels=8, head__norm=norm), backbone(6, stride))
    batch = {"input_size": (64, 60), "label": torch.randint(0, 20, (2, 64, 60))}
    out = head(features(torch.randn(2, 6, cells, cells)), batch)
    assert out.shape == (2, 20, 64, 60)
    assert torch.isfinite(head.loss(out, batch)["cross_entropy"])


def test_loss_is_the_mean_over_pixels_that_have_a_class() -> None:
    head = model.training.build_head(LIP, {}, recipe(head__channels=8), backbone())
    label = torch.full((1, 4, 4), 255)
    out = torch.zeros(1, 20, 4, 4)
    assert head.loss(out, {"label": label})["cross_entropy"] == 0
    label[0, 0, :2] = 3
    out[0, 3, 0, 0] = 50.0  # sure and right at one of two pixels, undecided among 20 classes at the other
    value = head.loss(out, {"label": label})["cross_entropy"].item()
    assert value == pytest.approx(np.log(20) / 2, rel=1e-5)


def test_a_mirrored_view_is_mirrored_back() -> None:
    """Scores of a flipped picture: arms are found on the other side, as the other arm."""
    head = ParsingHead(4, 16, 4, [0, 2, 1, 3], ParsingHeadOptions(channels=8, norm="layer", stride=8))
    label = torch.randint(0, 4, (1, 16, 12), generator=torch.Generator().manual_seed(0))
    one_hot = torch.nn.functional.one_hot(label, 4).permute(0, 3, 1, 2).float() * 5
    flipped = one_hot.flip(-1)[:, [0, 2, 1, 3]]
    (packed,) = head.decode([one_hot, flipped], {"map_size": [(16, 12)]})
    assert (packed.unpack() == label[0].numpy()).all()


def test_maps_are_written_one_by_one_at_the_size_of_the_truth(tmp_path: Path) -> None:
    tables = {"val": table(tmp_path)}
    data = model.training.test_data(LIP, tables, recipe(input__size=[32, 32]), IDENTITY, {})
    batch = model.training.collate([data[0], data[1]])
    assert batch["map_size"] == [(50, 40), (51, 40)]
    truth = [load_label(LIP, cell) for cell in tables["val"]["label"]]
    written = model.training.predictions(LIP, tables, [PackedMap.of(t) for t in truth])
    assert iter(written) is iter(written)  # a generator: maps are unpacked as they are written
    path = tmp_path / "maps"
    parsing.predictions.write(LIP, tables, written, path)
    scores = parsing.predictions.score(LIP, tables, parsing.predictions.read(LIP, tables, path))
    assert scores["pACC"] == 100


def test_variants_are_understood_and_slips_refused() -> None:
    model.training.check(load_recipe(LIP, "full", variant="layer_norm_head"))
    with pytest.raises(RecipeError, match="smallest, largest"):
        model.training.check(recipe(augment__scale=[2.0, 1.0]))
    with pytest.raises(HumanbenchError, match="no such key"):
        recipe(head__chanels=3)
