"""The small files beside weights: every key that changes the features is used, or is one sentence."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors.torch import save_file
from timm.layers import GELUTanh

from humanbench import load_backbone
from humanbench.backbones.backbone import Backbone
from humanbench.errors import BackboneError
from tests.backbones.test_guesses import check, clip_names, network
from tools.layout_parts import disturbed

HALF = {"mean": "half", "std": "half"}
FLAT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
PIXELS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}


def open_clip(folder: Path, tensors: dict[str, torch.Tensor], tower: dict[str, Any], **model: Any) -> Backbone:
    """The backbone of a folder as open_clip writes it."""
    save_file(tensors, folder / "open_clip_model.safetensors")
    document = {"model_cfg": {"vision_cfg": tower, **model}, "preprocess_cfg": PIXELS}
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    return load_backbone(str(folder))


SIZES = {"width": 32, "head_width": 8}
NORM = {"norm_layer": torch.nn.LayerNorm}


@pytest.mark.parametrize(
    ("tower", "keywords"),
    [
        ({"act_kwargs": {"approximate": "tanh"}}, {**NORM, "act_layer": GELUTanh}),
        ({"norm_kwargs": {"eps": 1e-2}}, {"norm_layer": partial(torch.nn.LayerNorm, eps=1e-2)}),
        ({"image_size": [64, 16], "patch_dropout": 0.5}, {**NORM, "img_size": (64, 16)}),
    ],
)
@torch.no_grad()
def test_what_open_clip_says_of_its_tower_is_used(
    tower: dict[str, Any], keywords: dict[str, Any], tmp_path: Path
) -> None:
    theirs = disturbed(network(pre_norm=True, **keywords)).eval()
    backbone = open_clip(tmp_path, clip_names(theirs), {**SIZES, **tower})
    images = torch.randn(2, 3, *keywords.get("img_size", (64, 64)))
    torch.testing.assert_close(backbone(images).tokens, theirs.forward_features(images)[:, 1:], atol=1e-5, rtol=1e-5)


def test_a_tower_without_norm_and_bias_before_its_blocks(tmp_path: Path) -> None:
    theirs = disturbed(network(**NORM))
    with torch.no_grad():
        theirs.patch_embed.proj.bias.zero_()
    tensors = clip_names(theirs)
    del tensors["visual.conv1.bias"]
    check(open_clip(tmp_path, tensors, {**SIZES, "no_ln_pre": True}), theirs)


@pytest.mark.parametrize(
    ("tower", "message"),
    [
        ({"rotary": True}, r"vision_cfg\.rotary=True may change"),
        ({"final_ln_after_pool": True}, r"vision_cfg\.final_ln_after_pool=True"),
        ({"act_kwargs": {"alpha": 2}}, r"vision_cfg\.act_kwargs=.*act_layer=NAME"),
        ({"norm_kwargs": {"bias": False}}, r"vision_cfg\.norm_kwargs"),
        ({"image_size": "32"}, r"image_size=32 is neither"),
        ({"head_width": 0}, r"head_width is 0"),
        ({"layers": [1, 1, 1, 1]}, r"resnet50_clip"),
    ],
)
def test_what_is_not_understood_of_the_tower_is_named(tower: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=message):
        open_clip(tmp_path, clip_names(network(pre_norm=True)), {**SIZES, **tower})


@pytest.mark.parametrize("size", [32, [64, 16]])
@torch.no_grad()
def test_the_size_of_a_tower_of_timm(size: Any, tmp_path: Path) -> None:
    theirs = disturbed(timm.create_model("test_vit", num_classes=0, img_size=size)).eval()
    tensors = {f"visual.trunk.{name}": value for name, value in theirs.state_dict().items()}
    backbone = open_clip(tmp_path, tensors, {"timm_model_name": "test_vit", "image_size": size})
    images = torch.randn(1, 3, *(size if isinstance(size, list) else (size, size)))
    torch.testing.assert_close(backbone(images).class_token, theirs.forward_features(images)[:, 0])


def test_a_network_of_timm_without_a_size_of_its_own(tmp_path: Path) -> None:
    theirs = timm.create_model("test_convnext", num_classes=0)
    tensors = {f"visual.trunk.{name}": value for name, value in theirs.state_dict().items()}
    tower = {"timm_model_name": "test_convnext", "image_size": 64}
    assert open_clip(tmp_path, tensors, tower)(torch.zeros(1, 3, 64, 64)).map.shape[-2:] == (2, 2)
    with pytest.raises(BackboneError, match=r"vision_cfg\.rotary"):
        open_clip(tmp_path, tensors, {**tower, "rotary": True})


def saved(folder: Path, model: Any, **files: dict[str, Any]) -> str:
    """The folder of a tiny network of transformers, with further files."""
    torch.manual_seed(0)
    disturbed(model).save_pretrained(folder)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder)


def tiny(**changes: Any) -> Any:
    return transformers.ViTModel(transformers.ViTConfig(**{**FLAT, "image_size": 32, "patch_size": 8, **changes}))


THREE = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}


@pytest.mark.parametrize(
    ("processor", "mean", "std"),
    [
        ({**THREE, "do_normalize": False}, 0.0, 1.0),
        ({**THREE, "rescale_factor": 0.00392156862745098}, 0.5, 0.25),
        ({**THREE, "rescale_factor": 1 / 127.5}, 0.25, 0.125),
        ({**THREE, "rescale_factor": 1 / 127.5, "rescale_offset": True}, 0.75, 0.125),
        ({"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}, 0.5, 0.5),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51.0] * 3}, 0.5, 0.2),
        ({"do_rescale": False, "do_normalize": False}, 0.0, 1 / 255),
    ],
)
def test_a_processor_as_mean_and_std(processor: dict[str, Any], mean: float, std: float, tmp_path: Path) -> None:
    """Both are of values in 0..1, whatever the processor's are."""
    pixels = load_backbone(saved(tmp_path, tiny(), preprocessor_config=processor)).preprocessing
    assert pixels.mean == pytest.approx((mean,) * 3)
    assert pixels.std == pytest.approx((std,) * 3)


@pytest.mark.parametrize("processor", [{"do_rescale": False}, {"rescale_offset": True, "rescale_factor": 1 / 255}])
def test_a_processor_that_no_mean_and_std_express_is_asked(processor: dict[str, Any], tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny(), preprocessor_config={**THREE, **processor})
    with pytest.raises(BackboneError, match=r"preprocessor_config\.json says that the values.*--mean and --std"):
        load_backbone(folder)
    assert load_backbone(folder, **HALF).preprocessing.mean == (0.5, 0.5, 0.5)


def test_a_network_of_blue_green_red_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny(), preprocessor_config={**THREE, "do_flip_channel_order": True})
    with pytest.raises(BackboneError, match=r"do_flip_channel_order.*reverse the input channels"):
        load_backbone(folder, **HALF)


def test_a_processor_within_that_of_pictures_and_texts(tmp_path: Path) -> None:
    folder = saved(tmp_path, tiny(), processor_config={"image_processor": {**THREE, "resample": 2}})
    pixels = load_backbone(folder).preprocessing
    assert (pixels.std, pixels.interpolation) == ((0.25,) * 3, "bilinear")
    saved(tmp_path, tiny(), preprocessor_config={**THREE, "image_std": [0.5] * 3})
    assert load_backbone(folder).preprocessing.std == (0.5,) * 3


@torch.no_grad()
def test_an_oblong_network_at_its_own_size(tmp_path: Path) -> None:
    model = tiny(image_size=[64, 24])
    backbone = load_backbone(saved(tmp_path, model), **HALF)
    images = torch.randn(1, 3, 64, 24)
    torch.testing.assert_close(backbone(images).tokens, model.eval()(images).last_hidden_state[:, 1:])


SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("Swin", {**SWIN, "out_indices": [2]}, r"hidden_states_norms\.stage2.*SwinModel"),
        ("ConvNext", {**STAGES, "out_indices": [2]}, r"hidden_states_norms\.stage2"),
        ("Dinov2", {**FLAT, "image_size": 32, "patch_size": 8, "apply_layernorm": False}, "apply_layernorm=false"),
        ("Swinv2", {**SWIN, "out_indices": [2]}, "saved as Swinv2Model"),
        ("MaskFormerSwin", SWIN, "model type is swin"),
    ],
)
def test_weights_of_classes_for_feature_maps(name: str, config: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Their last map has another norm than the model, or none."""
    made = getattr(transformers, f"{name}Config")(
        **{k: v for k, v in config.items() if name[:4] != "Dino" or k[:3] != "int"}
    )
    folder = saved(tmp_path, getattr(transformers, f"{name}Backbone")(made))
    with pytest.raises(BackboneError, match=message):
        load_backbone(folder, **HALF)


def clip(folder: Path, activation: str) -> str:
    sizes = {**FLAT, "image_size": 32, "patch_size": 8, "hidden_act": activation}
    return saved(folder, transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**sizes)))


def test_the_activation_of_clip_in_the_words_of_transformers(tmp_path: Path) -> None:
    backbone = load_backbone(clip(tmp_path, "gelu_new"), **HALF)
    assert backbone.architecture is not None
    assert backbone.architecture.arguments["act_layer"] == "gelu_tanh"
    folder = clip(tmp_path, "relu")
    with pytest.raises(BackboneError, match=r"says hidden_act='relu'.*--arch act_layer=NAME"):
        load_backbone(folder, **HALF)
    load_backbone(folder, **HALF, act_layer="gelu")


@torch.no_grad()
def test_a_stride_of_64(tmp_path: Path) -> None:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8, 8, 8], "depths": [1] * 4, "layer_type": "basic"}
    config = transformers.ResNetConfig(**sizes, downsample_in_first_stage=True)
    backbone = load_backbone(saved(tmp_path, transformers.ResNetModel(config)), **HALF)
    assert backbone(torch.randn(1, 3, 64, 64)).map.shape[-2:] == (1, 1)
