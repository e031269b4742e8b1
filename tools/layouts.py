"""`python -m tools.layouts`: which layouts of checkpoints load, by which route, and how far the features are off.

Every row is a tiny network with random weights, written by the library that has it (timm, transformers) or under the
names of its authors, and loaded by `load_backbone`. The features are held against those of the library that wrote it.
`tests/backbones/test_layouts.py` runs the rows, of timm's own networks a sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.vision_transformer import ResPostBlock
from torch import Tensor, nn

from tools.layout_parts import HEADS, Layout, Reference, Tensors, bare, disturbed, outcome, save
from tools.people_layouts import people_rows


def _plain_rows() -> Iterator[Layout]:
    layouts: dict[str, dict[str, Any]] = {
        "class token": {},
        "DeiT III, layer scale": {"init_values": 0.3, "no_embed_class": True},
        "four registers": {"reg_tokens": 4, "no_embed_class": True},
        "registers with positions": {"reg_tokens": 2},
        "queries and keys normed": {"qk_norm": True},
        "no bias of query, key, value": {"qkv_bias": False},
    }
    for name, more in layouts.items():
        yield Layout("ViT (timm)", f"bare file, {name}", bare(**more), HEADS)
    for name, more in {
        "no class token": {"class_token": False, "global_pool": "avg", "fc_norm": False},
        "norm before the blocks": {"pre_norm": True, "norm_layer": nn.LayerNorm},
    }.items():
        yield Layout("ViT (timm)", f"bare file, {name}", bare(**more), HEADS, "act_layer=NAME")
        yield Layout("ViT (timm)", f"bare file, {name}, GELU stated", bare(**more), HEADS | {"act_layer": "gelu"})
    behind = {"block_fn": ResPostBlock, "qkv_bias": False, "class_token": False, "global_pool": "avg"}
    yield Layout("ViT (timm)", "bare file, norms behind attention", bare(**behind), HEADS, "vit_base_patch16_rpn")
    square = bare(img_size=(384, 192))
    yield Layout(
        "ViT (timm)", "bare file, 384x192, size stated", square, HEADS | {"img_size": (384, 192)}, size=(384, 192)
    )
    yield Layout("ViT (timm)", "bare file, 384x192, size not stated", square, HEADS, "289 positions")
    yield Layout("ViT (timm)", "bare file, 256x128, size not stated", bare(img_size=(256, 128)), HEADS, "129 positions")
    yield Layout("ViT (timm)", "bare file, heads not stated", bare(), {}, "--arch num_heads=N")
    yield Layout(
        "FlexiViT, PATH converted", "class token without position", bare(no_embed_class=True), HEADS, "no position"
    )
    yield Layout(
        "FlexiViT", "class token without position, stated", bare(no_embed_class=True), HEADS | {"no_embed_class": True}
    )


def _container_rows() -> Iterator[Layout]:
    def prefixed(tensors: Tensors, prefix: str) -> Tensors:
        return {f"{prefix}{name}": value for name, value in tensors.items()}

    def mae(tensors: Tensors) -> Any:
        decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.zeros(8, 32)}
        return {"model": {**tensors, **decoder}, "epoch": 3}

    def moco(tensors: Tensors) -> Any:
        other = {name: value + 1 for name, value in tensors.items()}
        return {"state_dict": prefixed(tensors, "module.base_encoder.") | prefixed(other, "module.momentum_encoder.")}

    def dino(tensors: Tensors) -> Any:
        other = {name: value + 1 for name, value in tensors.items()}
        return {"student": prefixed(other, "module.backbone."), "teacher": prefixed(tensors, "backbone.")}

    yield Layout("MAE", "model with decoder", bare(mae), HEADS)
    yield Layout(
        "ViT (timm)", "state_dict under module.", bare(lambda t: {"state_dict": prefixed(t, "module.")}), HEADS
    )
    yield Layout("DINO", "teacher alone", bare(lambda t: {"teacher": prefixed(t, "backbone.")}), HEADS)
    yield Layout("DINO", "student and teacher", bare(dino), HEADS, "holds 2 networks")
    yield Layout("DINO", "student and teacher, prefix=teacher", bare(dino), HEADS | {"prefix": "teacher"})
    yield Layout("MoCo v3", "base_encoder and momentum_encoder", bare(moco), HEADS, "holds 2 networks")
    yield Layout("MoCo v3", "the same, prefix=base_encoder", bare(moco), HEADS | {"prefix": "base_encoder"})


def dinov2(tensors: Tensors) -> Tensors:
    """DINOv2's names of timm's network with registers: the class token has a position, the registers have none."""
    renamed = dict(tensors)
    renamed["register_tokens"] = renamed.pop("reg_token")
    position = torch.full_like(renamed["cls_token"], 0.25)
    renamed["cls_token"] = renamed["cls_token"] - position
    renamed["pos_embed"] = torch.cat([position, renamed["pos_embed"]], dim=1)
    return renamed | {"mask_token": torch.zeros(1, 32)}


def openai(tensors: Tensors) -> Tensors:
    """A tower under the names of OpenAI and open_clip."""
    names = (
        ("patch_embed.proj.", "conv1."), ("norm_pre.", "ln_pre."), (".norm1.", ".ln_1."), (".norm2.", ".ln_2."),
        ("blocks.", "transformer.resblocks."), ("attn.qkv.", "attn.in_proj_"), ("attn.proj.", "attn.out_proj."),
        ("mlp.fc1.", "mlp.c_fc."), ("mlp.fc2.", "mlp.c_proj."), ("gamma_1", "ls_1.gamma"), ("gamma_2", "ls_2.gamma"),
    )  # fmt: skip
    renamed: Tensors = {}
    for key, value in tensors.items():
        name = key
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        name = f"ln_post.{name[5:]}" if name.startswith("norm.") else name
        if name in ("cls_token", "pos_embed"):
            value = value[0, 0] if name == "cls_token" else value[0]
            name = "class_embedding" if name == "cls_token" else "positional_embedding"
        renamed[f"visual.{name}"] = value
    return renamed


def _numbers() -> Tensors:
    """What stands beside the weights in the files that OpenAI published."""
    return {name: torch.tensor(64) for name in ("input_resolution", "context_length", "vocab_size")}


def _author_rows() -> Iterator[Layout]:
    from timm.layers import QuickGELU
    from timm.layers.mlp import SwiGLUPacked

    quick = {"pre_norm": True, "act_layer": QuickGELU, "norm_layer": nn.LayerNorm}
    gated = {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU, "mlp_ratio": 4.0}

    def packed(tensors: Tensors) -> Tensors:
        return {k.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): v for k, v in tensors.items()}

    yield Layout("DINOv2", "official, registers", bare(dinov2, reg_tokens=4, no_embed_class=True), HEADS)
    yield Layout(
        "DINOv2",
        "official, registers, network without",
        bare(dinov2, reg_tokens=4, no_embed_class=True),
        HEADS | {"reg_tokens": 0},
        "no place in the network",
    )
    yield Layout("DINOv2", "official, gated perceptron", bare(packed, **gated), HEADS)
    yield Layout("CLIP", "OpenAI's names", bare(openai, **quick), HEADS, "act_layer=NAME")
    yield Layout(
        "CLIP", "OpenAI's names, quick GELU stated", bare(openai, **quick), HEADS | {"act_layer": "quick_gelu"}
    )
    yield Layout("CLIP", "OpenAI's own file", bare(lambda t: openai(t) | _numbers(), **quick), HEADS)
    yield Layout(
        "CLIP",
        "open_clip's names, GELU stated",
        bare(openai, **quick | {"act_layer": nn.GELU}),
        HEADS | {"act_layer": "gelu"},
    )
    yield Layout(
        "Perception Encoder",
        "official names, as a bare CLIP",
        _pe(""),
        HEADS | {"act_layer": "gelu"},
        "no place in the network",
    )
    yield Layout(
        "Perception Encoder",
        "official names, timm's network",
        _pe("vit_pe_core_tiny_patch16_384"),
        PE | {"mean": "half", "std": "half"},
    )
    yield Layout("DINOv3", "official names, timm's network", _dinov3, DINOV3 | {"mean": "imagenet", "std": "imagenet"})


PE: dict[str, Any] = {"img_size": 64, "depth": 2, "embed_dim": 32, "num_heads": 4}
DINOV3: dict[str, Any] = {"img_size": 64, "depth": 2, "embed_dim": 32, "num_heads": 4}


def _pe(name: str) -> Callable[[Path], tuple[str, str | None, Reference]]:
    def write(folder: Path) -> tuple[str, str | None, Reference]:
        network = disturbed(timm.create_model("vit_pe_core_tiny_patch16_384", num_classes=0, **PE))
        inner = {k: v for k, v in network.state_dict().items() if not k.startswith("attn_pool")}
        file = save(openai(inner) | {"visual.attn_pool.probe": torch.zeros(1, 1, 32)}, folder / "pe.safetensors")
        return (name, file, network.forward_features) if name else (file, None, network.forward_features)

    return write


def _dinov3(folder: Path) -> tuple[str, str | None, Reference]:
    network = disturbed(timm.create_model("vit_small_patch16_dinov3", num_classes=0, **DINOV3))
    names = (("reg_token", "storage_tokens"), ("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma"))
    renamed = {"mask_token": torch.zeros(1, 32)}
    for key, value in network.state_dict().items():
        name = key
        for ours, theirs in names:
            name = name.replace(ours, theirs)
        renamed[name] = value
    return "vit_small_patch16_dinov3", save(renamed, folder / "dinov3.safetensors"), network.forward_features


NARROW = {"embed_dim": 24, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 4, 8), "img_size": 64, "window_size": 4}
TIMM: dict[str, dict[str, Any]] = {
    "test_vit": {}, "test_vit3": {}, "test_resnet": {}, "test_convnext": {}, "test_efficientnet": {},
    "test_byobnet": {}, "resnet18": {}, "mobilenetv3_small_050": {}, "regnetx_002": {}, "pvt_v2_b0": {},
    "edgenext_xx_small": {}, "tiny_vit_5m_224": {}, "swin_tiny_patch4_window7_224": NARROW,
    "eva02_tiny_patch14_224": {"depth": 2}, "beit_base_patch16_224": {"depth": 2, "embed_dim": 48, "num_heads": 4},
    "deit3_small_patch16_224": {"depth": 2}, "xcit_nano_12_p16_224": {}, "repvit_m0_9": {}, "densenet121": {},
    "poolformer_s12": {}, "crossvit_tiny_240": {}, "hiera_tiny_224": {},
}  # fmt: skip
"""Networks of timm, under timm's names with their classifier, in `local-dir:` folders."""


def _timm_row(name: str, arguments: dict[str, Any]) -> Layout:
    def write(folder: Path) -> tuple[str, None, None]:
        network = disturbed(timm.create_model(name, num_classes=3, **arguments))
        save(dict(network.state_dict()), folder / "model.safetensors")
        pixels = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
        config = {"architecture": name, "pretrained_cfg": pixels, "model_args": arguments}
        (folder / "config.json").write_text(json.dumps(config))
        return f"local-dir:{folder}", None, None

    return Layout(f"{name} (timm)", "local-dir: folder with classifier", write)


def transformers_cases() -> dict[str, tuple[Any, Any]]:
    """Model type -> a tiny configuration and the class that writes it."""
    import transformers as hf

    flat: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "image_size": 64, "patch_size": 16,
    }  # fmt: skip
    swin = {"image_size": 64, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
    stages = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
    pose = {
        "image_size": [64, 64],
        "patch_size": [16, 16],
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    decoder = {
        "decoder_hidden_size": 16,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 32,
    }
    det = flat | {"pretrain_image_size": 64, "window_size": 2, "window_block_indices": [0]}
    det.pop("intermediate_size")
    return {
        "ViT": (hf.ViTConfig(**flat), hf.ViTModel),
        "ViT with classifier": (hf.ViTConfig(**flat), hf.ViTForImageClassification),
        "ViTMAE": (hf.ViTMAEConfig(**flat, **decoder), hf.ViTMAEForPreTraining),
        "DeiT": (hf.DeiTConfig(**flat), hf.DeiTModel),
        "BEiT": (hf.BeitConfig(**flat), hf.BeitModel),
        "DINOv2": (hf.Dinov2Config(**flat), hf.Dinov2Model),
        "DINOv2 with registers": (
            hf.Dinov2WithRegistersConfig(**flat, num_register_tokens=3), hf.Dinov2WithRegistersModel,
        ),
        "DINOv3 ViT": (hf.DINOv3ViTConfig(**flat, num_register_tokens=3), hf.DINOv3ViTModel),
        "DINOv3 ConvNeXt": (hf.DINOv3ConvNextConfig(**stages, image_size=64), hf.DINOv3ConvNextModel),
        "SigLIP": (hf.SiglipVisionConfig(**flat), hf.SiglipVisionModel),
        "CLIP": (hf.CLIPVisionConfig(**flat), hf.CLIPVisionModel),
        "Swin": (hf.SwinConfig(**swin), hf.SwinModel),
        "Swin v2": (hf.Swinv2Config(**swin), hf.Swinv2Model),
        "ConvNeXt": (hf.ConvNextConfig(**stages), hf.ConvNextModel),
        "ConvNeXt v2": (hf.ConvNextV2Config(**stages), hf.ConvNextV2Model),
        "Hiera": (
            hf.HieraConfig(image_size=[64, 64], embed_dim=16, depths=[1, 1, 1], num_heads=[1, 2, 4], num_query_pool=2),
            hf.HieraModel,
        ),
        "PVT v2": (
            hf.PvtV2Config(
                image_size=64, hidden_sizes=[8, 16, 24, 32], depths=[1] * 4, num_attention_heads=[1, 2, 3, 4]
            ),
            hf.PvtV2Model,
        ),
        "ViTPose backbone": (hf.VitPoseBackboneConfig(**pose), hf.VitPoseBackbone),
        "ViTDet": (hf.VitDetConfig(**det), hf.VitDetModel),
        "Sapiens2": (
            hf.Sapiens2Config(**flat | {"num_hidden_layers": 4, "image_size": [64, 64]}), hf.Sapiens2Model
        ),
        "RADIO": (hf.RadioConfig(**flat, max_img_size=128), hf.RadioModel),
        "TIPSv2": (hf.Tipsv2VisionConfig(**flat), hf.Tipsv2VisionModel),
        "I-JEPA": (hf.IJepaConfig(**flat), hf.IJepaModel),
        "Pixio": (hf.PixioConfig(**flat, n_cls_tokens=3), hf.PixioModel),
        "FocalNet": (
            hf.FocalNetConfig(
                image_size=64, embed_dim=8, hidden_sizes=[8, 16, 24, 32], depths=[1] * 4, focal_levels=[1] * 4,
                focal_windows=[3] * 4,
            ),
            hf.FocalNetModel,
        ),
        "BiT": (
            hf.BitConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_groups=4), hf.BitModel
        ),
        "ResNet": (hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1] * 4), hf.ResNetModel),
    }  # fmt: skip


def _transformers_row(name: str, parts: bool = False) -> Layout:
    def write(folder: Path) -> tuple[str, None, Reference]:
        import transformers

        transformers.utils.logging.disable_progress_bar()
        config, model_class = transformers_cases()[name]
        network = disturbed(model_class(config))
        network.save_pretrained(folder, **({"max_shard_size": "20KB"} if parts else {}))
        return str(folder), None, _reference(network)

    layout = "folder, divided into several files" if parts else "folder of transformers"
    return Layout(f"{name} (transformers)", layout, write, {"mean": "imagenet", "std": "imagenet"})


def _reference(network: Any) -> Reference:
    def features(images: Tensor) -> Tensor:
        kind = type(network).__name__
        if kind == "ViTMAEForPreTraining":  # its own encoder shuffles the patches
            from transformers import ViTConfig, ViTModel

            plain_one = ViTModel(ViTConfig(**network.config.to_diff_dict()), add_pooling_layer=False).eval()
            plain_one.load_state_dict(network.vit.state_dict())
            return plain_one(images).last_hidden_state  # type: ignore[no-any-return]
        out = getattr(network, "vit", network)(images)
        last = out.feature_maps[-1] if hasattr(out, "feature_maps") else out.last_hidden_state
        return network.post_layernorm(last) if kind == "CLIPVisionModel" else last  # type: ignore[no-any-return]

    return features


def refused_models() -> Iterator[Layout]:
    """Networks of transformers that take no pictures."""

    def write(folder: Path) -> tuple[str, None, None]:
        import transformers as hf

        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        config = hf.Siglip2VisionConfig(num_patches=16, patch_size=16, **sizes)
        hf.Siglip2VisionModel(config).save_pretrained(folder)
        return str(folder), None, None

    yield Layout("SigLIP 2 NaFlex (transformers)", "folder of transformers", write, {}, "takes patches")


def layouts() -> list[Layout]:
    """All rows of the table."""
    rows = [*_plain_rows(), *_container_rows(), *_author_rows(), *people_rows()]
    rows += [_timm_row(name, arguments) for name, arguments in TIMM.items()]
    rows += [_transformers_row(name) for name in transformers_cases()]
    return [*rows, _transformers_row("ViT", parts=True), *refused_models()]


_PAGE = """# Layouts of checkpoints

Written by `python -m tools.layouts > docs/checkpoint-layouts.md`; a test holds the rows.

Every row is a tiny network with random weights, written by the library that has it or under the names of its authors,
and loaded as [backbones](backbones.md) says. The difference is the largest one of its features (map and class token) to
those of the library that wrote it. `refused` means one sentence that says what to give.

Of the 55 rows of transformers and of networks made for people, `python -m tools.eval_layouts` ran
`eval --suite mini --protocol head --datasets pa100k,cihp`, an iteration a dataset: 45 run, and the 10 that are refused
here are refused there, in the same sentence.
"""


def table() -> Iterator[str]:
    """The page in Markdown."""
    yield _PAGE
    yield "| family | layout | forward pass | difference | report |"
    yield "| --- | --- | --- | --- | --- |"
    for layout in layouts():
        done = outcome(layout)
        difference = "" if done.difference != done.difference else f"{done.difference:.0e}"
        line = done.line.replace("|", "\\|").replace("<", "&lt;")
        yield f"| {layout.family} | {layout.layout} | {done.route} | {difference} | {line} |"


if __name__ == "__main__":
    print("\n".join(table()))
