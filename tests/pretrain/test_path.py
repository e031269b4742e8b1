"""The projector and the states it takes, against outputs of the released code and against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file

from humanbench import load_backbone
from humanbench.pretrain.path import Projector
from humanbench.pretrain.trunk import ClassToken, as_maps, hidden, init_weights, projected, sines
from tests.parity import error, normalised
from tests.samples import PARITY, needs_parity

KEYS = PARITY.parent / "method" / "keys" / "path_projector_vitb_keys.txt"


@needs_parity
@pytest.mark.parametrize("case", ["square", "rect", "pad"])
@torch.no_grad()
def test_like_the_released_projector(case: str) -> None:
    io = load_file(PARITY / "path_tiny_nocls_io.safetensors")
    file = PARITY / "path_tiny_nocls_weights.safetensors"
    trunk = load_backbone(
        "vit", file, patch_size=16, img_size=64, embed_dim=64, depth=4, num_heads=4, act_layer="gelu"
    ).trunk
    images = normalised(io[f"{case}.image"])
    states = hidden(trunk, images)
    assert len(states) == 4
    for number, state in enumerate(states):
        assert error(state, io[f"{case}.mid{number}"]) < 1e-5
    projector = Projector(4, 64, reduction=4)
    weights = {k.removeprefix("neck_module."): v for k, v in load_file(file).items() if k.startswith("neck_module.")}
    projector.load_state_dict(weights, strict=True)
    for above, name in ((projector, "projector"), (None, "plain")):
        (map_,), class_token = as_maps(projected(trunk, images, None, above))
        assert error(map_, io[f"{case}.{name}"]) < 1e-5
        assert class_token is None


def test_names_and_sizes_of_the_base_model() -> None:
    """2,372,844 values: the released base file's size plus this much per projector (method notes, section 2)."""
    made = {name: tuple(p.shape) for name, p in Projector(12, 768).state_dict().items()}
    assert sum(math.prod(shape) for shape in made.values()) == 2_372_844
    assert made["reduction_layers.12.weight"] == (96, 768)
    assert made["side_gate_params.11"] == (1,)
    assert "transformer_blocks.11.0.attn.qkv.bias" not in made
    if KEYS.is_file():
        lines = (line.split("\t") for line in KEYS.read_text().splitlines())
        released = {name.removeprefix("neck_module."): shape for name, shape in lines}
        assert set(released) == set(made)
        for name, shape in made.items():
            assert released[name].replace(" ", "").replace(",)", ")") == str(shape).replace(" ", "").replace(",)", ")")


@torch.no_grad()
def test_a_closed_gate_shuts_the_earlier_states_out() -> None:
    """g = sigmoid(a / T): at -1000 only the newest state counts, at +1000 only what came before."""
    torch.manual_seed(0)
    projector = Projector(3, 16, reduction=2, temperature=2.0)
    a, b, c = torch.randn(3, 1, 5, 16)
    for gate in projector.side_gate_params:
        gate.fill_(-1000)
    assert torch.equal(projector([a, b, c]), projector([c, a, c]))
    for gate in projector.side_gate_params:
        gate.fill_(1000)
    assert torch.equal(projector([a, b, c]), projector([a, c, b]))
    projector.side_gate_params[1].fill_(2 * math.log(3))  # T = 2: a share of 3/4 for what came before
    side = projector.transformer_blocks[0](projector.reduction_layers[0](a))
    mixed = 0.75 * side + 0.25 * projector.reduction_layers[2](c)
    assert error(projector([a, b, c]), projector.last_proj(projector.transformer_blocks[1](mixed))) < 1e-6


def test_impossible_projectors_are_refused() -> None:
    with pytest.raises(ValueError, match="not divisible among 2 heads"):
        Projector(4, 24, reduction=8)
    with pytest.raises(ValueError, match="takes 4 hidden states, not 1"):
        Projector(4, 64)([torch.zeros(1, 2, 64)])


@torch.no_grad()
def test_a_class_token_of_ones_own_comes_first() -> None:
    trunk = load_backbone("vit", class_token=False, embed_dim=32, depth=2, num_heads=2, patch_size=8, img_size=32).trunk
    token = ClassToken(32)
    images = torch.randn(2, 3, 24, 16)
    states = hidden(trunk, images, token)
    assert [tuple(s.shape) for s in states] == [(2, 7, 32)] * 2
    assert torch.equal(states[0][:, 0], (token.cls_token + token.cls_token_pos_embed)[:, 0].expand(2, -1))
    assert torch.equal(states[0][:, 1:], hidden(trunk, images)[0])


def test_recomputed_activations_give_the_same_gradients() -> None:
    trunk = load_backbone("vit", class_token=False, embed_dim=32, depth=3, num_heads=2, patch_size=8, img_size=32).trunk
    images, gradients = torch.randn(2, 3, 32, 32), []
    for recompute in (False, True):
        trunk.zero_grad()
        hidden(trunk, images, recompute=recompute)[-1].square().mean().backward()
        gradients.append(trunk.blocks[0].attn.qkv.weight.grad.clone())
    assert error(*gradients) < 1e-8


def test_start_of_a_network_without_weights() -> None:
    """Output layers of block i are divided by sqrt(2 i); positions are MAE's sines and cosines."""
    trunk = load_backbone("vit", embed_dim=192, depth=8, num_heads=3, patch_size=8, img_size=32).trunk
    init_weights(trunk, 0)
    for number, block in enumerate(trunk.blocks, 1):
        for layer in (block.attn.proj, block.mlp.fc2):
            assert float(layer.weight.detach().std()) == pytest.approx(0.02 / math.sqrt(2 * number), rel=0.03)
    assert float(trunk.blocks[7].mlp.fc1.weight.detach().std()) == pytest.approx(0.02, rel=0.03)
    positions = trunk.pos_embed[0].detach()
    assert torch.equal(positions[0], torch.zeros(192))
    # the patch at row 2, column 3, first frequency 1: sin 3, cos 3, then sin 2, cos 2
    cell = positions[1 + 2 * 4 + 3]
    expected = [math.sin(3), math.cos(3), math.sin(2), math.cos(2)]
    assert torch.allclose(cell[[0, 48, 96, 144]], torch.tensor(expected), atol=1e-6)
    assert sines((2, 5), 8).shape == (1, 10, 8)
