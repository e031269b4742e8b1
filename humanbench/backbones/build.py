"""Networks without weights: plain transformers of any size, and whatever timm has by name."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any, Literal

import timm
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from timm.layers import QuickGELU
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from humanbench.errors import BackboneError
from humanbench.text import nearest

Size = int | tuple[int, int]

PLAIN = "humanbench.backbones.build:plain"
"""The builder of plain transformers."""


class PlainArchitecture(BaseModel):
    """Keywords of `vit`, the plain transformer. What is left out comes from the checkpoint, else from ViT-B/16.

    `img_size` is what the position embedding is made for (an int or height, width); `num_heads` defaults to one per
    64 channels; `class_token` to True without a checkpoint. `norm_eps`, `act_layer` and `pre_norm` default to those of
    MAE (1e-6, gelu, False), or of CLIP (1e-5, quick_gelu, True) when the checkpoint has CLIP's naming.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    embed_dim: int = Field(default=768, ge=1)
    depth: int = Field(default=12, ge=1)
    num_heads: int | None = Field(default=None, ge=1)
    patch_size: int = Field(default=16, ge=1)
    img_size: Size = 224
    class_token: bool = True
    reg_tokens: int = Field(default=0, ge=0)
    mlp_ratio: float = Field(default=4.0, gt=0)
    qkv_bias: bool = True
    init_values: float | None = None
    pre_norm: bool = False
    act_layer: Literal["gelu", "quick_gelu"] = "gelu"
    norm_eps: float = Field(default=1e-6, gt=0)


def plain_architecture(keywords: dict[str, Any]) -> PlainArchitecture:
    """The checked keywords; an unknown or impossible one is a `BackboneError`."""
    try:
        chosen = PlainArchitecture.model_validate(keywords)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "architecture"
        hint = nearest(key, list(PlainArchitecture.model_fields)) if first["type"] == "extra_forbidden" else ""
        raise BackboneError(f"vit: {key}={keywords.get(key)!r}: {first['msg']}{hint}") from error
    heads = chosen.num_heads or max(chosen.embed_dim // 64, 1)
    if chosen.embed_dim % heads:
        raise BackboneError(f"vit: embed_dim={chosen.embed_dim} is no multiple of num_heads={heads}")
    return chosen.model_copy(update={"num_heads": heads})


def build_plain(chosen: PlainArchitecture) -> VisionTransformer:
    """A plain transformer without classifier and pooling."""
    return VisionTransformer(
        img_size=chosen.img_size,
        patch_size=chosen.patch_size,
        num_classes=0,
        global_pool="",
        embed_dim=chosen.embed_dim,
        depth=chosen.depth,
        num_heads=chosen.num_heads or 1,
        mlp_ratio=chosen.mlp_ratio,
        qkv_bias=chosen.qkv_bias,
        init_values=chosen.init_values,
        class_token=chosen.class_token,
        reg_tokens=chosen.reg_tokens,
        pre_norm=chosen.pre_norm,
        act_layer=QuickGELU if chosen.act_layer == "quick_gelu" else nn.GELU,
        norm_layer=partial(nn.LayerNorm, eps=chosen.norm_eps),
    )


def plain(**keywords: Any) -> VisionTransformer:
    """A plain transformer by `PlainArchitecture`'s keywords, for the `builder` of a card."""
    if isinstance(keywords.get("img_size"), list):
        keywords["img_size"] = tuple(keywords["img_size"])
    return build_plain(plain_architecture(keywords))


def infer_plain(tensors: dict[str, Tensor], clip: bool) -> dict[str, Any]:
    """Keywords of the plain transformer that tensors under timm's names belong to; empty when they are none."""
    patches, first = tensors.get("patch_embed.proj.weight"), tensors.get("blocks.0.attn.qkv.weight")
    if patches is None or first is None or patches.ndim != 4:
        return {}
    width, _, patch, _ = patches.shape
    registers = tensors["reg_token"].shape[1] if "reg_token" in tensors else 0
    found: dict[str, Any] = {
        "embed_dim": width,
        "depth": 1 + max(int(n.split(".")[1]) for n in tensors if n.startswith("blocks.")),
        "patch_size": patch,
        "qkv_bias": "blocks.0.attn.qkv.bias" in tensors,
        "reg_tokens": registers,
        "pre_norm": "norm_pre.weight" in tensors,
    }
    if "blocks.0.mlp.fc1.weight" in tensors:
        found["mlp_ratio"] = tensors["blocks.0.mlp.fc1.weight"].shape[0] / width
    if "blocks.0.ls1.gamma" in tensors:
        found["init_values"] = 1e-5
    if clip:
        found |= {"act_layer": "quick_gelu", "norm_eps": 1e-5, "pre_norm": True}
    return found | _infer_positions(tensors, patch, registers)


def _infer_positions(tensors: dict[str, Tensor], patch: int, registers: int) -> dict[str, Any]:
    """Whether there is a class token, and the image size of a square grid."""
    if "pos_embed" not in tensors:
        return {}
    count = tensors["pos_embed"].shape[1]
    has_class = "cls_token" in tensors and round(count**0.5) ** 2 != count
    side = round((count - (1 + registers if has_class else 0)) ** 0.5)
    square = side**2 == count - (1 + registers if has_class else 0)
    return {"class_token": has_class} | ({"img_size": side * patch} if square else {})


def build_timm(name: str, arguments: dict[str, Any]) -> nn.Module:
    """A timm network without classifier, for any image size where timm allows it; unknown keywords are errors."""
    wanted = {"num_classes": 0, **arguments}
    if arguments.get("class_token") is False:
        wanted.setdefault("global_pool", "")  # timm's default pooling is the class token
    try:
        return timm.create_model(name, pretrained=False, dynamic_img_size=True, **wanted)
    except TypeError as error:
        if "dynamic_img_size" not in str(error):
            raise _wrong_keyword(name, arguments, error) from error
    try:
        return timm.create_model(name, pretrained=False, **wanted)
    except (TypeError, AssertionError, ValueError) as error:
        raise _wrong_keyword(name, arguments, error) from error


def build_with(builder: str, arguments: dict[str, Any]) -> nn.Module:
    """The network of a plug-in's `module:function`."""
    module, _, function = builder.partition(":")
    try:
        made = getattr(importlib.import_module(module), function)(**arguments)
    except (ImportError, AttributeError, TypeError) as error:
        raise BackboneError(f"the builder {builder} of a backbone card cannot be used: {error}") from error
    if not isinstance(made, nn.Module):
        raise BackboneError(f"the builder {builder} returned a {type(made).__name__}, not an nn.Module")
    return made


def places_class_token(name: str) -> bool:
    """Whether timm's network is a plain transformer with a class token that has a position (DeiT-III's has none)."""
    with torch.device("meta"):
        trunk = timm.create_model(name, pretrained=False, num_classes=0)
    return type(trunk) is VisionTransformer and trunk.cls_token is not None and not trunk.no_embed_class


def timm_reference(name: str, count: int) -> dict[str, Tensor]:
    """timm's names and shapes in order, with ImageNet's classifier when the network has `count` tensors with it."""
    with torch.device("meta"):
        full = timm.create_model(name, pretrained=False, num_classes=1000).state_dict()
        return full if len(full) == count else timm.create_model(name, pretrained=False, num_classes=0).state_dict()


def _wrong_keyword(name: str, arguments: dict[str, Any], error: Exception) -> BackboneError:
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no arguments"
    return BackboneError(f"timm's {name} cannot be built with {given}: {error}")
