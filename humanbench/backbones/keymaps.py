"""Naming schemes of checkpoints, recognised from their keys and translated to timm's names.

Sources of the tables: timm 1.0's `vision_transformer.py`; facebookresearch/mae; openai/CLIP and open_clip (the same
keys); transformers' `CLIPVisionModel`; OpenGVLab/HumanBench (its training dumps and its conversion scripts).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from humanbench.errors import BackboneError

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Translation:
    """Tensors under the names of timm's plain transformer, and what was set aside and why.

    `clip`: whether CLIP's variant of the network is meant. `unknown`: names inside the network that the scheme has no
    place for: a network that is not what its names look like. `raw`: all tensors under the file's own names, for the
    conversions that timm has for other networks.
    """

    scheme: str
    tensors: Tensors
    left_over: dict[str, str] = field(default_factory=dict)
    clip: bool = False
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    raw: Tensors = field(default_factory=dict)


_ASIDE = (
    (r"(.*\.)?(decoder_|mask_token$)", "decoder of the masked pretraining"),
    (r"(head|head_dist|fc|_fc|classifier|last_linear|pre_logits|head\.fc|head\.l)\.", "classifier"),
    (r"(dino_head|ibot_head|projection_head|projector|predictor)\.", "head of the self-supervised pretraining"),
    (r"attn_pool\.", "pooling before the classifier"),
    (r"(optimizer|ema|loss)\b", "state of the training"),
)
"""Patterns of names (from the start) that no feature extractor needs -> what they are."""

_OPENAI = (
    (r"^conv1\.weight$", "patch_embed.proj.weight"),
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"^transformer\.resblocks\.(\d+)\.ln_1\.", r"blocks.\1.norm1."),
    (r"^transformer\.resblocks\.(\d+)\.ln_2\.", r"blocks.\1.norm2."),
    (r"^transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)$", r"blocks.\1.attn.qkv.\2"),
    (r"^transformer\.resblocks\.(\d+)\.attn\.out_proj\.", r"blocks.\1.attn.proj."),
    (r"^transformer\.resblocks\.(\d+)\.mlp\.c_fc\.", r"blocks.\1.mlp.fc1."),
    (r"^transformer\.resblocks\.(\d+)\.mlp\.c_proj\.", r"blocks.\1.mlp.fc2."),
)

_HUGGING_FACE = (
    (r"^embeddings\.patch_embedding\.weight$", "patch_embed.proj.weight"),
    (r"^embeddings\.class_embedding$", "cls_token"),
    (r"^embeddings\.position_embedding\.weight$", "pos_embed"),
    (r"^pre_layrnorm\.", "norm_pre."),  # the name is misspelt at its source
    (r"^post_layernorm\.", "norm."),
    (r"^encoder\.layers\.(\d+)\.layer_norm1\.", r"blocks.\1.norm1."),
    (r"^encoder\.layers\.(\d+)\.layer_norm2\.", r"blocks.\1.norm2."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.out_proj\.", r"blocks.\1.attn.proj."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.qkv\.", r"blocks.\1.attn.qkv."),
    (r"^encoder\.layers\.(\d+)\.mlp\.(fc[12])\.", r"blocks.\1.mlp.\2."),
)


def translate(tensors: Tensors) -> Translation:
    """The tensors under timm's names; the scheme is told from the keys alone."""
    plain = {key.removeprefix("module."): value for key, value in tensors.items()}
    convert = next((convert for recognise, convert in _SCHEMES if any(map(recognise, plain))), _timm)
    return replace(convert(plain), raw=plain)


def aside(name: str) -> str | None:
    """Why a name is known not to belong to a feature extractor; None when it is not known."""
    return next((reason for pattern, reason in _ASIDE if re.match(pattern, name)), None)


def _path_dump(tensors: Tensors) -> Translation:
    """PATH's training dump: backbone, projector and head of one task; the class token has a position of its own."""
    inner, left = _split(tensors, "backbone_module.", _path_reason)
    if "cls_token_pos_embed" in inner:
        inner["pos_embed"] = torch.cat([inner.pop("cls_token_pos_embed"), inner["pos_embed"]], dim=1)
    return Translation("PATH training dump", inner, left)


def _path_reason(key: str) -> str:
    if key.startswith("neck_module."):
        return "projector of a pretraining task"
    return "head of a pretraining dataset" if key.startswith("decoder_module.") else "not part of the backbone"


def _openai_clip(tensors: Tensors) -> Translation:
    """OpenAI's and open_clip's CLIP: the visual tower under `visual.`, or alone."""
    prefix = "visual." if "visual.conv1.weight" in tensors else ""
    inner, left = _split(tensors, prefix, lambda _: "text tower of CLIP")
    return _clip("OpenAI / open_clip CLIP", inner, left, _OPENAI, prefix)


def _hugging_face_clip(tensors: Tensors) -> Translation:
    """Hugging Face's CLIP: `vision_model.` or the bare vision model; query, key and value are merged."""
    prefix = "vision_model." if any(key.startswith("vision_model.") for key in tensors) else ""
    inner, left = _split(
        tensors, prefix, lambda key: "projection into the joint space" if "projection" in key else "text tower of CLIP"
    )
    for key in [k for k in inner if ".self_attn.q_proj." in k]:
        parts = [key.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        if all(part in inner for part in parts):
            inner[key.replace(".q_proj.", ".qkv.")] = torch.cat([inner.pop(part) for part in parts])
    return _clip("Hugging Face CLIP", inner, left, _HUGGING_FACE, prefix)


def _clip(
    scheme: str, inner: Tensors, left: dict[str, str], table: tuple[tuple[str, str], ...], prefix: str
) -> Translation:
    renamed: Tensors = {}
    unknown = []
    for key, value in inner.items():
        new = next((re.sub(pattern, to, key) for pattern, to in table if re.search(pattern, key)), None)
        if new is not None:
            renamed[new] = value.float()  # OpenAI stores half precision
        elif (reason := _clip_reason(key)) is not None:
            left[f"{prefix}{key}"] = reason
        else:
            unknown.append(f"{prefix}{key}")
    if "cls_token" in renamed:
        renamed["cls_token"] = renamed["cls_token"].reshape(1, 1, -1)
    if "pos_embed" in renamed:
        renamed["pos_embed"] = (
            renamed["pos_embed"].unsqueeze(0) if renamed["pos_embed"].ndim == 2 else (renamed["pos_embed"])
        )
    return Translation(scheme, renamed, left, clip=True, unknown=tuple(unknown))


def _clip_reason(key: str) -> str | None:
    """Why a name of the tower is not needed; None for one that CLIP's vision transformer does not have."""
    if key in ("proj", "visual_projection.weight"):
        return "projection into the joint space"
    return "index buffer" if key.endswith("position_ids") else None


def _timm(tensors: Tensors) -> Translation:
    """timm's own names, with or without a wrapper's prefix: also MAE, DINO, DINOv2, DeiT and PATH's converted files."""
    stems = [key for key in tensors if key.endswith("patch_embed.proj.weight")]
    prefix = stems[0].removesuffix("patch_embed.proj.weight") if len(stems) == 1 else ""
    inner, left = _split(tensors, prefix, lambda _: f"outside {prefix or 'the backbone'}")
    if "register_tokens" in inner or any(".mlp.w12." in key for key in inner):
        return _dinov2(inner, left)
    scheme = "MAE" if any(key.startswith("decoder_blocks.") for key in inner) else "timm"
    return Translation(scheme, inner, left)


def _dinov2(inner: Tensors, left: dict[str, str]) -> Translation:
    """DINOv2's own names: registers, of which none has a position, and the packed perceptron of its largest network.

    timm's network with registers adds positions to the patches alone, so the class token's is added to it here.
    """
    renamed = {key.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."): v for key, v in inner.items()}
    notes: tuple[str, ...] = ()
    if "register_tokens" in renamed and "cls_token" in renamed and "pos_embed" in renamed:
        positions = renamed["pos_embed"]
        renamed["reg_token"] = renamed.pop("register_tokens")
        renamed["cls_token"] = renamed["cls_token"] + positions[:, :1]
        renamed["pos_embed"] = positions[:, 1:]
        notes = ("the position of the class token is added to it, as timm's network with registers has it",)
    return Translation("DINOv2", renamed, left, notes=notes)


def is_square(count: int) -> bool:
    """Whether a number of positions is a square grid."""
    return math.isqrt(count) ** 2 == count


def _split(tensors: Tensors, prefix: str, reason: Callable[[str], str]) -> tuple[Tensors, dict[str, str]]:
    """Tensors under the prefix, without it, and reasons for the others."""
    inner = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return inner, {k: aside(k) or reason(k) for k in tensors if not k.startswith(prefix)}


_SCHEMES: tuple[tuple[Callable[[str], bool], Callable[[Tensors], Translation]], ...] = (
    (lambda key: key.startswith("backbone_module."), _path_dump),
    (lambda key: key in ("visual.conv1.weight", "class_embedding"), _openai_clip),
    (lambda key: key.endswith("embeddings.class_embedding"), _hugging_face_clip),
)


def by_order(tensors: Tensors, reference: Tensors, prefix: str, skip: tuple[str, ...], source: str) -> Tensors:
    """Tensors of another naming under the names of `reference`, matched one by one in order, every shape checked.

    Only for files that a card names and hashes: order says nothing about an unknown file.
    """
    given = [(k, v) for k, v in tensors.items() if k.startswith(prefix) and not any(s in k for s in skip)]
    names = list(reference)
    if len(given) != len(names):
        raise BackboneError(f"{source}: holds {len(given)} tensors where its architecture has {len(names)}")
    for (key, value), name in zip(given, names, strict=True):
        if value.shape != reference[name].shape:
            here, there = "x".join(map(str, value.shape)), "x".join(map(str, reference[name].shape))
            raise BackboneError(f"{source}: {key} is {here} where {name} of its architecture is {there}")
    return {name: value for name, (_, value) in zip(names, given, strict=True)}
