"""A file that holds more than one network is asked about, wherever they lie; parts of one network are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from humanbench import load_backbone
from humanbench.backbones.networks import select_network
from humanbench.errors import BackboneError
from tests.backbones.test_guesses import network
from tests.backbones.tiny import TINY, weights

Tensors = dict[str, Tensor]


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def moved(tensors: Tensors) -> Tensors:
    return {name: value + 1 for name, value in tensors.items()}


PLACES: dict[str, Callable[[Tensors, Tensors], Any]] = {
    "state_dict_ema": lambda t, o: {"state_dict": t, "state_dict_ema": o},
    "teacher": lambda t, o: under("student", t) | under("teacher", o),
    "callbacks.A.ema_state_dict": lambda t, o: {
        "state_dict": under("model", t), "callbacks": {"A": {"ema_state_dict": o}}
    },
    "epoch_best.net": lambda t, o: {"model": t, "epoch_best": {"net": o}},
    "a.b.c.teacher": lambda t, o: {"model": t, "a": {"b": {"c": {"teacher": o}}}},
    "models.item0": lambda t, o: {"model": t, "models": [o]},
    "item1": lambda t, o: [t, o],
    "state_dict.model_ema": lambda t, o: {
        "state_dict": under("model", t) | under("model_ema", {name.replace(".", ""): v for name, v in o.items()})
    },
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("pictures", [True, False])
def test_a_second_network_is_asked_about(place: str, pictures: bool) -> None:
    """`pictures`: whether the first layer is a convolution over RGB; else all is told by names and shapes."""
    one = weights()
    if not pictures:
        one["patch_embed.proj.weight"] = one["patch_embed.proj.weight"].flatten(1)
    other = moved(one)
    content = PLACES[place](one, other)
    with pytest.raises(BackboneError, match=rf"holds 2 networks \(.*{place}\), and which one is meant"):
        select_network(content, "a.pth")
    chosen = select_network(content, "a.pth", place)
    assert set(chosen.tensors) == set(other)
    assert all(torch.equal(chosen.tensors[name], value) for name, value in other.items())
    assert any(reason == "another network of the file" for reason in chosen.left_over.values())


def test_a_list_of_tensors_like_the_network_is_named(tmp_path: Path) -> None:
    torch.save({"model": weights(), "ema": {"shadow_params": [*moved(weights()).values()]}}, tmp_path / "a.pth")
    report = load_backbone("vit", tmp_path / "a.pth", **TINY).report
    assert report is not None
    assert "moving average" in report.left_over["ema.shadow_params"]


def test_the_state_of_an_optimiser_is_no_network() -> None:
    one = weights()
    moments = {"state": {0: {"exp_avg": torch.ones(3)}}, "mu": moved(one), "master": [torch.ones(3)] * 90}
    chosen = select_network({"model": one, "optimizer": moments}, "a.pth")
    assert chosen.container == "model"
    assert not chosen.left_over


def test_two_halves_of_one_network_are_one(tmp_path: Path) -> None:
    halves = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3), "trunk": nn.Sequential(*[nn.Linear(3, 3)] * 4)})
    assert select_network(dict(halves.state_dict()), "a.pth").container == ""


@pytest.mark.parametrize("wrapper", ["", "model."])
def test_a_stem_of_several_branches_is_one_network(wrapper: str, tmp_path: Path) -> None:
    """MobileOne's and FastViT's stems have convolutions over RGB beside one another."""
    tensors = timm.create_model("mobileone_s0", num_classes=3).state_dict()
    torch.save({f"{wrapper}{name}": value for name, value in tensors.items()}, tmp_path / "a.pth")
    backbone = load_backbone("timm:mobileone_s0", tmp_path / "a.pth", mean="half", std="half")
    assert backbone.report is not None
    assert not backbone.report.missing
    both = {"model": tensors, "model_ema": moved(dict(tensors))}
    torch.save(both, tmp_path / "b.pth")
    with pytest.raises(BackboneError, match=r"holds 2 networks \(model, model_ema\)"):
        load_backbone("timm:mobileone_s0", tmp_path / "b.pth", mean="half", std="half")


def test_auxiliary_heads_of_the_network_are_classifiers(tmp_path: Path) -> None:
    torch.save(timm.create_model("efficientvim_m1", num_classes=3).state_dict(), tmp_path / "a.pth")
    report = load_backbone("timm:efficientvim_m1", tmp_path / "a.pth", mean="half", std="half").report
    assert report is not None
    assert any(name.startswith("heads.") for name in report.left_over)


def test_what_averages_weights_counts(tmp_path: Path) -> None:
    torch.save(AveragedModel(network()).state_dict(), tmp_path / "a.pth")
    report = load_backbone(str(tmp_path / "a.pth"), num_heads=4).report
    assert report is not None
    assert report.left_over["n_averaged"] == "state of the training"
