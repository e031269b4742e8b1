"""Naming schemes of checkpoints, recognised from their keys and translated to timm's names.

Sources of the tables: timm 1.0's `vision_transformer.py`; facebookresearch/mae; openai/CLIP and open_clip (the same
keys); transformers' `CLIPVisionModel`; OpenGVLab/HumanBench (its training dumps and its conversion scripts).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from humanbench.errors import BackboneError

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Translation:
    """Tensors under timm's names, what was set aside and why, and whether the CLIP variant is meant."""

    scheme: str
    tensors: Tensors
    left_over: dict[str, str] = field(default_factory=dict)
    clip: bool = False
    notes: tuple[str, ...] = ()


_ASIDE = (
    (r"(.*\.)?decoder_|mask_token$", "decoder of the masked pretraining"),
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
    for recognise, convert in _SCHEMES:
        if any(recognise(key) for key in plain):
            return convert(plain)
    return _timm(plain)


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
    for key, value in inner.items():
        new = next((re.sub(pattern, to, key) for pattern, to in table if re.search(pattern, key)), None)
        if new is None:
            left[f"{prefix}{key}"] = _clip_reason(key)
        else:
            renamed[new] = value.float()  # OpenAI stores half precision
    if "cls_token" in renamed:
        renamed["cls_token"] = renamed["cls_token"].reshape(1, 1, -1)
    if "pos_embed" in renamed:
        renamed["pos_embed"] = (
            renamed["pos_embed"].unsqueeze(0) if renamed["pos_embed"].ndim == 2 else (renamed["pos_embed"])
        )
    return Translation(scheme, renamed, left, clip=True)


def _clip_reason(key: str) -> str:
    if key in ("proj", "visual_projection.weight"):
        return "projection into the joint space"
    return "index buffer" if key.endswith("position_ids") else "not a name of CLIP's vision transformer"


def _timm(tensors: Tensors) -> Translation:
    """timm's own names, with or without a wrapper's prefix: also MAE, DINO, DeiT and PATH's converted files."""
    stems = [key for key in tensors if key.endswith("patch_embed.proj.weight")]
    prefix = stems[0].removesuffix("patch_embed.proj.weight") if len(stems) == 1 else ""
    inner, left = _split(tensors, prefix, lambda _: f"outside {prefix or 'the backbone'}")
    scheme = "MAE" if any(key.startswith("decoder_blocks.") for key in inner) else "timm"
    notes: tuple[str, ...] = ()
    if "cls_token" in inner and "pos_embed" in inner and is_square(inner["pos_embed"].shape[1]):
        scheme = "PATH converted, without class token"
        notes = ("cls_token has no position in pos_embed: it is the untrained one that the conversion copied",)
    return Translation(scheme, inner, left, notes=notes)


def is_square(count: int) -> bool:
    """Whether a number of positions is a square grid (so there is none for a class token)."""
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
            found, wanted = "x".join(map(str, value.shape)), "x".join(map(str, reference[name].shape))
            raise BackboneError(f"{source}: {key} is {found} where {name} of its architecture is {wanted}")
    return {name: value for name, (_, value) in zip(names, given, strict=True)}
