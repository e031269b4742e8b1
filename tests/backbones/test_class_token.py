"""A backbone of which only the class token is wanted: the same numbers and gradients, less work."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from humanbench.backbones import Backbone, load_backbone
from humanbench.backbones.features import Features
from humanbench.errors import BackboneError

TINY = {"embed_dim": 32, "depth": 3, "num_heads": 4, "patch_size": 8, "img_size": 32}
SORTS: dict[str, tuple[str, dict[str, object]]] = {
    "plain": ("vit", TINY),
    "CLIP": ("vit", TINY | {"pre_norm": True, "act_layer": "quick_gelu", "qkv_bias": False}),
    "registers, layer scale": ("vit", TINY | {"reg_tokens": 3, "init_values": 0.3}),
    "normed queries": ("random:timm:test_vit", {"qk_norm": True}),
    "another block": ("random:timm:test_vit", {"block_fn": timm.models.vision_transformer.ResPostBlock}),
}


def networks(sort: str) -> tuple[Backbone, Backbone]:
    """A network and its copy of which only the class token is wanted; float64, weights that make attention matter."""
    torch.manual_seed(0)
    name, arguments = SORTS[sort]
    whole = load_backbone(name, **arguments).double().eval()
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    short = copy.deepcopy(whole)
    short.feature_level = "class_token"
    return whole, short


def images() -> Tensor:
    return torch.randn(3, 3, 48, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def token_of(features: Features) -> Tensor:
    assert features.class_token is not None
    return features.class_token


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("training", [False, True])
def test_token_and_gradients_are_those_of_the_whole_network(sort: str, training: bool) -> None:
    seen, gradients = [], []
    for network in networks(sort):
        network.set_drop_path(0.3)
        network.train(training)
        torch.manual_seed(2)  # the same paths are dropped
        token = token_of(network(images()))
        (token * torch.linspace(-1, 1, token.shape[1])).square().sum().backward()
        seen.append(token.detach())
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    assert torch.allclose(seen[0], seen[1], rtol=1e-9)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        other = gradients[1][name]
        assert gradient is not None, name
        assert other is not None, name
        assert torch.allclose(gradient, other, rtol=1e-7, atol=1e-10), name


@pytest.mark.parametrize("sort", ["plain", "registers, layer scale"])
@torch.no_grad()
def test_parting_changes_nothing(sort: str) -> None:
    _, short = networks(sort)
    expected = token_of(short(images()))
    count = len(short.layer_groups)
    for k in range(count + 1):
        assert torch.equal(token_of(short.forward_suffix(short.forward_prefix(images(), k), k)), expected)
    assert sum(part.numel() for part in short.forward_prefix(images(), count)) == 3 * 32 * short.grouped_forward.prefix  # type: ignore[attr-defined]


@torch.no_grad()
def test_what_was_not_wanted_is_not_there() -> None:
    whole, short = networks("plain")
    features = short(images())
    assert features.maps == ()
    for part in ("map", "tokens", "pooled"):
        with pytest.raises(BackboneError, match="asked for its class token alone"):
            getattr(features, part)
    assert [t.shape for t in short.intermediates(images())] == [t.shape for t in whole.intermediates(images())]


@torch.no_grad()
def test_networks_without_a_class_token_give_their_map() -> None:
    for name, arguments in (("vit", TINY | {"class_token": False}), ("random:timm:test_convnext", {})):
        backbone = load_backbone(name, **arguments).double().eval()
        expected = backbone(images())
        backbone.feature_level = "class_token"
        given = backbone(images())
        assert given.class_token is None
        assert len(given.maps) == 1
        assert torch.equal(given.map, expected.map)


@torch.no_grad()
def test_the_last_block_costs_a_sixth_or_so() -> None:
    costs = []
    for network in networks("plain"):
        state = network.forward_prefix(images(), 3)
        with FlopCounterMode(display=False) as counter:
            network.forward_suffix(state, 3)
        costs.append(counter.get_total_flops())
    assert costs[1] < 0.3 * costs[0]
