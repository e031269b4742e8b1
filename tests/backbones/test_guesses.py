"""A checkpoint is used as its author built it, or refused with the argument that decides: heads, tokens, sizes ..."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from humanbench import load_backbone
from humanbench.backbones import Backbone
from humanbench.backbones.cards import backbone_cards
from humanbench.backbones.infer import KNOWN_HEADS
from humanbench.errors import BackboneError
from tests.backbones.tiny import TINY, weights

SMALL: dict[str, Any] = {
    "img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_classes": 0,
}  # fmt: skip


def network(**more: Any) -> VisionTransformer:
    """A plain transformer of timm with weights that make every part of it matter."""
    torch.manual_seed(3)
    made = VisionTransformer(**{**SMALL, **more}).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.5 if "token" in name or "pos" in name else 0.2))
    return made


def saved(tmp_path: Path, tensors: dict[str, Tensor], name: str = "a.safetensors") -> Path:
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, tmp_path / name)
    return tmp_path / name


@torch.no_grad()
def check(backbone: Backbone, theirs: VisionTransformer, size: tuple[int, int] = (64, 64)) -> None:
    """Class token and patch tokens are those of the network that wrote the file."""
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    expected, features = theirs.forward_features(images), backbone(images)
    if theirs.cls_token is None:
        assert features.class_token is None
    else:
        assert features.class_token is not None
        torch.testing.assert_close(features.class_token, expected[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features.tokens, expected[:, theirs.num_prefix_tokens :], atol=1e-5, rtol=1e-5)


def test_heads_in_doubt_are_asked_for(tmp_path: Path) -> None:
    theirs = network()
    file = saved(tmp_path, theirs.state_dict())
    with pytest.raises(BackboneError, match=r"number of attention heads is in no tensor; give --arch num_heads=N"):
        load_backbone(str(file))
    check(load_backbone(str(file), num_heads=4), theirs)


@pytest.mark.parametrize(("width", "depth"), [(1280, 32), (1408, 40), (1664, 48), (1152, 27), (768, 12)])
def test_known_heads_are_those_of_the_published_networks(width: int, depth: int) -> None:
    """ViT-H, -g, -bigG and so400m do not have 64 channels a head."""
    names = {1280: "vit_huge_patch14_224", 1408: "vit_giant_patch14_224", 1664: "vit_gigantic_patch14_224"}
    name = names.get(width, "vit_so400m_patch14_siglip_224" if width == 1152 else "vit_base_patch16_224")
    with torch.device("meta"):
        theirs: Any = timm.create_model(name)
    assert (theirs.embed_dim, len(theirs.blocks)) == (width, depth)
    assert KNOWN_HEADS[width, depth] == theirs.blocks[0].attn.num_heads


def test_384_channels_are_moco_or_dino(tmp_path: Path) -> None:
    """MoCo v3's has 12 heads and fixed positions, with zeros for the class token; DINO's has 6 and learned ones."""
    tensors = VisionTransformer(**SMALL | {"embed_dim": 384, "depth": 12, "num_heads": 6}).state_dict()
    learned = load_backbone(str(saved(tmp_path, tensors)))
    assert learned.trunk.blocks[0].attn.num_heads == 6  # type: ignore[union-attr,index]
    assert learned.report is not None
    assert any(guess.startswith("num_heads=6") for guess in learned.report.guesses)
    tensors["pos_embed"][:, 0] = 0
    with pytest.raises(BackboneError, match="--arch num_heads=N"):
        load_backbone(str(saved(tmp_path, tensors)))


def test_queries_that_are_normed_tell_the_heads(tmp_path: Path) -> None:
    theirs = network(qk_norm=True)
    check(load_backbone(str(saved(tmp_path, theirs.state_dict()))), theirs)


@pytest.mark.parametrize("name", ["mini_path", "mini_mae"])
def test_the_file_of_a_card_is_the_card(name: str, tmp_path: Path) -> None:
    """The bare file has 4 heads of 32 channels, ImageNet's mean and bilinear resizing, as its card."""
    card = load_backbone(name)
    copied = tmp_path / "copied.safetensors"
    copied.write_bytes(Path(backbone_cards()[name].weights[0].file).read_bytes())
    bare = load_backbone(str(copied))
    assert bare.name == name
    assert bare.preprocessing == card.preprocessing
    assert bare.pretrained_on == card.pretrained_on
    assert bare.weights_sha256 == card.weights_sha256
    assert bare.trunk.blocks[0].attn.num_heads == 4  # type: ignore[union-attr,index]


def test_files_of_humanbench_say_what_they_are(tmp_path: Path) -> None:
    from humanbench.backbones.config_files import header_of

    first = load_backbone(
        "vit", **TINY | {"num_heads": 8, "act_layer": "quick_gelu"}, mean="half", std="half", interpolation="bilinear"
    )
    assert first.architecture is not None
    pixels = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bilinear"}
    file = tmp_path / "b.safetensors"
    save_file(first.trunk.state_dict(), file, metadata=header_of(first.architecture, pixels))
    again = load_backbone(str(file))
    assert again.preprocessing == first.preprocessing
    assert repr(again.trunk) == repr(first.trunk)
    assert again.trunk.blocks[0].attn.num_heads == 8  # type: ignore[union-attr,index]
    assert again.report is not None
    assert not again.report.guesses


LAYOUTS: dict[str, dict[str, Any]] = {
    "registers, no positions of theirs": {"reg_tokens": 4, "no_embed_class": True},
    "registers, class token left out": {"reg_tokens": 4, "no_embed_class": True, "class_token": False},
    "registers with positions": {"reg_tokens": 2},
    "DeiT III": {"init_values": 0.3, "no_embed_class": True},
    "no class token": {"class_token": False},
    "layer scale": {"init_values": 0.3},
    "queries normed": {"qk_norm": True},
    "before the blocks a norm": {"pre_norm": True, "norm_layer": torch.nn.LayerNorm},
}


def test_weights_that_a_card_disowns_are_not_its(tmp_path: Path) -> None:
    """The card of the random pyramid names no file's hash, and says what its tensors are."""
    card = load_backbone("mini_pyramid_random")
    save_file(card.trunk.state_dict(), tmp_path / "same.safetensors")
    assert load_backbone("mini_pyramid_random", tmp_path / "same.safetensors").pretrained_on == card.pretrained_on == ()
    changed = {name: t * 1.5 if t.is_floating_point() else t for name, t in card.trunk.state_dict().items()}
    save_file(changed, tmp_path / "other.safetensors")
    other = load_backbone("mini_pyramid_random", tmp_path / "other.safetensors")
    assert other.pretrained_on is None, "nobody says what they have seen"
    assert other.name == "mini_pyramid_random:other"
    without = load_backbone("mini_random", class_token=False)
    assert (without.name, without.pretrained_on) == ("mini_random", ()), "its own file, with a part left out"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_class_and_register_tokens_of_a_bare_file(layout: str, tmp_path: Path) -> None:
    more = LAYOUTS[layout]
    if not more.get("class_token", True):
        more = more | {"global_pool": "avg", "fc_norm": False}
    theirs = network(**more)
    stated = {"act_layer": "gelu"} if layout in ("no class token", "before the blocks a norm") else {}
    check(load_backbone(str(saved(tmp_path, theirs.state_dict())), num_heads=4, **stated), theirs)


def test_a_class_token_without_position_is_asked_for(tmp_path: Path) -> None:
    """FlexiViT's takes part, PATH's conversion left an untrained one: the file does not say which it is."""
    theirs = network(no_embed_class=True)
    file = saved(tmp_path, theirs.state_dict())
    with pytest.raises(BackboneError, match=r"class token has no position: give --arch no_embed_class=true"):
        load_backbone(str(file), num_heads=4)
    check(load_backbone(str(file), num_heads=4, no_embed_class=True), theirs)
    assert load_backbone(str(file), num_heads=4, class_token=False).trunk.cls_token is None


def dinov2(theirs: VisionTransformer) -> dict[str, Tensor]:
    """DINOv2's official layout of a network with registers: the class token has a position, the registers have none."""
    tensors = dict(theirs.state_dict())
    tensors["register_tokens"] = tensors.pop("reg_token")
    position = torch.full_like(tensors["cls_token"], 0.25)
    tensors["cls_token"] = tensors["cls_token"] - position
    tensors["pos_embed"] = torch.cat([position, tensors["pos_embed"]], dim=1)
    tensors["mask_token"] = torch.zeros(1, theirs.embed_dim)
    return tensors


def test_dinov2_with_registers(tmp_path: Path) -> None:
    theirs = network(reg_tokens=4, no_embed_class=True, init_values=0.5)
    file = saved(tmp_path, dinov2(theirs))
    backbone = load_backbone(str(file), num_heads=4)
    check(backbone, theirs)
    assert backbone.report is not None
    assert backbone.report.scheme == "DINOv2"
    with pytest.raises(BackboneError, match=r"1 of its tensors have no place in the network \(reg_token"):
        load_backbone(str(file), num_heads=4, reg_tokens=0)


def test_dinov2_gated_perceptron(tmp_path: Path) -> None:
    """The packed gate of DINOv2's largest network, under DINOv2's names."""
    from timm.layers.mlp import SwiGLUPacked

    theirs = network(mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU, mlp_ratio=4.0)
    renamed = {k.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): v for k, v in theirs.state_dict().items()}
    check(load_backbone(str(saved(tmp_path, renamed)), num_heads=4), theirs)


def test_dinov2_registers_in_timms_network(tmp_path: Path) -> None:
    """The official layout fits timm's network with registers, and is refused by the one without."""
    size = 56
    theirs = timm.create_model("vit_small_patch14_reg4_dinov2", img_size=size, num_classes=0, depth=2).eval()
    torch.nn.init.normal_(theirs.cls_token)  # type: ignore[arg-type]
    file = saved(tmp_path, dinov2(theirs))
    given = {"img_size": size, "depth": 2, "mean": "imagenet", "std": "imagenet"}
    check(load_backbone("vit_small_patch14_reg4_dinov2", file, **given), theirs, (size, size))
    with pytest.raises(BackboneError, match="have no place in the network"):
        load_backbone("vit_small_patch14_dinov2", file, **given)


def test_a_stated_size_is_believed(tmp_path: Path) -> None:
    """384 x 192: 24 x 12 cells and a class token are 289 positions, as many as 17 x 17."""
    theirs = network(img_size=(384, 192))
    file = saved(tmp_path, theirs.state_dict())
    backbone = load_backbone("vit", file, img_size=(384, 192), num_heads=4)
    check(backbone, theirs, (384, 192))
    assert backbone.report is not None
    assert not any("resized" in note for note in backbone.report.notes)
    with pytest.raises(BackboneError, match=r"289 positions: fits .*17x17.*give the size .*img_size=\[HEIGHT, WIDTH\]"):
        load_backbone(str(file), num_heads=4)


@pytest.mark.parametrize("size", [(256, 128), (256, 192), (128, 256)])
def test_rectangles_are_asked_for(size: tuple[int, int], tmp_path: Path) -> None:
    theirs = network(img_size=size)
    file = saved(tmp_path, theirs.state_dict())
    with pytest.raises(BackboneError, match=r"positions: fits .*img_size=\[HEIGHT, WIDTH\]"):
        load_backbone(str(file), num_heads=4)
    check(load_backbone(str(file), num_heads=4, img_size=size), theirs, size)


def test_a_square_is_guessed_and_reported(tmp_path: Path) -> None:
    backbone = load_backbone(str(saved(tmp_path, network().state_dict())), num_heads=4)
    assert backbone.report is not None
    assert "17 positions are a square grid of 4x4 and 1" in backbone.report.guesses


def test_a_mean_of_other_weights_is_a_question(tmp_path: Path) -> None:
    """timm's vit_tiny_patch16_224 stands for weights that were trained with 0.5; DeiT's of the same shape were not."""
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1)
    file = saved(tmp_path, theirs.state_dict())
    with pytest.raises(BackboneError, match=r"mean 0.5,0.5,0.5, std 0.5,0.5,0.5 is timm's .*say it with --mean and"):
        load_backbone("vit_tiny_patch16_224", file, depth=1)
    stated = load_backbone("vit_tiny_patch16_224", file, depth=1, mean="imagenet", std=[0.2, 0.2, 0.2])
    assert stated.preprocessing.mean == (0.485, 0.456, 0.406)
    assert stated.preprocessing.std == (0.2, 0.2, 0.2)
    assert stated.pixel_sources["mean"] == "the caller"
    taken = load_backbone("deit_tiny_patch16_224", file, depth=1)
    assert taken.preprocessing.mean == (0.485, 0.456, 0.406)
    assert taken.report is not None
    assert any(guess.startswith("mean, std") and "timm's" in guess for guess in taken.report.guesses)
    backbone = load_backbone("random:vit_tiny_patch16_224", depth=1)
    assert backbone.preprocessing.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        ({"mean": "0.5,0.5"}, "give three numbers"),
        ({"std": [0.5, 0.5, 0.0]}, "give three numbers"),
        ({"mean": "imagnet"}, "one of imagenet, clip, half"),
        ({"interpolation": "nearest"}, "is one of bilinear, bicubic"),
    ],
)
def test_wrong_pixels(pixels: dict[str, Any], words: str) -> None:
    with pytest.raises(BackboneError, match=words):
        load_backbone("vit", **TINY, **pixels)


def test_perceptron_of_the_perception_encoder_is_no_clip(tmp_path: Path) -> None:
    """Its files have CLIP's names; rotary positions and pooling inside the tower are no part of CLIP."""
    torch.manual_seed(0)
    theirs = timm.create_model(
        "vit_pe_core_tiny_patch16_384", img_size=64, depth=2, embed_dim=32, num_heads=4, num_classes=0
    )
    official = {}
    for key, value in theirs.state_dict().items():
        name = key
        for ours, official_name in (
            ("patch_embed.proj", "conv1"), ("pos_embed", "positional_embedding"), ("blocks.", "transformer.resblocks."),
            ("norm_pre", "ln_pre"), ("norm1", "ln_1"), ("norm2", "ln_2"), ("attn.qkv.", "attn.in_proj_"),
            ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
            ("cls_token", "class_embedding"),
        ):  # fmt: skip
            name = name.replace(ours, official_name)
        name = "ln_post" + name[4:] if name.startswith("norm.") else name
        if name == "class_embedding":
            value = value[0, 0]
        official[f"visual.{name}"] = value[0] if name == "positional_embedding" else value
    file = saved(tmp_path, official | {"visual.attn_pool.probe": torch.zeros(1, 1, 32)})
    with pytest.raises(BackboneError, match=r"no place in the network \(visual.attn_pool"):
        load_backbone(str(file), num_heads=4, act_layer="gelu")


TWO: dict[str, tuple[dict[str, Any], str, str]] = {
    "MoCo v3": ({"state_dict": {"module.base_encoder.": 1.0, "module.momentum_encoder.": 2.0}}, "base_encoder", "1"),
    "MoCo": ({"state_dict": {"module.encoder_q.": 1.0, "module.encoder_k.": 2.0}}, "encoder_k", "2"),
    "DINO": ({"student": {"module.backbone.": 1.0}, "teacher": {"backbone.": 2.0}}, "teacher", "2"),
    "moving average": ({"model": {"": 1.0}, "model_ema": {"": 2.0}}, "model_ema", "2"),
}


def two_networks(layout: dict[str, dict[str, float]]) -> dict[str, dict[str, Tensor]]:
    w = weights()
    return {
        container: {f"{prefix}{k}": v * factor for prefix, factor in networks.items() for k, v in w.items()}
        for container, networks in layout.items()
    }


@pytest.mark.parametrize("name", TWO)
def test_of_two_networks_one_is_named(name: str, tmp_path: Path) -> None:
    layout, prefix, factor = TWO[name]
    path = tmp_path / "two.pth"
    torch.save(two_networks(layout), path)
    with pytest.raises(BackboneError, match=r"holds 2 networks \(.*give --arch prefix="):
        load_backbone("vit", path, **TINY)
    backbone = load_backbone("vit", path, prefix=prefix, **TINY)
    assert torch.equal(backbone.trunk.state_dict()["norm.bias"], weights()["norm.bias"] * float(factor))
    assert backbone.report is not None
    assert prefix in backbone.report.container
    assert "another network of the file" in backbone.report.left_over.values()
    with pytest.raises(BackboneError, match="holds nothing under prefix=nothing"):
        load_backbone("vit", path, prefix="nothing", **TINY)


def test_the_container_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "one.pth"
    optimiser = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(8, 3, 8, 8)}}}}
    torch.save({"epoch": 3, "network": weights(), **optimiser}, path)
    backbone = load_backbone("vit", path, **TINY)
    assert backbone.report is not None
    assert backbone.report.container == "network"
    assert "taken from network of the file" in backbone.report.to_text()


def test_branches_of_one_network_are_not_two(tmp_path: Path) -> None:
    """CrossViT has two patch embeddings."""
    theirs = timm.create_model("crossvit_tiny_240", num_classes=0)
    file = saved(tmp_path, theirs.state_dict())
    assert load_backbone("crossvit_tiny_240", file).report is not None


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    broken = weights()
    broken["blocks.1.mlp.fc1.bias"][3] = float("nan")
    with pytest.raises(BackboneError, match=r"1 of the 128 values of blocks.1.mlp.fc1.bias are not finite"):
        load_backbone("vit", saved(tmp_path, broken), **TINY)
    quantised = weights()
    quantised["blocks.1.attn.qkv.weight"] = (quantised["blocks.1.attn.qkv.weight"] * 100).to(torch.int8)
    with pytest.raises(BackboneError, match=r"blocks.1.attn.qkv.weight is quantised \(int8\)"):
        load_backbone("vit", saved(tmp_path, quantised), **TINY)


@pytest.mark.parametrize("ending", ["last.ckpt", "model.pyth", "MODEL.PTH", "weights"])
def test_endings_of_checkpoints(ending: str, tmp_path: Path) -> None:
    torch.save({"state_dict": weights()}, tmp_path / ending)
    assert load_backbone(str(tmp_path / ending), **TINY).report is not None
    save_file(weights(), tmp_path / "X.SAFETENSORS")
    assert load_backbone(str(tmp_path / "X.SAFETENSORS"), **TINY).report is not None


def test_names_that_lead_on(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no such checkpoint file.* a repository of the hub is hf-hub:ORG"):
        load_backbone("facebook/dinov2-base")
    with pytest.raises(BackboneError, match=r"is a folder; give the file in it"):
        load_backbone(str(tmp_path))
    with pytest.raises(BackboneError, match=r"is a folder without model.safetensors"):
        load_backbone("vit", tmp_path, **TINY)


def test_a_row_is_called_what_ran(tmp_path: Path) -> None:
    """Random weights are not their card's, and two files are two names."""
    assert load_backbone("random:mini_path").name == "random:mini_path"
    assert load_backbone("mini_path").name == "mini_path"
    assert load_backbone("vit", **TINY).name == "random:vit"
    names = [load_backbone(str(saved(tmp_path, weights(), f"{n}.safetensors")), **TINY).name for n in "ab"]
    assert names == ["vit:a", "vit:b"]


@pytest.mark.parametrize("name", ["test_vit", "test_convnext"])
@torch.no_grad()
def test_folders_of_timm(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs = timm.create_model(name, num_classes=3).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": name, "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for given in (f"local-dir:{tmp_path}", str(tmp_path), str(tmp_path / "model.safetensors")):
        backbone = load_backbone(given)
        assert backbone.preprocessing.mean == (0.1, 0.2, 0.3)
        images = torch.randn(1, 3, 160, 160)
        expected = theirs.forward_features(images)
        if name == "test_vit":
            assert torch.allclose(backbone(images).class_token, expected[:, 0], atol=1e-5)  # type: ignore[arg-type]


def test_an_open_clip_config_tells_the_activation(tmp_path: Path) -> None:
    theirs = network(pre_norm=True, act_layer=torch.nn.GELU, norm_layer=torch.nn.LayerNorm)
    official = clip_names(theirs)
    save_file(official, tmp_path / "open_clip_model.safetensors")
    config = {
        "model_cfg": {"vision_cfg": {"width": 32, "head_width": 8}},
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    backbone = load_backbone(str(tmp_path / "open_clip_model.safetensors"))
    check(backbone, theirs)
    assert backbone.preprocessing.mean == (0.5, 0.5, 0.5)


def clip_names(theirs: VisionTransformer) -> dict[str, Tensor]:
    """A tower under the names of OpenAI and open_clip."""
    names = (
        ("patch_embed.proj.", "conv1."), ("norm_pre.", "ln_pre."), (".norm1.", ".ln_1."), (".norm2.", ".ln_2."),
        ("blocks.", "transformer.resblocks."), ("attn.qkv.", "attn.in_proj_"), ("attn.proj.", "attn.out_proj."),
        ("mlp.fc1.", "mlp.c_fc."), ("mlp.fc2.", "mlp.c_proj."),
    )  # fmt: skip
    official: dict[str, Tensor] = {}
    for key, value in theirs.state_dict().items():
        name = key
        for ours, official_name in names:
            name = name.replace(ours, official_name)
        name = "ln_post." + name[5:] if name.startswith("norm.") else name
        if name == "cls_token":
            name, value = "class_embedding", value[0, 0]
        elif name == "pos_embed":
            name, value = "positional_embedding", value[0]
        official[f"visual.{name}"] = value.clone()
    return official


@pytest.mark.parametrize(
    "value", ["nan,nan,nan", "inf,1,1", (123.7, 116.3, 103.5), (-0.5, 0.5, 0.5), (float("nan"),) * 3]
)
@pytest.mark.parametrize("key", ["mean", "std"])
def test_pixels_lie_in_0_to_1(key: str, value: Any) -> None:
    with pytest.raises(BackboneError, match=r"in 0\.\.1") as caught:
        load_backbone("random:test_vit", **{key: value})
    assert ("divide them by 255" in str(caught.value)) == ("123.7" in str(value))
    assert f"like {key}={'0.485,0.456,0.406' if key == 'mean' else '0.229,0.224,0.225'}," in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "random:", "local-dir:", "timm:", "random:timm:"])
def test_an_empty_name_is_not_the_current_folder(name: str) -> None:
    with pytest.raises(BackboneError, match="names no backbone"):
        load_backbone(name)
