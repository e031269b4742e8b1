"""What a checkpoint does not say is asked, and what is beside its network is not dropped unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import GELUTanh, QuickGELU
from timm.layers.mlp import SwiGLUPacked
from timm.models.vision_transformer import ResPostBlock

from humanbench import load_backbone
from humanbench.backbones.build import build_with
from humanbench.backbones.cards import parse_backbone_card
from humanbench.backbones.positions import position_layout
from humanbench.errors import BackboneError, CardError
from tests.backbones.test_guesses import check, clip_names, network, saved
from tests.backbones.tiny import TINY, weights

PLAIN_CARD = """
id = "mine"
name = "Mine"
pretrained_on = ["imagenet-1k"]
licence = "x"
[architecture]
timm = "vit_tiny_patch16_224"
[paper]
title = "t"
year = 2024
venue = "v"
"""


def test_norms_behind_attention_are_not_read_as_norms_before_it(tmp_path: Path) -> None:
    behind = network(block_fn=ResPostBlock, qkv_bias=False, init_values=1e-5, class_token=False, global_pool="avg")
    file = saved(tmp_path, behind.state_dict())
    with pytest.raises(BackboneError, match=r"norms come after .*vit_base_patch16_rpn_224 --checkpoint FILE"):
        load_backbone(str(file), num_heads=4, act_layer="gelu")
    before = network(qkv_bias=False, class_token=False, global_pool="avg", fc_norm=False)
    file = saved(tmp_path, before.state_dict())
    check(load_backbone(str(file), num_heads=4, qkv_bias=False, act_layer="gelu"), before)


@pytest.mark.parametrize("kind", [torch.int8, torch.float8_e4m3fn])
def test_quantised_weights_under_the_names_of_clip(kind: torch.dtype, tmp_path: Path) -> None:
    tensors = clip_names(network(pre_norm=True))
    name = "visual.transformer.resblocks.0.mlp.c_fc.weight"
    tensors[name] = (tensors[name] * 10).to(kind)
    with pytest.raises(BackboneError, match=r"blocks.0.mlp.fc1.weight is quantised"):
        load_backbone(str(saved(tmp_path, tensors)), num_heads=4, act_layer="gelu")


def test_whole_numbers_are_not_called_quantised(tmp_path: Path) -> None:
    tensors = {name: value.long() for name, value in weights().items()}
    with pytest.raises(BackboneError, match=r"is in no floating point \(int64\); give weights in floating point"):
        load_backbone("vit", saved(tmp_path, tensors), **TINY)


def test_a_gated_perceptron_is_a_guess(tmp_path: Path) -> None:
    theirs = network(mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU)
    backbone = load_backbone(str(saved(tmp_path, theirs.state_dict())), num_heads=4)
    check(backbone, theirs)
    assert backbone.report is not None
    assert any(guess.startswith("mlp_layer=swiglu") for guess in backbone.report.guesses)


UNSURE: dict[str, dict[str, Any]] = {
    "is a tower of CLIP": {"pre_norm": True, "norm_layer": torch.nn.LayerNorm},
    "has no class token": {"class_token": False, "global_pool": "avg", "fc_norm": False, "act_layer": GELUTanh},
}


@pytest.mark.parametrize("words", UNSURE)
def test_an_activation_that_published_networks_differ_in_is_asked(words: str, tmp_path: Path) -> None:
    theirs = network(**UNSURE[words])
    file = saved(tmp_path, theirs.state_dict())
    with pytest.raises(BackboneError, match=rf"{words}.*; say which with --arch act_layer=NAME"):
        load_backbone(str(file), num_heads=4)
    if words == "has no class token":
        with pytest.raises(BackboneError, match="nothing says the mean of its input; say it with --mean"):
            load_backbone(str(file), num_heads=4, act_layer="gelu_tanh")
        backbone = load_backbone(str(file), num_heads=4, act_layer="gelu_tanh", mean="half", std="half")
    else:
        backbone = load_backbone(str(file), num_heads=4, act_layer="gelu")
        assert backbone.preprocessing.mean[0] == 0.48145466
    check(backbone, theirs)


def test_openais_own_files_say_their_activation(tmp_path: Path) -> None:
    numbers = {name: torch.tensor(1) for name in ("input_resolution", "context_length", "vocab_size")}
    backbone = load_backbone(str(saved(tmp_path, clip_names(network(pre_norm=True)) | numbers)), num_heads=4)
    assert backbone.architecture is not None
    assert backbone.architecture.arguments["act_layer"] == "quick_gelu"


def test_the_network_of_timm_that_open_clip_names(tmp_path: Path) -> None:
    sizes = {"embed_dim": 32, "depth": 1, "num_heads": 2, "img_size": 32}
    theirs = timm.create_model("vit_base_patch16_siglip_224", num_classes=0, **sizes)
    file = saved(tmp_path, {f"visual.trunk.{name}": value for name, value in theirs.state_dict().items()})
    tower = {"image_size": 224, "timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map"}
    pixels = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}
    document = {"model_cfg": {"vision_cfg": tower}, "preprocess_cfg": pixels}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(document))
    backbone = load_backbone(str(file), **sizes)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = theirs.eval().forward_features(images)
    torch.testing.assert_close(backbone(images).tokens, expected, atol=1e-5, rtol=1e-5)
    assert backbone.preprocessing.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("quick", [True, False])
def test_a_folder_of_open_clip(quick: bool, tmp_path: Path) -> None:
    theirs = network(pre_norm=True, norm_layer=torch.nn.LayerNorm, act_layer=QuickGELU if quick else torch.nn.GELU)
    save_file(clip_names(theirs), tmp_path / "open_clip_model.safetensors")
    model = {"vision_cfg": {"width": 32, "head_width": 8}, "quick_gelu": quick}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
    check(load_backbone(str(tmp_path)), theirs)


@pytest.mark.parametrize("key", ["optim_x", "epoch_model", "loss_net", "config_model", "scheduled"])
def test_a_network_is_found_under_any_key(key: str, tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save({key: weights()}, file)
    backbone = load_backbone("vit", file, **TINY)
    assert backbone.report is not None
    assert backbone.report.container == key
    torch.save({key: weights(), "model": weights(seed=1)}, file)
    with pytest.raises(BackboneError, match=rf"holds 2 networks \(.*{key}"):
        load_backbone("vit", file, **TINY)


BESIDE: dict[str, tuple[str, str]] = {
    "an adapter in a block": ("", "blocks.0.decoder_adapter.weight"),
    "prompts": ("backbone.", "prompt_tokens"),
    "an adapter": ("backbone.", "adapter.weight"),
    "deep prompts": ("backbone.", "deep_prompt_embeddings"),
    "a visual prompt": ("backbone.", "vpt.prompt"),
    "learned prompts": ("backbone.", "model.prompt_learner.ctx"),
    "an adapting perceptron": ("backbone.", "adaptmlp.0.down_proj.weight"),
    "tokens of tasks": ("backbone.", "task_tokens"),
    "scales": ("backbone.", "ssf_scale"),
    "an embedding of the camera": ("backbone.", "sie_embed"),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_takes_part_in_the_features_is_not_set_aside(case: str, tmp_path: Path) -> None:
    prefix, name = BESIDE[case]
    tensors = {f"{prefix}{key}": value for key, value in weights().items()} | {name: torch.ones(1, 5, 32)}
    with pytest.raises(BackboneError, match=rf"1 of its tensors have no place in the network \({name}"):
        load_backbone("vit", saved(tmp_path, tensors), **TINY)


def test_what_takes_part_in_networks_of_timm_is_not_set_aside(tmp_path: Path) -> None:
    tensors = {f"backbone.{k}": v for k, v in timm.create_model("test_resnet", num_classes=0).state_dict().items()}
    with pytest.raises(BackboneError, match=r"have no place in the network \(adapter.weight"):
        load_backbone("test_resnet", saved(tmp_path, tensors | {"adapter.weight": torch.ones(3)}))


@pytest.mark.parametrize("builder", ["os:system", "subprocess:run", "torch:load"])
def test_a_card_runs_no_command(builder: str) -> None:
    with pytest.raises(BackboneError, match="which builds no backbone: give a function of your own package"):
        build_with(builder, {})


def test_a_misspelt_argument_is_said_before_what_it_would_have_answered(tmp_path: Path) -> None:
    file = saved(tmp_path, network().state_dict())
    with pytest.raises(BackboneError, match=r"num_head=4: .* no such argument; did you mean num_heads"):
        load_backbone(str(file), num_head=4)
    with pytest.raises(BackboneError, match=r"img_size=64x64: give one number, or \[HEIGHT, WIDTH\]"):
        load_backbone(str(file), num_heads=4, img_size="64x64")
    with pytest.raises(BackboneError, match="it knows no 'nonsense'"):
        load_backbone("random:vit_tiny_patch16_224", act_layer="nonsense")


def test_fifty_positions_are_those_of_patches_of_32() -> None:
    assert position_layout(50, (1, 0), None, "a").grid == (7, 7)
    with pytest.raises(BackboneError, match="an upright or lying rectangle of 288 and 1"):
        position_layout(289, (1, 0), None, "a")


def test_files_that_hold_nothing_or_numpy(tmp_path: Path) -> None:
    import numpy as np

    file = tmp_path / "a.pth"
    torch.save({}, file)
    with pytest.raises(BackboneError, match="found nothing at all"):
        load_backbone("vit", file, **TINY)
    torch.save({"model": weights(), "best": np.float64(3.0)}, file)
    with pytest.raises(BackboneError, match=r"holds values of numpy .*weights_only=False\)\[KEY\], NEW\)"):
        load_backbone("vit", file, **TINY)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("licence =", "license =", "license: Extra inputs are not permitted; did you mean licence"),
        ("timm =", "tim =", r"architecture.tim: Extra inputs are not permitted; did you mean timm"),
        ("year =", "yeer =", r"paper.yeer: Extra inputs are not permitted; did you mean year"),
    ],
)
def test_a_misspelt_key_of_a_card(old: str, new: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(PLAIN_CARD.replace(old, new))
    with pytest.raises(CardError, match=words):
        parse_backbone_card(tmp_path / "a.toml")


def test_an_expert_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="expert=9: there are 6 experts, 0 to 5"):
        load_backbone("vitpose_plus_vitb", random=True, expert=9)  # as a dry run does
    with pytest.raises(BackboneError, match="expert=0 is given, and no checkpoint that has experts"):
        load_backbone("vit", expert=0, **TINY)
    with pytest.raises(BackboneError, match="expert=0 is given, and the file has no experts"):
        load_backbone("vit", saved(tmp_path, weights()), expert=0, **TINY)


def test_a_choice_among_networks_without_a_file() -> None:
    for name in ("vit", "random:vit_tiny_patch16_224"):
        with pytest.raises(BackboneError, match="prefix=teacher is given, and no checkpoint that has several networks"):
            load_backbone(name, prefix="teacher")


def test_where_the_weights_of_a_card_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "a.pth").touch()
    for place, words in {
        'hub = "me/net"\nfile = "a.pth"': "a.pth lies beside the card and is said to be in the repository me/net",
        'url = "https://example.org/a.pth"\nfile = "a.pth"': "the file of a url is the one at its address",
        'file = "a.pth"\nversion = "1"': "a version is that of a package",
    }.items():
        (tmp_path / "a.toml").write_text(f"{PLAIN_CARD}[[weights]]\n{place}\n")
        with pytest.raises(CardError, match=words):
            parse_backbone_card(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text(f'{PLAIN_CARD}[[weights]]\nhub = "me/net"\nfile = "b.pth"\n')
    assert parse_backbone_card(tmp_path / "a.toml").weights[0].file == "b.pth"


def test_tiny_networks_are_asked_for_their_heads_and_say_their_depth(tmp_path: Path) -> None:
    """12 blocks of 192 channels have 3 heads in DeiT and 12 in MAE-Lite."""
    file = saved(tmp_path, network(embed_dim=192, depth=12, num_heads=3).state_dict())
    with pytest.raises(BackboneError, match=r"12 blocks of 192 channels.*give --arch num_heads=N"):
        load_backbone(str(file))
    report = load_backbone(str(file), num_heads=12).report
    assert report is not None
    assert "depth=12, the blocks that the file holds" in report.guesses


def test_cait_is_no_plain_transformer(tmp_path: Path) -> None:
    tensors = timm.create_model("cait_xxs24_224", depth=1, embed_dim=32, num_heads=2).state_dict()
    with pytest.raises(BackboneError, match=r"no plain vision transformer; .*--backbone timm:NAME --checkpoint FILE"):
        load_backbone(str(saved(tmp_path, tensors)), num_heads=2, act_layer="gelu")


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("resnet18", {"output_stride": 7}, r"timm cannot build resnet18 with output_stride=7 \(AssertionError"),
        ("vit_tiny_patch16_224", {"mlp_layer": "x"}, r"with mlp_layer='x' \(TypeError: 'str' object is not callable\)"),
    ],
)
def test_what_timm_cannot_build_is_a_whole_sentence(name: str, argument: dict[str, Any], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(f"random:{name}", **argument)
