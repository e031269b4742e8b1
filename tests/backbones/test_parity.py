"""Features through `load_backbone` against outputs of the released code.

The reference files hold weights under the official names and the outputs of OpenGVLab/HumanBench's PATH backbone,
facebookresearch/mae and openai/CLIP (random weights, small networks, float32 on a CPU).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from humanbench import load_backbone
from tests.backbones.tiny import run
from tests.parity import error, normalised
from tests.samples import PARITY, needs_parity

CLOSE = 1e-5
SIZES = {"patch_size": 16, "img_size": 64, "embed_dim": 64}
PATH = {**SIZES, "depth": 4, "num_heads": 4}
MAE = {**SIZES, "depth": 3, "num_heads": 4}
CLIP = {**SIZES, "depth": 3, "num_heads": 2}


@needs_parity
@pytest.mark.parametrize("case", ["square", "rect", "pad"])
@torch.no_grad()
def test_path_backbone_and_intermediates(case: str) -> None:
    io = load_file(PARITY / "path_tiny_nocls_io.safetensors")
    backbone = load_backbone("vit", PARITY / "path_tiny_nocls_weights.safetensors", **PATH)
    images = normalised(io[f"{case}.image"])
    features, tokens = backbone(images), backbone.intermediates(images)
    assert features.class_token is None
    assert error(features.map, io[f"{case}.plain"]) < CLOSE
    assert error(features.tokens, io[f"{case}.plain"].flatten(2).transpose(1, 2)) < CLOSE
    assert len(tokens) == 4
    for block in range(3):  # the released list starts with the embeddings and leaves the last block out
        assert error(tokens[block], io[f"{case}.mid{block + 1}"]) < CLOSE


@needs_parity
@pytest.mark.parametrize("case", ["square", "rect", "pad"])
@torch.no_grad()
def test_path_with_class_token(case: str, tmp_path: Path) -> None:
    """The released class adds a position of its own to the class token: checked against the written-out transformer,
    which `test_written_out_transformer` holds against the released outputs."""
    io = load_file(PARITY / "path_tiny_nocls_io.safetensors")
    dump = load_file(PARITY / "path_tiny_nocls_weights.safetensors")
    draw = torch.Generator().manual_seed(5)
    for name in ("cls_token", "cls_token_pos_embed"):
        dump[f"backbone_module.{name}"] = torch.randn(1, 1, 64, generator=draw)
    save_file(dump, tmp_path / "cls.safetensors")
    backbone = load_backbone("vit", tmp_path / "cls.safetensors", **PATH, class_token=True)
    weights = {k.removeprefix("backbone_module."): v for k, v in dump.items() if k.startswith("backbone_module.")}
    weights["pos_embed"] = torch.cat([weights.pop("cls_token_pos_embed"), weights["pos_embed"]], dim=1)
    *blocks, normed = run(weights, io[f"{case}.normalized_padded_image"], heads=4)
    features, tokens = (
        backbone(normalised(io[f"{case}.image"])),
        backbone.intermediates(normalised(io[f"{case}.image"])),
    )
    assert features.class_token is not None
    assert error(features.class_token, normed[:, 0]) < CLOSE
    assert error(features.tokens, normed[:, 1:]) < CLOSE
    assert all(error(a, b) < CLOSE for a, b in zip(tokens, blocks, strict=True))


@needs_parity
@torch.no_grad()
def test_written_out_transformer() -> None:
    io = load_file(PARITY / "path_tiny_nocls_io.safetensors")
    dump = load_file(PARITY / "path_tiny_nocls_weights.safetensors")
    weights = {k.removeprefix("backbone_module."): v for k, v in dump.items() if k.startswith("backbone_module.")}
    for case in ("square", "rect", "pad"):
        *blocks, normed = run(weights, io[f"{case}.normalized_padded_image"], heads=4)
        assert error(normed, io[f"{case}.plain"].flatten(2).transpose(1, 2)) < CLOSE
        assert all(error(blocks[i], io[f"{case}.mid{i + 1}"]) < CLOSE for i in range(3))


@needs_parity
@torch.no_grad()
def test_mae_with_its_norm() -> None:
    io = load_file(PARITY / "mae_tiny_io.safetensors")
    backbone = load_backbone("vit", PARITY / "mae_tiny_weights.safetensors", **MAE, class_token=True)
    features, tokens = backbone(io["image_normalized"]), backbone.intermediates(io["image_normalized"])
    assert features.class_token is not None
    assert error(torch.cat([features.class_token[:, None], features.tokens], 1), io["norm"]) < CLOSE
    assert all(error(tokens[i], io[f"block{i}"]) < CLOSE for i in range(3))
    assert backbone.report is not None
    assert set(backbone.report.left_over.values()) == {"decoder of the masked pretraining"}
    assert len(backbone.report.left_over) == 20


@needs_parity
@pytest.mark.parametrize("naming", ["openai", "hugging face", "bare hugging face"])
@torch.no_grad()
def test_clip_per_block(naming: str, tmp_path: Path) -> None:
    io = load_file(PARITY / "clip_tiny_io.safetensors")
    tensors = load_file(PARITY / "clip_openai_tiny_weights.safetensors")
    if naming != "openai":
        tensors = _hugging_face(tensors, "" if naming.startswith("bare") else "vision_model.")
    save_file(tensors, tmp_path / "clip.safetensors")
    backbone = load_backbone("vit", tmp_path / "clip.safetensors", **CLIP, class_token=True, act_layer="quick_gelu")
    features, tokens = backbone(io["image_normalized"]), backbone.intermediates(io["image_normalized"])
    assert features.class_token is not None
    every = torch.cat([features.class_token[:, None], features.tokens], dim=1)
    assert error(every, io["ln_post_all_tokens"]) < CLOSE
    assert all(error(tokens[i], io[f"block{i}"]) < CLOSE for i in range(3))
    assert backbone.preprocessing.mean[0] == 0.48145466


@needs_parity
def test_sizes_are_told_from_the_checkpoint() -> None:
    """Only the number of heads cannot be seen in the shapes."""
    backbone = load_backbone(str(PARITY / "path_tiny_nocls_weights.safetensors"), num_heads=4, act_layer="gelu")
    assert (backbone.width, backbone.stride, len(backbone.layer_groups)) == (64, 16, 6)
    assert backbone.preprocessing.input_size == (64, 64)


def _hugging_face(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """OpenAI's tensors under the names of transformers' CLIPVisionModel (method notes' table, read backwards)."""
    renamed: dict[str, Tensor] = {}
    simple = {
        "conv1.weight": "embeddings.patch_embedding.weight",
        "class_embedding": "embeddings.class_embedding",
        "positional_embedding": "embeddings.position_embedding.weight",
    }
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for key, value in tensors.items():
        name = key.removeprefix("visual.")
        if name == "proj":
            renamed["visual_projection.weight"] = value.T.contiguous()
        elif name in simple:
            renamed[prefix + simple[name]] = value
        elif name.startswith("ln_"):
            renamed[prefix + name.replace("ln_pre", "pre_layrnorm").replace("ln_post", "post_layernorm")] = value
        else:
            _, _, index, rest = name.split(".", 3)
            stem = f"{prefix}encoder.layers.{index}"
            if rest.startswith("attn.in_proj_"):
                for letter, third in zip("qkv", value.chunk(3), strict=True):
                    renamed[f"{stem}.self_attn.{letter}_proj.{rest.removeprefix('attn.in_proj_')}"] = third.clone()
            else:
                for old, new in {**parts, "attn.out_proj": "self_attn.out_proj"}.items():
                    rest = rest.replace(old, new)
                renamed[f"{stem}.{rest}"] = value
    return renamed
