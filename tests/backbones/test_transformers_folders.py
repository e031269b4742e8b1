"""Folders of transformers: the features of the library's own model, or one sentence for what it would pass over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from humanbench import load_backbone
from humanbench.backbones.backbone import Backbone
from humanbench.errors import BackboneError
from tools.layout_parts import disturbed

HALF = {"mean": "half", "std": "half"}
VIT = transformers.ViTConfig(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny ViT as the library saves it."""
    torch.manual_seed(0)
    disturbed(transformers.ViTModel(VIT)).save_pretrained(tmp_path)
    return tmp_path


def said(folder: Path, **changes: Any) -> Path:
    """The folder with these keys in its configuration."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def loaded(folder: Path, **arguments: Any) -> Backbone:
    return load_backbone(str(folder), **HALF, **arguments)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("Bit", {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 1], "num_groups": 4}),
        (
            "FocalNet",
            {"embed_dim": 16, "depths": [1, 1], "focal_levels": [2, 2], "focal_windows": [3, 3], "image_size": 64},
        ),
    ],
)
@torch.no_grad()
def test_features_follow_the_last_norm(name: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = disturbed(getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**sizes)))
    model.save_pretrained(tmp_path)
    images = torch.randn(1, 3, 64, 64)
    expected = model.eval()(images).last_hidden_state
    features = loaded(tmp_path)(images).map
    cells = expected.flatten(2).transpose(1, 2) if expected.ndim == 4 else expected
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), cells)


def test_feature_maps_that_leave_the_last_norm_out_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from humanbench.backbones import transformers_models
    from humanbench.backbones.grouped_forward import find_forward

    monkeypatch.setattr(transformers_models, "KINDS", {})
    config = transformers.BitConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1], num_groups=4)
    trunk = transformers_models.build(config.to_dict())
    with pytest.raises(BackboneError, match=r"feature maps in which bit\.norm\.weight has no part"):
        find_forward(trunk, trunk.input_size)


@pytest.mark.parametrize(
    "change",
    [
        lambda name, value: (value * 20).to(torch.int8),
        lambda name, value: (value * 20).to(torch.int8) if "dense" in name or "mlp" in name else value,
        lambda name, value: (value * 20).long() if name.endswith("layernorm.bias") else value,
        lambda name, value: value.to(torch.float8_e4m3fn) if value.ndim == 2 else value,
    ],
)
def test_weights_that_are_no_floating_point_are_refused(folder: Path, change: Callable[[str, Tensor], Tensor]) -> None:
    path = folder / "model.safetensors"
    save_file({n: change(n, v) for n, v in load_file(path).items()}, path, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match="give weights in floating point"):
        loaded(folder)


@pytest.mark.parametrize("change", ["a block fewer", "an adapter"])
def test_a_part_of_the_encoder_that_the_network_has_not_is_refused(folder: Path, change: str) -> None:
    """The library's names in memory are others than those in the file."""
    if change == "an adapter":
        path = folder / "model.safetensors"
        more = {"encoder.layer.0.adapter.weight": torch.ones(3)}
        save_file(load_file(path) | more, path, metadata={"format": "pt"})
    else:
        said(folder, num_hidden_layers=1)
    with pytest.raises(BackboneError, match=r"have no place in the network \(layers"):
        loaded(folder)


def test_a_quantised_configuration_is_one_sentence(folder: Path) -> None:
    said(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    with pytest.raises(BackboneError, match=r"are quantised \(quantization_config: bitsandbytes\)"):
        loaded(folder)


def test_an_unknown_activation_is_one_sentence(folder: Path) -> None:
    with pytest.raises(BackboneError, match=r"vit: hidden_act='gelu_pytorch_tan' is no activation.*gelu_pytorch_tanh"):
        loaded(said(folder, hidden_act="gelu_pytorch_tan"))


def test_an_unknown_key_of_the_configuration_is_a_reported_guess(folder: Path) -> None:
    """Keys that the library writes into every configuration say nothing."""
    quiet = loaded(said(folder, torch_dtype="float32", top_k=50, _name_or_path="x", pruned_heads={})).report
    assert quiet is not None
    assert not any("does not know" in guess for guess in quiet.guesses)
    report = loaded(said(folder, new_attention="rotary")).report
    assert report is not None
    assert any(guess.startswith("new_attention: ") for guess in report.guesses)


def test_an_expert_of_a_network_without_experts_is_refused(folder: Path) -> None:
    with pytest.raises(BackboneError, match="expert=1"):
        loaded(folder, expert=1)


def test_the_source_of_a_folders_weights_is_their_path(folder: Path) -> None:
    report = loaded(folder).report
    assert report is not None
    assert report.source == str(folder / "model.safetensors")


def test_a_tensor_is_of_the_part_that_the_index_names(folder: Path) -> None:
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    first = [name for name in whole if name < "encoder.layer.1"]
    stale = {"embeddings.cls_token": torch.full_like(whole["embeddings.cls_token"], 9.0)}
    rest = {name: value for name, value in whole.items() if name not in first}
    for number, part in enumerate(({n: whole[n] for n in first}, {**rest, **stale})):
        save_file(part, folder / f"p{number}.safetensors", metadata={"format": "pt"})
    places = {name: f"p{int(name not in first)}.safetensors" for name in whole}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    state = loaded(folder).trunk.state_dict()
    assert torch.equal(state["model.embeddings.cls_token"], whole["embeddings.cls_token"])
