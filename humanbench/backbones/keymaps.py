"""Naming schemes of checkpoints, recognised from their keys and translated to timm's names.

Sources of the tables: timm 1.0's `vision_transformer.py`; facebookresearch/mae; openai/CLIP and open_clip (the same
keys); transformers' `CLIPVisionModel`. Those of networks for people are in `people_schemes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from humanbench.backbones.build import timm_reference
from humanbench.backbones.cards import Weights
from humanbench.backbones.people_schemes import PEOPLE_SCHEMES
from humanbench.backbones.translation import Tensors, Translation, changes_features, renamed, split
from humanbench.errors import BackboneError

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
    convert = next((convert for recognise, convert in _SCHEMES if recognise(plain)), _timm)
    return replace(convert(plain), raw=plain)


def _openai_clip(tensors: Tensors) -> Translation:
    """OpenAI's and open_clip's CLIP: the visual tower under `visual.`, or alone."""
    prefix = "visual." if "visual.conv1.weight" in tensors else ""
    inner, left = split(tensors, prefix, lambda _: "text tower of CLIP")
    return _clip("OpenAI / open_clip CLIP", inner, left, _OPENAI, prefix)


def _hugging_face_clip(tensors: Tensors) -> Translation:
    """Hugging Face's CLIP: `vision_model.` or the bare vision model; query, key and value are merged."""
    prefix = "vision_model." if any(key.startswith("vision_model.") for key in tensors) else ""
    inner, left = split(
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
    known, rest = renamed(inner, table)
    known = {name: value.float() if value.dtype in _HALF else value for name, value in known.items()}
    reasons = {f"{prefix}{key}": _clip_reason(key) for key in rest}
    left |= {key: reason for key, reason in reasons.items() if reason is not None}
    if "cls_token" in known:
        known["cls_token"] = known["cls_token"].reshape(1, 1, -1)
    if "pos_embed" in known and known["pos_embed"].ndim == 2:
        known["pos_embed"] = known["pos_embed"].unsqueeze(0)
    notes: tuple[str, ...] = ()
    patches, bias = known.get("patch_embed.proj.weight"), "patch_embed.proj.bias"
    if patches is not None and bias not in known and "norm_pre.weight" not in known:  # timm's has one without that norm
        known[bias], notes = patches.new_zeros(len(patches)), ("the patches have no bias: it is zero",)
    unknown = tuple(key for key, reason in reasons.items() if reason is None)
    return Translation(scheme, known, left, clip=True, unknown=unknown, notes=notes)


_HALF = (torch.float16, torch.bfloat16)
"""What OpenAI stores; any other type is checked as it is."""


def _clip_reason(key: str) -> str | None:
    """Why a name of the tower is not needed; None for one that CLIP's vision transformer does not have."""
    if key in ("proj", "visual_projection.weight"):
        return "projection into the joint space"
    return "index buffer" if key.endswith("position_ids") else None


def _timm(tensors: Tensors) -> Translation:
    """timm's own names, with or without a wrapper's prefix: also MAE, DINO, DINOv2, DeiT and PATH's converted files."""
    stems = [key for key in tensors if key.endswith("patch_embed.proj.weight")]
    prefix = stems[0].removesuffix("patch_embed.proj.weight") if len(stems) == 1 else ""
    inner, left = split(tensors, prefix, lambda _: f"outside {prefix or 'the backbone'}")
    unknown = tuple(key for key in left if changes_features(key))
    left = {key: reason for key, reason in left.items() if key not in unknown}
    if "register_tokens" in inner or any(".mlp.w12." in key for key in inner):
        return replace(_dinov2(inner, left), unknown=unknown)
    scheme = "MAE" if any(key.startswith("decoder_blocks.") for key in inner) else "timm"
    return Translation(scheme, inner, left, unknown=unknown)


def _dinov2(inner: Tensors, left: dict[str, str]) -> Translation:
    """DINOv2's own names: registers, of which none has a position, and the packed perceptron of its largest network.

    timm's network with registers adds positions to the patches alone, so the class token's is added to it here.
    """
    known = {key.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."): v for key, v in inner.items()}
    notes: tuple[str, ...] = ()
    if "register_tokens" in known and "cls_token" in known and "pos_embed" in known:
        positions = known["pos_embed"]
        known["reg_token"] = known.pop("register_tokens")
        known["cls_token"] = known["cls_token"] + positions[:, :1]
        known["pos_embed"] = positions[:, 1:]
        notes = ("the position of the class token is added to it, as timm's network with registers has it",)
    return Translation("DINOv2", known, left, notes=notes)


_SCHEMES: tuple[tuple[Callable[[Tensors], bool], Callable[[Tensors], Translation]], ...] = (
    *PEOPLE_SCHEMES,
    (lambda names: "visual.conv1.weight" in names or "class_embedding" in names, _openai_clip),
    (lambda names: any(name.endswith("embeddings.class_embedding") for name in names), _hugging_face_clip),
)


def by_order(tensors: Tensors, network: str, place: Weights, source: str) -> Tensors:
    """Tensors of another naming under timm's names for a network, matched one by one in order, every shape checked.

    Only for files that a card names and hashes: order says nothing about an unknown file.
    """
    meant = ((k, v) for k, v in tensors.items() if k.startswith(place.prefix))
    given = [(k, v) for k, v in meant if not any(word in k for word in place.skip)]
    reference = timm_reference(network, len(given))
    names = list(reference)
    if len(given) != len(names):
        raise BackboneError(f"{source}: holds {len(given)} tensors where its architecture has {len(names)}")
    for (key, value), name in zip(given, names, strict=True):
        if value.shape != reference[name].shape:
            here, there = "x".join(map(str, value.shape)), "x".join(map(str, reference[name].shape))
            raise BackboneError(f"{source}: {key} is {here} where {name} of its architecture is {there}")
    return {name: value for name, (_, value) in zip(names, given, strict=True)}
