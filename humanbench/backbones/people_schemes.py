"""Naming schemes of networks that were made for people: ViTPose, Sapiens, SOLIDER, Hulk, PATH and UniHCP.

Sources of names, shapes and constants: ViTAE-Transformer/ViTPose (`vit.py`, `vit_moe.py`, `tools/model_split.py`, its
configurations), facebookresearch/sapiens (mmpretrain's `vision_transformer.py`, the configurations of pretraining and
pose), tinyvision/SOLIDER (`swin_transformer.py`), OpenGVLab/Hulk (`rgb_adapter.py`, `maskvit.py`), OpenGVLab/UniHCP and
OpenGVLab/HumanBench (`model_entry.py`, `vit.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isqrt
from typing import Any

import torch

from humanbench.backbones.translation import Tensors, Translation, aside, renamed, split

SOLIDER = "humanbench.backbones.solider:build"
"""The builder of SOLIDER's Swin."""

_PATCHES = "patch_embed.proj.weight"
_MM_PATCHES = "patch_embed.projection.weight"


def _prefix(names: Tensors, ending: str) -> str:
    """What stands before the first name that ends so."""
    return next(name for name in names if name.endswith(ending)).removesuffix(ending)


def path_dump(tensors: Tensors) -> Translation:
    """PATH's and UniHCP's training dumps: backbone, projector and head of one task.

    A class token of PATH has a position of its own; UniHCP has none.
    """
    inner, left = split(tensors, "backbone_module.", _part_of_dump)
    if "cls_token_pos_embed" in inner:
        inner["pos_embed"] = torch.cat([inner.pop("cls_token_pos_embed"), inner["pos_embed"]], dim=1)
    return Translation("PATH training dump", inner, left)


def _part_of_dump(key: str) -> str:
    if key.startswith(("neck_module.", "neck_")):
        return "projector of a pretraining task"
    if key.startswith(("adapter_", "proj_")):
        return "tokens of another modality"
    return "head of a pretraining dataset" if key.startswith("decoder_module.") else "not part of the backbone"


def hulk(tensors: Tensors) -> Translation:
    """Hulk's dump of one task: patches and positions are in the adapter of pictures, the blocks in the backbone.

    The embedding of the modality, the same for every patch, is added to the positions. Global tokens come after the
    patches and have no position: register tokens, for the order of tokens is nothing to attention.
    """
    inner, left = split(tensors, "backbone_module.", _part_of_dump)
    adapter, _ = split(tensors, "adapter_rgb.", str)
    for name in adapter:
        left.pop(f"adapter_rgb.{name}")
    kind, tokens = adapter.pop("type_embed.weight", None), inner.pop("global_tokens", None)
    arguments: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    inner |= {f"patch_embed.{name}" if name.startswith("proj.") else name: value for name, value in adapter.items()}
    if kind is not None:
        inner["pos_embed"] = inner["pos_embed"] + kind.reshape(1, 1, -1)
        notes = ("the embedding of the modality is added to the positions",)
    if tokens is not None and tokens.shape[1]:
        inner["reg_token"] = tokens
        arguments["no_embed_class"] = True
    return Translation("Hulk", inner, left, notes=notes, arguments=arguments)


_VITPOSE_HEADS = {384: 12, 768: 12, 1024: 16, 1280: 16}
"""Channels -> heads of ViTPose's networks; at 384 they are twice as many as elsewhere."""

_VITPOSE_DIFFERS = "its patches are cut from a picture that is padded by 2 pixels on every side"


def vitpose(tensors: Tensors) -> Translation:
    """ViTPose and ViTPose++, with their heads or without.

    There is no class token; its position, which the file still has, is added to those of the patches.
    """
    inner, left = split(tensors, _prefix(tensors, "last_norm.weight"), lambda key: "head of a pose dataset")
    inner = {re.sub(r"^last_norm\.", "norm.", name): value for name, value in inner.items()}
    width, _, patch, _ = inner[_PATCHES].shape
    arguments: dict[str, Any] = {"patch_padding": 2}
    if width in _VITPOSE_HEADS:
        arguments["num_heads"] = _VITPOSE_HEADS[width]
    positions = inner["pos_embed"]
    inner["pos_embed"] = positions[:, 1:] + positions[:, :1]
    cells = positions.shape[1] - 1
    side = isqrt(cells // 12)
    if cells == 12 * side**2:  # all of ViTPose's pictures are upright, 4:3
        arguments["img_size"] = (4 * side * patch, 3 * side * patch)
    experts = {name: inner.pop(name) for name in list(inner) if ".mlp.experts." in name}
    if experts and inner["blocks.0.mlp.fc2.weight"].shape[0] == width:  # ViTPose's own tool has put one into fc2
        left |= dict.fromkeys(experts, "experts of the other datasets; this file's own is in fc2")
        experts = {}
    return Translation(
        "ViTPose++" if experts else "ViTPose",
        inner,
        left,
        notes=("the position of the class token, which the network has not, is added to the others",),
        arguments=arguments,
        differs=_VITPOSE_DIFFERS,
        experts=experts,
    )


_MM_VIT = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^layers\.(\d+)\.ln1\.", r"blocks.\1.norm1."),
    (r"^layers\.(\d+)\.ln2\.", r"blocks.\1.norm2."),
    (r"^layers\.(\d+)\.attn\.(qkv|proj)\.", r"blocks.\1.attn.\2."),
    (r"^layers\.(\d+)\.attn\.gamma1\.weight$", r"blocks.\1.ls1.gamma"),
    (r"^layers\.(\d+)\.ffn\.layers\.0\.0\.", r"blocks.\1.mlp.fc1."),
    (r"^layers\.(\d+)\.ffn\.layers\.1\.", r"blocks.\1.mlp.fc2."),
    (r"^layers\.(\d+)\.ffn\.gamma2\.weight$", r"blocks.\1.ls2.gamma"),
    (r"^ln1\.", "norm."),
    (r"^(cls_token|pos_embed)$", r"\1"),
)
_SAPIENS_HEADS = {(1536, 40): 24, (1920, 48): 32}
"""Channels and depth -> heads of Sapiens 1B and 2B, where other networks of the size have others."""


def mm_vit(tensors: Tensors) -> Translation:
    """mmpretrain's vision transformer: Sapiens, and what was finetuned from it."""
    inner, left = split(tensors, _prefix(tensors, _MM_PATCHES), _part_of_mm)
    known, rest = renamed(inner, _MM_VIT)
    reasons = {name: aside(name) or ("norm after the pooling" if name.startswith("ln2.") else None) for name in rest}
    left |= {name: reason for name, reason in reasons.items() if reason is not None}
    depth = 1 + max(int(name.split(".")[1]) for name in known if name.startswith("blocks."))
    size = (known[_PATCHES].shape[0], depth)
    questions = {
        "patch_padding": "without a class token it may be one of Sapiens' finetuned networks, whose pictures are "
        "padded by 2 pixels before the patches are cut, which no tensor says: give 2 for those and 0 for others"
    }
    return Translation(
        "mmpretrain (Sapiens)",
        known,
        left,
        unknown=tuple(name for name, reason in reasons.items() if reason is None),
        arguments={"num_heads": _SAPIENS_HEADS[size]} if size in _SAPIENS_HEADS else {},
        questions={} if "cls_token" in known else questions,
    )


def _part_of_mm(key: str) -> str:
    return "decoder of the masked pretraining" if key.startswith("neck.") else "head of a dataset"


_MM_SWIN = (
    (r"^patch_embed\.projection\.", "patch_embed.proj."),
    (r"^patch_embed\.norm\.", "patch_embed.norm."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.", r"layers.\1.blocks.\2.attn."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.ffn\.layers\.0\.0\.", r"layers.\1.blocks.\2.mlp.fc1."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.ffn\.layers\.1\.", r"layers.\1.blocks.\2.mlp.fc2."),
    (r"^stages\.(\d+)\.blocks\.(\d+)\.norm", r"layers.\1.blocks.\2.norm"),
    (r"^stages\.(\d+)\.downsample\.", r"layers.\1.downsample."),
    (r"^(semantic_embed_[wb]\.)", r"\1"),
)


def solider(tensors: Tensors) -> Translation:
    """SOLIDER's Swin, under mmcv's names, with the layers that its semantic weight goes through.

    timm counts the merging of patches to the stage after it, and has the four patches of a merged one in another
    order. Only the last of the norms that follow the stages is used: timm's features are those of one norm.
    """
    inner, left = split(tensors, _prefix(tensors, _MM_PATCHES), _part_of_mm)
    known, rest = renamed(inner, _MM_SWIN)
    stages = 1 + max(int(name.split(".")[1]) for name in known if name.startswith("layers."))
    moved: Tensors = {}
    for name, value in known.items():
        words = name.split(".")
        if words[2:3] == ["downsample"]:
            # the channels of a merged patch are C, row, column; timm has column, row, C
            merged = value.reshape(*value.shape[:-1], -1, 2, 2).transpose(-3, -1).flatten(-3)
            moved[".".join(["layers", str(int(words[1]) + 1), *words[2:]])] = merged
        else:
            moved[name] = value
    for name in list(rest):
        if name.startswith(f"norm{stages - 1}."):
            moved[f"norm.{name.rpartition('.')[2]}"] = rest.pop(name)
        elif re.match(r"norm\d\.", name):
            left[name] = "norm of a finer level"
            del rest[name]
    tables = [moved[f"layers.{stage}.blocks.0.attn.relative_position_bias_table"] for stage in range(stages)]
    blocks = [{n.split(".")[3] for n in moved if n.startswith(f"layers.{stage}.blocks.")} for stage in range(stages)]
    width = moved[_PATCHES].shape[0]
    return Translation(
        "SOLIDER",
        moved,
        left,
        unknown=tuple(rest),
        arguments={
            "embed_dim": width,
            "patch_size": moved[_PATCHES].shape[-1],
            "depths": tuple(len(names) for names in blocks),
            "num_heads": tuple(table.shape[1] for table in tables),
            "window_size": (isqrt(tables[0].shape[0]) + 1) // 2,
            "mlp_ratio": moved["layers.0.blocks.0.mlp.fc1.weight"].shape[0] / width,
        },
        builder=SOLIDER,
        differs="a semantic weight goes into every merging of patches, and windows are padded before they shift",
    )


PEOPLE_SCHEMES: tuple[tuple[Callable[[Tensors], bool], Callable[[Tensors], Translation]], ...] = (
    (lambda names: "adapter_rgb.proj.weight" in names and "backbone_module.blocks.0.norm1.weight" in names, hulk),
    (lambda names: any(name.startswith("backbone_module.") for name in names), path_dump),
    (lambda names: _has(names, "last_norm.weight", "blocks.0.attn.qkv.weight", "pos_embed", _PATCHES), vitpose),
    (lambda names: _has(names, _MM_PATCHES, "layers.0.ln1.weight", "layers.0.attn.qkv.weight"), mm_vit),
    (lambda names: _has(names, _MM_PATCHES, "stages.0.blocks.0.attn.w_msa.qkv.weight"), solider),
)
"""Whether the names are of a scheme, and its translation; the first that fits is taken."""


def _has(names: Tensors, first: str, *others: str) -> bool:
    """Whether there is a name that ends so, alone or after a dot, and the others stand beside it."""
    stems = [name.removesuffix(first) for name in names if name.endswith(first)]
    return any((not stem or stem.endswith(".")) and all(f"{stem}{o}" in names for o in others) for stem in stems)
