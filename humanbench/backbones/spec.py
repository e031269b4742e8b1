"""What a name means: the network, the places of its weights, its card, and what is known of its preprocessing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from humanbench.backbones import sources
from humanbench.backbones.cards import Architecture, BackboneCard, Weights, backbone_cards, load_backbone_card
from humanbench.backbones.config_files import CONFIGS, BesideFile, from_document, read_beside, read_document
from humanbench.backbones.preprocessing import PIXELS, StatedPixels
from humanbench.backbones.weights import INDEX, looks_like_checkpoint
from humanbench.errors import BackboneError
from humanbench.hashing import file_sha256
from humanbench.text import nearest

TIMM = "timm:"
LOCAL_DIR = "local-dir:"
VIT = "vit"
CARD = ".toml"
RANDOM = "random:"
_CHECKPOINTS = (".bin", ".pt", ".pt2", ".pth", ".pyth", ".ckpt", ".safetensors", ".tar", ".pkl", INDEX)
_OF_CLIP = ("clip", "clip_vision_model")
"""Types of transformers that timm has: their names are translated."""


@dataclass(frozen=True)
class BackboneSpec:
    """What a name means.

    `timm` with `arguments`, or `builder` with them, is the network; neither for the plain transformer that a
    checkpoint decides (`vit`). `places`: where its weights are, in order. `card`: its card. `pixels`: mean, std and
    interpolation where the name's place states them for its own weights. `document`: the configuration of a network of
    transformers. `revision`: the commit of a hub repository, in words. `questions`: arguments, and keys of a
    configuration, that the caller must say.
    """

    name: str
    timm: str = ""
    builder: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    places: tuple[Weights, ...] = ()
    card: BackboneCard | None = None
    pixels: StatedPixels | None = None
    document: dict[str, Any] = field(default_factory=dict)
    revision: str = ""
    questions: dict[str, str] = field(default_factory=dict)

    @property
    def is_plain_vit(self) -> bool:
        """Whether it is the plain transformer whose sizes the checkpoint or the caller decides."""
        return not (self.timm or self.builder or self.document)


def is_checkpoint(name: str) -> bool:
    """Whether a name is that of a checkpoint file, by its ending or because there is a file that begins like one."""
    if name.startswith((sources.HUB, TIMM, LOCAL_DIR)) or name.lower().endswith(CARD):
        return False
    path = Path(name).expanduser()
    return name.lower().endswith(_CHECKPOINTS) or (path.is_file() and looks_like_checkpoint(path))


def name_and_file(name: str, checkpoint: str | os.PathLike[str] | None) -> tuple[str, str | None]:
    """A name without `random:`, and the checkpoint; the name of a file is that of the plain transformer in it."""
    bare = name.removeprefix(RANDOM)
    given = None if checkpoint is None else os.fspath(checkpoint)
    if not is_checkpoint(bare):
        return bare, given
    if given is not None:
        raise BackboneError(f"{bare} is a file and a checkpoint is given too; name the architecture, not a file")
    return VIT, bare


def file_label(source: str) -> str:
    """A checkpoint's own name without its folders and endings, or the address of its repository.

    >>> file_label("runs/mae_pretrain.pth.tar"), file_label("hf-hub:org/repo")
    ('mae_pretrain', 'org/repo')
    """
    if source.startswith(sources.HUB):
        return source.removeprefix(sources.HUB)
    return re.sub(r"(\.(pth|pt2|pt|bin|tar|ckpt|pyth|pkl|safetensors|index|json))+$", "", Path(source).name, flags=re.I)


def row_name(spec: BackboneSpec, label: str = "", random: bool = False) -> str:
    """What a result's row is called: the name where its own weights ran, else that and what ran in their place.

    `label`: of the checkpoint that was given, if it is not the name's own.
    """
    if label:
        return f"{spec.name}:{label}"
    return f"{RANDOM}{spec.name}" if random or (spec.is_plain_vit and not spec.places) else spec.name


def resolve(name: str) -> BackboneSpec:
    """What a name means; a `BackboneError` with the nearest names for one that means nothing."""
    if not name.removeprefix(LOCAL_DIR).removeprefix(TIMM).strip():
        raise BackboneError(
            f"{name!r} names no backbone: give a card, a network of timm, {sources.HUB}ORG/REPO, a folder or a file "
            "(the current folder is .)"
        )
    cards = backbone_cards()
    if name in cards or name.lower().endswith(CARD):
        return _of_card(load_backbone_card(name))
    if name == VIT:
        return BackboneSpec(name)
    if name.startswith(sources.HUB):
        return _of_hub(name)
    folder = Path(name.removeprefix(LOCAL_DIR)).expanduser()
    if name.startswith(LOCAL_DIR) or folder.is_dir():
        return _of_folder(name, folder)
    import timm

    short = name.removeprefix(TIMM)
    base = short.partition(".")[0]
    if base and timm.is_model(base):
        return _of_timm(short, base)
    if Path(name).expanduser().exists():
        endings = ", ".join(ending for ending in _CHECKPOINTS if ending != INDEX)
        raise BackboneError(f"{name}: is neither a card (.toml) nor a checkpoint ({endings})")
    if "/" in name or os.sep in name:
        raise BackboneError(
            f"{name}: there is no such checkpoint file, card (.toml) or folder; a repository of the hub is "
            f"{sources.HUB}ORG/REPO"
        )
    raise BackboneError(
        f"no backbone is called {name!r}{nearest(short, [*cards, *timm.list_models()])} (cards: `humanbench backbones "
        "list`; networks of timm: `humanbench backbones list 'timm:*'`)"
    )


def _of_card(card: BackboneCard) -> BackboneSpec:
    network = card.architecture
    stated = {key: value for key in PIXELS if (value := getattr(card, key)) is not None}
    pixels = StatedPixels("the card", stated) if stated else None
    return BackboneSpec(card.id, network.timm, network.builder, dict(network.arguments), card.weights, card, pixels)


def of_architecture(name: str, network: Architecture) -> BackboneSpec:
    """A network that is described whole, without places of weights."""
    return BackboneSpec(name, network.timm, network.builder, dict(network.arguments))


def card_of_file(path: Path) -> BackboneSpec | None:
    """The card that this very file is the weights of, by its SHA-256; None where there is none."""
    places = [(card, place) for card in backbone_cards().values() for place in card.weights]
    size, digest = path.stat().st_size, ""
    for card, place in places:
        beside = Path(place.file) if place.beside else None
        same_size = beside is not None and beside.is_file() and beside.stat().st_size == size
        if not (same_size or place.sha256):
            continue
        digest = digest or file_sha256(path)
        if (place.sha256 or (file_sha256(beside) if beside is not None else "")) == digest:
            return _of_card(card)
    return None


def _of_timm(name: str, base: str) -> BackboneSpec:
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
    return BackboneSpec(f"{TIMM}{name}", timm=name, places=places)


def _of_hub(name: str) -> BackboneSpec:
    """A hub repository with the `config.json` of timm or transformers; weights and configuration of one revision."""
    repository, file = sources.split_hub(name)
    at = sources.revision_of(repository)
    try:
        document = read_document(sources.from_hub(at.address, "config.json"))
    except BackboneError as error:
        raise BackboneError(f"{error}; {sources.LOCAL}") from error
    spec = of_document(name, from_document(document, "config.json", lambda file: _optional(at.address, file)))
    return replace(spec, places=(Weights(hub=at.address, file=file),), revision=at.words())


def _optional(repository: str, file: str) -> dict[str, Any]:
    """A small JSON file of a repository, empty where it has none."""
    try:
        return read_document(sources.from_hub(repository, file))
    except BackboneError:
        return {}


def _of_folder(name: str, folder: Path) -> BackboneSpec:
    """A folder as timm and transformers save them: `config.json` and the weights, divided or whole."""
    if not folder.is_dir():
        raise BackboneError(f"{folder}: there is no such folder")
    if not any((folder / config).is_file() for config in CONFIGS):
        files = sorted(p.name for p in folder.iterdir() if p.name.lower().endswith((*_CHECKPOINTS, CARD)))
        inner = "card.toml" if "card.toml" in files or not files else files[0]
        raise BackboneError(
            f"{folder}: is a folder; give the file in it, like {folder / inner} (a folder of timm or transformers "
            "holds a config.json, one of open_clip an open_clip_config.json)"
        )
    weights = sources.weights_in(folder)
    if weights is None:
        raise BackboneError(f"{folder}: holds a configuration but none of {', '.join(sources.WEIGHT_FILES)}")
    spec = of_document(name.removeprefix(LOCAL_DIR), read_beside(folder))
    return replace(spec, name=folder.resolve().name, places=(Weights(file=str(weights)),))


def of_document(name: str, beside: BesideFile) -> BackboneSpec:
    """The network that a configuration names: timm's, one of transformers, or open_clip's own tower."""
    import timm

    document = beside.document
    base = str(document.get("architecture", ""))
    if base and timm.is_model(base):
        if beside.questions:
            raise BackboneError(f"{name}: {next(iter(beside.questions.values()))}")
        arguments = {**_made_for(base, beside.arguments), **dict(document.get("model_args") or {})}
        return BackboneSpec(name, base, arguments=arguments, pixels=beside.pixels)
    if beside.model_type and beside.model_type not in _OF_CLIP:
        from humanbench.backbones.transformers_models import BUILDER, check_known

        check_known(document, name)
        return BackboneSpec(name, "", BUILDER, {"config": document}, pixels=beside.pixels, document=document)
    if beside.model_type or "model_cfg" in document:  # transformers' CLIP, or open_clip's own tower
        return BackboneSpec(name, arguments=beside.arguments, pixels=beside.pixels, questions=beside.questions)
    raise BackboneError(
        f"{name}: its config.json names no network of timm (architecture: {base or 'absent'}) and none of transformers "
        "(model_type: absent); give the network as the name and this as the checkpoint"
    )


def _made_for(network: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The size of pictures, where it is not timm's own for this network and the network is made for one."""
    import timm

    from humanbench.backbones.build import timm_skeleton

    size = arguments.get("img_size")
    config = timm.get_pretrained_cfg(network)
    timm_size = None if config is None else list(config.input_size[1:])
    if size is None or timm_size == (size if isinstance(size, list) else [size, size]):
        return {}
    try:
        timm_skeleton(network, {"img_size": size})
    except BackboneError as error:
        if isinstance(error.__cause__, TypeError) and "img_size" in str(error.__cause__):
            return {}  # takes pictures of any size
        raise
    return {"img_size": size}


@dataclass(frozen=True)
class Outline:
    """The name that `load_backbone` will give a backbone, and what its weights have seen.

    `pretrained_on` is None where nobody says; `settled` is False where the weights' own hash or header decides it.
    `names_network`: whether the name says which network it is; of a plain `vit` the checkpoint does.
    """

    name: str
    pretrained_on: tuple[str, ...] | None
    settled: bool = True
    names_network: bool = True


def outline(name: str, checkpoint: str | os.PathLike[str] | None = None) -> Outline:
    """The outline of what `load_backbone` would load; `BackboneError` for a name or a file that is not there."""
    bare, given = name_and_file(name, checkpoint)
    if given is not None and not given.startswith(sources.HUB) and not Path(given).expanduser().exists():
        raise BackboneError(f"{given}: there is no such checkpoint file")
    spec = resolve(bare)
    if name.startswith(RANDOM):
        return Outline(row_name(spec, random=True), ())
    if given is None:
        seen = spec.card.datasets() if spec.card is not None else None
        return Outline(row_name(spec), seen if spec.places else ())
    if spec.card is not None:
        return Outline(spec.name, None, settled=False)
    name = row_name(spec, label=file_label(given))
    return Outline(name, None, settled=False, names_network=not spec.is_plain_vit)
