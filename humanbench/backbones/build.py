"""Networks without weights: plain transformers of any size, and whatever timm has by name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import timm
import torch
from pydantic import Field, ValidationError
from timm.layers import GELUTanh, QuickGELU
from timm.layers.mlp import Mlp, SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from humanbench.backbones.arguments import STRUCTURE, check_arguments
from humanbench.backbones.cards import Architecture, backbone_cards
from humanbench.errors import BackboneError
from humanbench.schema import Record
from humanbench.text import nearest

_Side = Annotated[int, Field(ge=1, le=100_000)]
Size = _Side | tuple[_Side, _Side]

PLAIN = "humanbench.backbones.build:plain"
"""The builder of plain transformers."""


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_tanh": GELUTanh,
    "quick_gelu": QuickGELU,
    "silu": nn.SiLU,
}


class PlainArchitecture(Record):
    """Keywords of `vit`, the plain transformer. What is left out comes from the checkpoint, else from ViT-B/16.

    `img_size` is what the position embedding is made for (an int or height, width); `num_heads` defaults to one per
    64 channels where there is no checkpoint; `class_token` to True there. `no_embed_class`: class and register tokens
    have no position (DeiT III, DINOv2 with registers). `norm_eps` and `pre_norm` default to those of MAE (1e-6, False),
    or of CLIP (1e-5, True) when the checkpoint has CLIP's naming; `act_layer` to gelu, and it is asked for where
    published networks like the checkpoint's differ in it. `mlp_layer`: `swiglu` is the packed one of DINOv2's largest
    network. `patch_padding`: pixels of zeros around the picture before the patches are cut (ViTPose and Sapiens'
    finetuned networks: 2). `expert`: of a checkpoint with several experts in each perceptron (ViTPose++) the one that
    is loaded; `experts`: how many there are, where that is known before the file is read.
    """

    embed_dim: int = Field(default=768, ge=1, le=100_000)
    depth: int = Field(default=12, ge=1, le=1000)
    num_heads: int | None = Field(default=None, ge=1)
    patch_size: int = Field(default=16, ge=1, le=10_000)
    patch_padding: int | None = Field(default=None, ge=0, le=10_000)
    img_size: Size = 224
    class_token: bool = True
    reg_tokens: int = Field(default=0, ge=0, le=10_000)
    no_embed_class: bool = False
    mlp_ratio: float = Field(default=4.0, gt=0, le=100)
    mlp_layer: Literal["mlp", "swiglu"] = "mlp"
    qkv_bias: bool = True
    qk_norm: bool = False
    init_values: float | None = None
    pre_norm: bool = False
    act_layer: Literal["gelu", "gelu_tanh", "quick_gelu", "silu"] = "gelu"
    norm_eps: float = Field(default=1e-6, gt=0)
    expert: int | None = Field(default=None, ge=0)
    experts: int | None = Field(default=None, ge=1)


def check_keywords(keywords: Mapping[str, Any]) -> None:
    """`BackboneError` for a keyword that the plain transformer has not."""
    for key in keywords:
        if key not in PlainArchitecture.model_fields:
            raise BackboneError(
                f"vit: {key[:60]}={str(keywords[key])[:60]}: the plain vision transformer has no such argument"
                f"{nearest(key[:60], list(PlainArchitecture.model_fields))}"
            )


_FORMS = {"img_size": "give one number, or [HEIGHT, WIDTH], like img_size=[256,128]"}
"""Keyword -> how it is written, where its type is not one of Python's."""


def plain_architecture(keywords: dict[str, Any]) -> PlainArchitecture:
    """The checked keywords; an unknown or impossible one is a `BackboneError`."""
    check_keywords(keywords)
    try:
        chosen = PlainArchitecture.model_validate(keywords)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "architecture"
        raise BackboneError(f"vit: {key}={str(keywords.get(key))[:60]}: {_FORMS.get(key, first['msg'])}") from error
    if chosen.expert is not None and chosen.experts is not None and chosen.expert >= chosen.experts:
        raise BackboneError(
            f"vit: expert={chosen.expert}: there are {chosen.experts} experts, 0 to {chosen.experts - 1}"
        )
    heads = chosen.num_heads or max(chosen.embed_dim // 64, 1)
    if chosen.embed_dim % heads:
        raise BackboneError(f"vit: embed_dim={chosen.embed_dim} is no multiple of num_heads={heads}")
    if 2 * (chosen.patch_padding or 0) >= chosen.patch_size:
        raise BackboneError(f"vit: patch_padding={chosen.patch_padding} is half a patch of {chosen.patch_size} or more")
    return chosen.model_copy(update={"num_heads": heads})


def plain(**keywords: Any) -> VisionTransformer:
    """A plain transformer without classifier and pooling by `PlainArchitecture`'s keywords: the `builder` of a card."""
    if isinstance(keywords.get("img_size"), list):
        keywords["img_size"] = tuple(keywords["img_size"])
    chosen = plain_architecture(keywords)
    not_of_timm = {"patch_padding", "mlp_layer", "act_layer", "norm_eps", "expert", "experts"}
    network = VisionTransformer(
        **chosen.model_dump(exclude=not_of_timm),
        num_classes=0,
        global_pool="",
        mlp_layer=SwiGLUPacked if chosen.mlp_layer == "swiglu" else Mlp,  # type: ignore[arg-type]  # a partial
        act_layer=_ACTIVATIONS[chosen.act_layer],
        norm_layer=partial(nn.LayerNorm, eps=chosen.norm_eps),
    )
    if chosen.patch_padding:  # timm has no keyword for it
        network.patch_embed.proj.padding = (chosen.patch_padding, chosen.patch_padding)
    return network


_UNFIT = (TypeError, AssertionError, ValueError, ArithmeticError, LookupError, RuntimeError, AttributeError)
"""What timm's constructors raise for arguments that do not go together."""


def check_timm(name: str, source: str = "") -> None:
    """`BackboneError`, with who names it, unless timm has a network of this name; an address, to which timm would go,
    is none."""
    if not timm.is_model(name.partition(".")[0]):
        start = f"{source}: " if source and source != name else ""
        raise BackboneError(f"{start}timm has no network called {name[:100]!r}{nearest(name, timm.list_models())}")


def build_timm(name: str, arguments: dict[str, Any]) -> nn.Module:
    """A timm network without classifier, for any image size where timm allows it; unknown keywords are errors."""
    check_arguments(f"timm's {name}", arguments)
    check_timm(name)
    keywords = {"num_classes": 0, **arguments}
    if arguments.get("class_token") is False:
        keywords.setdefault("global_pool", "")  # timm's default pooling is the class token
    try:
        try:
            return timm.create_model(name, pretrained=False, **{"dynamic_img_size": True, **keywords})
        except TypeError as error:
            if "dynamic_img_size" not in str(error):
                raise
            return timm.create_model(name, pretrained=False, **keywords)
    except _UNFIT as error:
        raise _wrong_keyword(name, arguments, error) from error


def check_builder(network: Architecture, source: str) -> None:
    """`BackboneError` for a builder that a file from elsewhere names and no card that is installed here has.

    A builder is a function that is imported and called with the arguments, so a file must not choose any there is.
    """
    known = {PLAIN, "humanbench.backbones.transformers_models:build"}
    known |= {card.architecture.builder for card in backbone_cards().values()}
    if network.builder and network.builder not in known:
        raise BackboneError(
            f"{source}: names the builder {network.builder[:100]!r}, which no installed card has; give the card of its "
            "network (a .toml file) as the name and the file as the checkpoint"
        )


_NO_BUILDERS = {*sys.stdlib_module_names, "numpy", "pandas", "joblib", "torch", "pip", "setuptools"}
"""Packages whose functions are no builders, and do what a card must not: run commands, unpickle, install."""


def build_with(builder: str, arguments: dict[str, Any]) -> nn.Module:
    """The network of a plug-in's `module:function`."""
    module, _, function = builder.partition(":")
    if module.partition(".")[0] in _NO_BUILDERS:
        raise BackboneError(
            f"the builder {builder[:100]!r} of a backbone card is a function of {module.partition('.')[0][:40]}, which "
            "builds no backbone: give a function of your own package (docs/extending.md)"
        )
    try:
        made = getattr(importlib.import_module(module), function)(**arguments)
    except (ImportError, AttributeError, TypeError) as error:
        raise BackboneError(f"the builder {builder} of a backbone card cannot be used: {error}") from error
    if not isinstance(made, nn.Module):
        raise BackboneError(f"the builder {builder} returned a {type(made).__name__}, not an nn.Module")
    return made


def timm_skeleton(name: str, arguments: dict[str, Any]) -> nn.Module:
    """timm's network with these arguments, without memory for its tensors."""
    with torch.device("meta"):
        return build_timm(name, arguments)


def timm_names(name: str, arguments: Mapping[str, Any]) -> frozenset[str]:
    """Names of all tensors of timm's network with its classifiers; none where it cannot be built so."""
    if not timm.is_model(name.partition(".")[0]):
        return frozenset()
    keywords = {key: value for key, value in arguments.items() if key in STRUCTURE - {"num_classes"}}
    try:
        with torch.device("meta"):
            return frozenset(timm.create_model(name, pretrained=False, **keywords).state_dict())
    except _UNFIT:
        return frozenset()


def timm_reference(name: str, count: int) -> dict[str, Tensor]:
    """timm's names and shapes in order, with ImageNet's classifier when the network has `count` tensors with it."""
    with torch.device("meta"):
        full = timm.create_model(name, pretrained=False, num_classes=1000).state_dict()
        return full if len(full) == count else timm.create_model(name, pretrained=False, num_classes=0).state_dict()


def _wrong_keyword(name: str, arguments: dict[str, Any], error: Exception) -> BackboneError:
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items()) or "no arguments"
    kind, text = type(error).__name__, " ".join(str(error).split())
    reason = f"it knows no {error}" if isinstance(error, KeyError) and text else f"{kind}: {text}" if text else kind
    return BackboneError(f"timm cannot build {name} with {given} ({reason})")
