"""Networks of many families: shapes, sizes, splitting before any layer group, all parameters in use."""

from __future__ import annotations

import copy
import pickle
from functools import cache

import pytest
import timm
import torch
from torch import Tensor

from humanbench import load_backbone
from humanbench.backbones import Backbone, Features
from humanbench.backbones.grouped_forward import OpaqueForward, SequentialForward, ViTForward
from humanbench.errors import BackboneError

FAMILIES = {
    "test_vit": ViTForward,
    "vit_tiny_patch16_224": ViTForward,
    "test_vit3": ViTForward,
    "test_resnet": SequentialForward,
    "resnet18": SequentialForward,
    "test_convnext": SequentialForward,
    "test_efficientnet": SequentialForward,
    "test_byobnet": SequentialForward,
    "mobilenetv3_small_050": SequentialForward,
    "regnetx_002": SequentialForward,
    "pvt_v2_b0": SequentialForward,
    "edgenext_xx_small": SequentialForward,
    "tiny_vit_5m_224": SequentialForward,
    "swin_tiny_patch4_window7_224": SequentialForward,
    "swinv2_tiny_window8_256": SequentialForward,
    "densenet121": SequentialForward,
    "poolformer_s12": SequentialForward,
    "eva02_tiny_patch14_224": OpaqueForward,
    "xcit_nano_12_p16_224": OpaqueForward,
    "repvit_m0_9": OpaqueForward,
}
"""Network of timm -> the forward it must get; the first layers of each family's classes differ."""

NARROW = {"embed_dim": 24, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 4, 8)}
"""Swins are large: these are the same classes with fewer blocks and channels."""

SIZES = ((64, 64), (70, 106))
"""A multiple of all strides, and a size that needs padding and is not square."""


@cache
def network(name: str) -> Backbone:
    return load_backbone(f"random:timm:{name}", seed=3, **(NARROW if name.startswith("swin") else {}))


def images(size: tuple[int, int]) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(7))


def equal(a: Features, b: Features) -> bool:
    tokens = (a.class_token is None and b.class_token is None) or torch.equal(a.class_token, b.class_token)  # type: ignore[arg-type]
    maps = all(torch.equal(x, y) for x, y in zip(a.maps, b.maps, strict=True))
    return tokens and maps and torch.equal(a.pooled, b.pooled) and torch.equal(a.tokens, b.tokens)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_features(name: str, size: tuple[int, int]) -> None:
    backbone = network(name)
    features = backbone(images(size))
    padded = [-(-side // backbone.multiple) * backbone.multiple for side in size]
    assert isinstance(backbone.grouped_forward, FAMILIES[name])
    assert len(features.maps) == len(backbone.strides) == len(backbone.channels)
    for level, stride, channels in zip(features.maps, backbone.strides, backbone.channels, strict=True):
        assert level.shape == (2, channels, padded[0] // stride, padded[1] // stride)
    assert features.map is features.maps[-1]
    assert features.map.shape[1:] == (backbone.width, padded[0] // backbone.stride, padded[1] // backbone.stride)
    assert torch.equal(features.tokens[:, 1], features.map[:, :, 0, 1])
    assert torch.allclose(features.pooled, features.map.mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_parting_changes_nothing(name: str) -> None:
    backbone = network(name)
    whole, count = backbone(images(SIZES[1])), len(backbone.layer_groups)
    points = [k for k in range(count + 1) if backbone.can_split(k)]
    assert points[0] == 0
    assert points[-1] == count
    if FAMILIES[name] is not OpaqueForward:
        assert points == list(range(count + 1))
    for k in sorted({*points[:: max(1, count // 4)], *points[-3:]}):
        state = backbone.forward_prefix(images(SIZES[1]), k)
        assert all(part.shape[0] == 2 for part in ([state] if isinstance(state, Tensor) else state))
        assert equal(backbone.forward_suffix(state, k), whole)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_is_in_one_group_and_in_use(name: str) -> None:
    backbone = copy.deepcopy(network(name)).train()
    features = backbone(images(SIZES[0]))
    parts = [*features.maps, *([] if features.class_token is None else [features.class_token])]
    sum(part.square().sum() for part in parts).backward()  # type: ignore[union-attr]
    for path, parameter in backbone.named_parameters():
        assert parameter.grad is not None, path
        assert sum(group.holds(path) for group in backbone.layer_groups) == 1, path


@pytest.mark.parametrize("name", [n for n, forward in FAMILIES.items() if forward is SequentialForward])
@torch.no_grad()
def test_sequence_is_timms_forward(name: str) -> None:
    """timm's own features, and `head.norm` on each cell where timm has it after the pooling."""
    backbone = network(name)
    expected = backbone.trunk.forward_features(images(SIZES[0]))  # type: ignore[operator]
    if getattr(backbone.trunk, "output_fmt", "NCHW") == "NHWC":
        expected = expected.permute(0, 3, 1, 2)
    if backbone.layer_groups[-1].prefixes[-1] == "trunk.head.norm":
        expected = backbone.trunk.get_submodule("head.norm")(expected)
    assert torch.equal(backbone(images(SIZES[0])).map, expected)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit3_small_patch16_224", "vit_small_patch14_reg4_dinov2"])
@torch.no_grad()
def test_vit_forward_is_timms_forward_at_its_own_size(name: str) -> None:
    """Class tokens without position, registers, layer scale: as timm runs them where no position is resized."""
    size = 56 if "patch14" in name else 64
    backbone = load_backbone(f"random:{name}", img_size=size, depth=2)
    theirs = timm.create_model(name, num_classes=0, img_size=size, depth=2)
    theirs.load_state_dict(backbone.trunk.state_dict())
    expected = theirs.eval().forward_features(images((size, size)))
    features = backbone(images((size, size)))
    assert features.class_token is not None
    assert torch.allclose(features.class_token, expected[:, 0], atol=1e-5)
    assert torch.allclose(features.tokens, expected[:, -features.tokens.shape[1] :], atol=1e-5)
    assert backbone.stride == (14 if "patch14" in name else 16)


@torch.no_grad()
def test_intermediates() -> None:
    plain = network("test_vit").intermediates(images(SIZES[1]))
    assert [tuple(t.shape) for t in plain] == [(2, 1 + 5 * 7, 64)] * 6
    pyramid = network("test_resnet").intermediates(images(SIZES[1]))
    assert [tuple(t.shape) for t in pyramid] == [(2, 24 * 32, 32), (2, 12 * 16, 48), (2, 6 * 8, 192), (2, 3 * 4, 96)]
    whole = network("eva02_tiny_patch14_224").intermediates(images(SIZES[1]))
    assert [tuple(t.shape) for t in whole] == [(2, 1 + 5 * 8, 192)] * 12


@torch.no_grad()
def test_state_without_the_pyramid_is_one_tensor() -> None:
    backbone = copy.deepcopy(network("test_convnext"))
    full = backbone(images(SIZES[0]))
    assert len(backbone.forward_prefix(images(SIZES[0]), 9)) == 4
    backbone.feature_level = "map"
    state = backbone.forward_prefix(images(SIZES[0]), 9)
    assert isinstance(state, Tensor)
    features = backbone.forward_suffix(state, 9)
    assert len(features.maps) == 1
    assert torch.equal(features.map, full.map)


@torch.no_grad()
def test_padding_is_zero_right_and_below() -> None:
    backbone, given = network("test_vit"), images((50, 40))
    padded = torch.zeros(2, 3, 64, 48)
    padded[:, :, :50, :40] = given
    assert equal(backbone(given), backbone(padded))


@torch.no_grad()
def test_copies_share_nothing() -> None:
    backbone = network("test_convnext")
    before = backbone(images(SIZES[0]))
    for other in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert equal(other(images(SIZES[0])), before)
        for parameter in other.parameters():
            parameter.zero_()
    assert equal(backbone(images(SIZES[0])), before)


def test_fixed_size_networks_say_so() -> None:
    backbone = load_backbone("random:test_maxvit")
    with pytest.raises(
        BackboneError, match=r"built for images of 160x160 and cannot take 96x192 .*img_size=\(96, 192\)"
    ):
        backbone(images((96, 192)))


def test_pictures_too_small_for_a_network() -> None:
    """Not `img_size`, which convolutional networks do not take."""
    with pytest.raises(BackboneError, match=r"cannot take 64x32 .*too small.*; give it a larger input\.size"):
        load_backbone("random:ghostnetv2_100")(torch.zeros(1, 3, 64, 32))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext", "mobilenetv3_small_050"])
@torch.no_grad()
def test_drop_path_is_linear_over_depth(name: str) -> None:
    backbone = copy.deepcopy(network(name))
    for module in backbone.modules():
        if "BatchNorm" in type(module).__name__:
            torch.nn.init.ones_(module.weight)  # type: ignore[arg-type]  # residual branches start at zero
    x = images(SIZES[0])
    calm = backbone(x)
    backbone.set_drop_path(0.4)
    rates = [m.drop_prob for m in backbone.modules() if type(m).__name__ == "DropPath"]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(0.4)
    assert equal(backbone.eval()(x), calm)
    torch.manual_seed(0)
    noisy = backbone.train()
    for module in noisy.modules():
        if "BatchNorm" in type(module).__name__:
            module.eval()
    assert any(not torch.equal(noisy(x).map, calm.map) for _ in range(5))
    backbone.set_drop_path(0.0)
    assert torch.equal(backbone(x).map, calm.map)
    with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
        backbone.set_drop_path(1.0)


@pytest.mark.parametrize("name", ["vit_small_patch16_rope_mixed_224", "pit_ti_224", "vit_relpos_small_patch16_224"])
@torch.no_grad()
def test_networks_whose_parts_are_not_called_or_have_no_first_tokens(name: str) -> None:
    """Rotary positions that are asked for, class tokens as the only output, no class token at all."""
    backbone = load_backbone(f"random:{name}")
    features = backbone(torch.randn(1, 3, 224, 224))
    assert features.map.shape[:2] == (1, backbone.width)
    assert torch.isfinite(features.map).all()


@pytest.mark.parametrize(
    ("name", "size"),
    [("levit_128", (256, 128)), ("mvitv2_tiny", (256, 128)), ("lambda_resnet26rpt_256", (224, 224))],
)
@torch.no_grad()
def test_sizes_that_cannot_be_taken_are_a_sentence(name: str, size: tuple[int, int]) -> None:
    backbone = load_backbone(f"random:{name}")
    side, _ = backbone.preprocessing.input_size
    assert backbone(torch.zeros(1, 3, side, side)).map.shape[1] == backbone.width
    words = f"built for images of {side}x{side} and cannot take {size[0]}x{size[1]}"
    with pytest.raises(BackboneError, match=words):
        backbone(torch.zeros(1, 3, *size))


def test_coats_scales_follow_their_norms() -> None:
    torch.manual_seed(0)
    backbone = load_backbone("random:coat_tiny")
    with torch.no_grad():
        for norm in ("norm2", "norm3", "norm4"):
            backbone.trunk.get_submodule(norm).weight.fill_(3.0)  # type: ignore[operator,union-attr]
        pictures = torch.randn(1, 3, 224, 224)
        theirs, features = backbone.trunk.forward_features(pictures), backbone(pictures)  # type: ignore[operator]
    for level, tokens in zip(features.maps[1:], theirs, strict=True):
        torch.testing.assert_close(level.flatten(2).transpose(1, 2), tokens[:, 1:])
