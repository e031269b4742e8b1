"""The pyramid network: its map, its layer groups, what it needs no more of when groups are frozen, and its builder."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from humanbench.backbones.backbone import Backbone
from humanbench.backbones.loading import load_backbone
from humanbench.backbones.pyramid import STAGES, PyramidNet, build_pyramid
from humanbench.errors import BackboneError

SMALL = {"channels": [8, 16, 16, 24], "stem_width": 8, "output_stride": 16, "zero_init_last": False}

CARD = """
id = "tiny_pyramid"
name = "Tiny pyramid"
pretrained_on = []
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
interpolation = "bilinear"
licence = "MIT"

[architecture]
builder = "humanbench.backbones.pyramid:build_pyramid"

[architecture.arguments]
residual = "resnet10t"
width = 12
channels = [8, 16, 16, 24]
stem_width = 8
output_stride = 16
zero_init_last = false

[[weights]]
file = "tiny_pyramid.safetensors"

[paper]
title = "A paper"
year = 2026
venue = "arXiv"
url = "https://example.org"
"""


@pytest.fixture
def network() -> PyramidNet:
    torch.manual_seed(0)
    return build_pyramid("resnet10t", 12, **SMALL).eval()


@pytest.fixture
def backbone(tmp_path: Path, network: PyramidNet) -> Backbone:
    (tmp_path / "card.toml").write_text(CARD, encoding="utf-8")
    save_file(network.state_dict(), tmp_path / "tiny_pyramid.safetensors")
    return load_backbone(str(tmp_path / "card.toml"))


def test_the_map_is_as_fine_as_the_first_stage_and_as_wide_as_asked(backbone: Backbone) -> None:
    features = backbone(torch.zeros(2, 3, 64, 48))
    assert backbone.strides == (4,)
    assert backbone.channels == (12,)
    assert [tuple(level.shape) for level in features.maps] == [(2, 12, 16, 12)]
    assert features.class_token is None
    assert tuple(backbone(torch.zeros(1, 3, 50, 33)).map.shape) == (1, 12, 16, 12)  # padded to 64 x 48


def test_the_sum_is_that_of_the_papers(network: PyramidNet) -> None:
    """By hand: 1 x 1 convolutions, to each level the next coarser one, 3 x 3 convolutions, the sum."""
    levels = [torch.randn(1, c, s, s) for c, s in zip((8, 16, 16, 24), (16, 8, 4, 4), strict=True)]
    inner = [block[0](level) for block, level in zip(network.pyramid.inner_blocks, levels, strict=True)]
    for index in (2, 1, 0):
        inner[index] = inner[index] + functional.interpolate(inner[index + 1], size=inner[index].shape[-2:])
    outer = [block[0](level) for block, level in zip(network.pyramid.layer_blocks, inner, strict=True)]
    total = sum(functional.interpolate(level, size=(16, 16)) for level in outer)
    assert isinstance(total, Tensor)
    torch.testing.assert_close(network.summed(levels), total.clamp(min=0))


def test_every_stage_reaches_the_map(network: PyramidNet) -> None:
    network(torch.randn(1, 3, 64, 64)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_it_runs_from_any_group_as_in_one_go(backbone: Backbone) -> None:
    images = torch.randn(2, 3, 64, 48)
    whole = backbone(images).map
    torch.testing.assert_close(backbone.trunk(images), whole)
    names = [group.name for group in backbone.layer_groups]
    assert names == ["stem", *STAGES, "pyramid", "merge"]
    for split in range(len(names) + 1):
        torch.testing.assert_close(backbone.forward_suffix(backbone.forward_prefix(images, split), split).map, whole)


def test_every_parameter_is_in_one_group(backbone: Backbone) -> None:
    for name, _ in backbone.named_parameters():
        assert sum(group.holds(name) for group in backbone.layer_groups) == 1, name


def test_tokens_are_seen_after_each_stage(backbone: Backbone) -> None:
    seen: list[tuple[int, ...]] = []
    grouped = backbone.grouped_forward
    grouped.run(
        backbone.trunk, (torch.zeros(1, 3, 32, 32),), 0, 7, "maps", lambda tokens: seen.append(tuple(tokens.shape))
    )
    assert seen == [(1, 64, 8), (1, 16, 16), (1, 4, 16), (1, 4, 24), (1, 64, 12), (1, 64, 12)]


@pytest.mark.parametrize(
    ("residual", "arguments", "message"),
    [
        ("resnet10z", {}, "timm cannot build 'resnet10z'"),
        ("resnet10t", {"depths": 3}, "timm cannot build 'resnet10t'"),
        ("convnext_atto", {}, "is a ConvNeXt; give one of timm's class ResNet"),
    ],
)
def test_what_is_no_residual_network_is_one_sentence(residual: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        build_pyramid(residual, 12, **arguments)


def test_names_of_the_weights_are_those_of_the_libraries(network: PyramidNet) -> None:
    """Weights that are there stay readable: the stages are timm's, the pyramid torchvision's."""
    names = OrderedDict.fromkeys(name.rpartition(".")[0] for name in network.state_dict())
    assert [name for name in names if name.startswith("pyramid")] == [
        *(f"pyramid.inner_blocks.{i}.0" for i in range(4)),
        *(f"pyramid.layer_blocks.{i}.0" for i in range(4)),
    ]
    assert "layer1.0.conv1" in names
