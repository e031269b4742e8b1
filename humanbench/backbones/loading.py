"""`load_backbone`: from a name, and perhaps a checkpoint, to a `Backbone`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from humanbench.backbones import sources
from humanbench.backbones.backbone import Backbone
from humanbench.backbones.build import (
    PLAIN,
    build_timm,
    build_with,
    infer_plain,
    places_class_token,
    plain_architecture,
    timm_reference,
)
from humanbench.backbones.cards import Architecture, BackboneCard, Weights, backbone_cards, load_backbone_card
from humanbench.backbones.features import Preprocessing
from humanbench.backbones.fill import fill
from humanbench.backbones.grouped_forward import find_forward
from humanbench.backbones.keymaps import Translation, by_order, translate
from humanbench.backbones.report import LoadReport
from humanbench.backbones.weights import read_weights, tensors_sha256
from humanbench.errors import BackboneError
from humanbench.hashing import file_sha256
from humanbench.text import nearest

TIMM = "timm:"
_VIT = "vit"
_CARD = ".toml"
RANDOM = "random:"
_IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic", (224, 224))
_CLIP = Preprocessing((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), "bicubic", (224, 224))
"""Normalisation of plain transformers that come without a card: ImageNet's, or openai/CLIP's for CLIP's naming."""


@dataclass(frozen=True)
class _Wanted:
    """What a name means: the network, the places of its weights, its card, its preprocessing where that is stated."""

    name: str
    timm: str = ""
    builder: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    places: tuple[Weights, ...] = ()
    card: BackboneCard | None = None
    stated: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Checkpoint:
    source: str
    sha256: str
    translation: Translation
    own: bool
    """Whether it is the card's own file, as far as the card says."""


def load_backbone(
    name: str,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    random: bool = False,
    seed: int = 0,
    **architecture: Any,
) -> Backbone:
    """A feature extractor, in evaluation mode, on the CPU.

    `name`: a card (`humanbench backbones list`), any network of timm (`timm:NAME`, or the name alone), a hub
    repository in timm's layout (`hf-hub:ORG/REPO`), a file: that of a card (`run/card.toml`) or the checkpoint of a
    plain transformer; or `vit` with `embed_dim, depth, num_heads, patch_size, img_size, class_token` (see
    `PlainArchitecture`). `random:NAME`, or `random=True`, leaves the weights as `seed` initialises them.
    `checkpoint`: a file or `hf-hub:ORG/REPO[:FILE]` in place of the name's own weights; its naming scheme is
    recognised, and whether a plain transformer has a class token follows it unless `class_token` is given.
    `architecture`: further arguments of the network, as timm has them (`img_size`, `class_token` ...).
    Raises `BackboneError` for an unknown name, weights that cannot be had or read, and a checkpoint that does not fit.
    """
    bare = name.removeprefix(RANDOM)
    random = random or bare != name
    if _is_file(bare) and not bare.endswith(_CARD):
        _check_no_folder(bare)
        bare, checkpoint = _VIT, _only(bare, checkpoint)
    if random and checkpoint is not None:
        raise BackboneError(f"{name}: random weights and a checkpoint exclude each other")
    wanted = _resolve(bare)
    found = None if random else _checkpoint(wanted, checkpoint)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        how = _architecture(wanted, found, architecture)
        trunk = build(how)
    return _assemble(wanted, found, how, trunk)


def check_rebuilt(how: Architecture, tensors: dict[str, Tensor], name: str) -> None:
    """`BackboneError` where the network of an architecture does not take exactly these tensors."""
    with torch.random.fork_rng(devices=[]):
        report = fill(build(how), translate(tensors), "what is trained", "", name)
    unlike = [*report.missing, *report.left_over]
    if unlike:
        raise BackboneError(f"{name}: what is trained does not fit a network built like it ({', '.join(unlike)})")


def _is_file(name: str) -> bool:
    return Path(name).suffix in (".bin", ".pt", ".pth", ".safetensors", ".tar") or (
        "/" in name and not name.startswith(sources.HUB)
    )


def _check_no_folder(name: str) -> None:
    if Path(name).is_dir():
        raise BackboneError(f"{name}: is a folder; give the file in it, like {Path(name) / 'card.toml'}")


def _only(file: str, checkpoint: str | os.PathLike[str] | None) -> str:
    if checkpoint is not None:
        raise BackboneError(f"{file} is a file and a checkpoint is given too; name the architecture, not a file")
    return file


def _resolve(name: str) -> _Wanted:
    cards = backbone_cards()
    if name in cards or name.endswith(_CARD):
        card = load_backbone_card(name)
        own = card.architecture
        stated = {k: v for k in ("mean", "std", "interpolation") if (v := getattr(card, k)) is not None}
        return _Wanted(card.id, own.timm, own.builder, dict(own.arguments), card.weights, card, stated)
    if name == _VIT:
        return _Wanted(name)
    if name.startswith(sources.HUB):
        return _hub(name)
    import timm

    short = name.removeprefix(TIMM)
    base = short.partition(".")[0]
    if base and timm.is_model(base):
        return _timm(short, base)
    _check_no_folder(name)
    if Path(name).exists():
        raise BackboneError(f"{name}: is neither a card (.toml) nor a checkpoint (.safetensors, .pth, .pt, .bin, .tar)")
    raise BackboneError(
        f"no backbone is called {name!r}{nearest(short, [*cards, *timm.list_models()])} (cards: `humanbench backbones "
        "list`; networks of timm: `humanbench backbones list 'timm:*'`)"
    )


def _timm(name: str, base: str) -> _Wanted:
    """timm's network and where timm keeps its weights."""
    import timm

    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise BackboneError(
            f"timm has no weights called {name!r}{nearest(name, timm.list_pretrained(base))}"
        ) from error
    places: tuple[Weights, ...] = ()
    if config is not None and config.hf_hub_id:
        places = (Weights(hub=config.hf_hub_id, file=config.hf_hub_filename or ""),)
    elif config is not None and isinstance(config.url, str) and config.url:
        places = (Weights(url=config.url),)
    return _Wanted(f"{TIMM}{name}", timm=name, places=places)


def _hub(name: str) -> _Wanted:
    """A hub repository with timm's `config.json`."""
    import json

    import timm

    repository, file = sources.split_hub(name)
    try:
        config = json.loads(sources.from_hub(repository, "config.json").read_text(encoding="utf-8"))
    except BackboneError as error:
        raise BackboneError(f"{error}; {sources.LOCAL}") from error
    base = str(config.get("architecture", ""))
    if not base or not timm.is_model(base):
        raise BackboneError(
            f"{name}: its config.json names no network of timm (architecture: {base or 'absent'}); give the network "
            f"as the name and this as the checkpoint"
        )
    stated = {k: v for k, v in config.get("pretrained_cfg", {}).items() if k in ("mean", "std", "interpolation")}
    places = (Weights(hub=repository, file=file),)
    return _Wanted(name, base, arguments=dict(config.get("model_args") or {}), places=places, stated=stated)


def _checkpoint(wanted: _Wanted, given: str | os.PathLike[str] | None) -> _Checkpoint | None:
    """The file that is asked for, else the name's own; None where a plain `vit` or a card without weights is meant."""
    place: Weights | None = None
    if given is not None:
        path, source = _given(given)
        sha256 = file_sha256(path) if path.is_file() else ""
        place = next((p for p in wanted.places if p.sha256 and p.sha256 == sha256), None)
        own = place is not None or not any(p.sha256 for p in wanted.places)
    elif wanted.places:
        path, place = sources.fetch_first(wanted.places, wanted.name)
        source, sha256, own = place.where(), file_sha256(path), True
    elif wanted.name == _VIT or wanted.card is not None:
        return None
    else:
        raise BackboneError(f"timm has no weights for {wanted.name}; {sources.LOCAL}")
    tensors = read_weights(path)
    if place is not None and place.keys == "order":
        tensors = {k: v for k, v in tensors.items() if k.startswith(place.prefix)}
        count = sum(not any(word in k for word in place.skip) for k in tensors)
        tensors = by_order(tensors, timm_reference(wanted.timm, count), place.prefix, place.skip, str(path))
    return _Checkpoint(source, sha256, translate(tensors), own)


def _given(checkpoint: str | os.PathLike[str]) -> tuple[Path, str]:
    text = os.fspath(checkpoint)
    if text.startswith(sources.HUB):
        return sources.from_hub(*sources.split_hub(text)), text
    return Path(text).expanduser(), text


def _architecture(wanted: _Wanted, found: _Checkpoint | None, given: dict[str, Any]) -> Architecture:
    """What is asked for, and what the checkpoint says where nothing is."""
    arguments = {**wanted.arguments, **given}
    inferred = infer_plain(found.translation.tensors, found.translation.clip) if found else {}
    if wanted.name == _VIT:
        if found and not inferred:
            raise BackboneError(f"{found.source}: holds no plain vision transformer; name its architecture (timm:NAME)")
        chosen = plain_architecture({**inferred, **arguments})
        return Architecture(builder=PLAIN, arguments=chosen.model_dump(mode="json", exclude_none=True))
    if wanted.builder:
        return Architecture(builder=wanted.builder, arguments=arguments)
    if inferred.get("class_token") is False and "class_token" not in arguments and places_class_token(wanted.timm):
        arguments["class_token"] = False
    return Architecture(timm=wanted.timm, arguments=arguments)


def build(how: Architecture) -> nn.Module:
    """The network of an architecture, without weights."""
    return build_timm(how.timm, how.arguments) if how.timm else build_with(how.builder, how.arguments)


def _assemble(wanted: _Wanted, found: _Checkpoint | None, how: Architecture, trunk: nn.Module) -> Backbone:
    preprocessing = _preprocessing(wanted, found, trunk)
    route = find_forward(trunk, preprocessing.input_size)
    report: LoadReport | None = None
    if found is not None:
        report = fill(trunk, found.translation, found.source, found.sha256, wanted.name)
    seen: tuple[str, ...] | None = () if found is None else None
    if found is not None and found.own and wanted.card is not None:
        seen = wanted.card.datasets()
    backbone = Backbone(
        trunk,
        route,
        preprocessing,
        name=wanted.name,
        architecture=how,
        card=wanted.card,
        report=report,
        pretrained_on=seen,
        weights_sha256=tensors_sha256(trunk.state_dict()),
    )
    return backbone.eval()


def _preprocessing(wanted: _Wanted, found: _Checkpoint | None, trunk: nn.Module) -> Preprocessing:
    """The card's, else timm's for the architecture; for a plain `vit` that of its naming scheme."""
    config = getattr(trunk, "pretrained_cfg", None) or {}
    base = _CLIP if found is not None and found.translation.clip else _IMAGENET
    patches = getattr(trunk, "patch_embed", None)
    size = getattr(patches, "img_size", None) or tuple(config.get("input_size", (3, *base.input_size)))[1:]
    stated = {**{k: config[k] for k in ("mean", "std", "interpolation") if k in config}, **wanted.stated}
    return Preprocessing(
        mean=tuple(stated.get("mean", base.mean)),
        std=tuple(stated.get("std", base.std)),
        interpolation=stated.get("interpolation", base.interpolation),
        input_size=(int(size[0]), int(size[1])),
    )
