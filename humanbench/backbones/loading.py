"""`load_backbone`: from a name, and perhaps a checkpoint, to a `Backbone`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from humanbench.backbones import sources
from humanbench.backbones.backbone import Backbone
from humanbench.backbones.build import (
    PLAIN,
    build_timm,
    build_with,
    check_builder,
    check_keywords,
    check_timm,
    plain_architecture,
    timm_names,
    timm_skeleton,
)
from humanbench.backbones.cards import Architecture, Weights
from humanbench.backbones.config_files import BesideFile, read_beside, read_header
from humanbench.backbones.features import Preprocessing
from humanbench.backbones.fill import fill
from humanbench.backbones.grouped_forward import find_forward
from humanbench.backbones.infer import has_form_of_clip, infer_plain, is_plain
from humanbench.backbones.keymaps import by_order, translate
from humanbench.backbones.preprocessing import (
    PIXELS,
    StatedPixels,
    choose_preprocessing,
    given_pixels,
    guessed,
    named_pixels,
)
from humanbench.backbones.report import LoadReport
from humanbench.backbones.spec import (
    RANDOM,
    VIT,
    BackboneSpec,
    card_of_file,
    file_label,
    name_and_file,
    of_architecture,
    of_document,
    resolve,
    row_name,
)
from humanbench.backbones.translation import Translation
from humanbench.backbones.weights import one_sentence, read_checkpoint, tensors_sha256
from humanbench.errors import BackboneError
from humanbench.hashing import file_sha256


@dataclass(frozen=True)
class _LoadedFile:
    """A checkpoint that was read: where it came from, its tensors, and what it and what lies beside it say.

    `own`: whether it is the weights that the name stands for, as far as the name's card says; `assumed`, where it was
    given and no hash of a file says so.
    """

    source: str
    path: Path
    sha256: str
    translation: Translation
    own: bool
    container: str = ""
    revision: str = ""
    pixels: StatedPixels | None = None
    beside: BesideFile = field(default_factory=BesideFile)
    network: Architecture | None = None
    pretrained_on: tuple[str, ...] | None = None
    assumed: bool = False


def load_backbone(
    name: str,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    random: bool = False,
    seed: int = 0,
    mean: Any = None,
    std: Any = None,
    interpolation: str | None = None,
    prefix: str = "",
    **architecture: Any,
) -> Backbone:
    """A feature extractor, in evaluation mode, on the CPU.

    `name`: a card (`humanbench backbones list`), any network of timm (`timm:NAME`, or the name alone), a hub
    repository or a folder in the layout of timm or transformers (`hf-hub:ORG/REPO`, `local-dir:DIR`), a file: that of
    a card (`run/card.toml`) or a checkpoint; or `vit` with `embed_dim, depth, num_heads, patch_size, img_size,
    class_token` (see `PlainArchitecture`). `random:NAME`, or `random=True`, leaves the weights as `seed` initialises
    them.
    `checkpoint`: a file or `hf-hub:ORG/REPO[:FILE]` in place of the name's own weights; its naming scheme is
    recognised, and whether a plain transformer has a class token follows it unless `class_token` is given.
    `mean`, `std` (three numbers, or imagenet, clip, half) and `interpolation`: the preprocessing, where it is not what
    the file, the card or timm says. `prefix`: which network of a file that holds several (`teacher`, `encoder_q`).
    `architecture`: further arguments of the network, as timm has them (`img_size`, `class_token` ...).
    Raises `BackboneError` for an unknown name, weights that cannot be had or read, a checkpoint that does not fit, and
    one that two networks fit: the message says which argument decides.
    """
    pixels = given_pixels({"mean": mean, "std": std, "interpolation": interpolation})
    bare, given = name_and_file(name, checkpoint)
    random = random or name.startswith(RANDOM)
    if random and given is not None:
        raise BackboneError(f"{name}: random weights and a checkpoint exclude each other")
    spec = resolve(bare)
    if prefix and given is None and (name.startswith(RANDOM) or spec.is_plain_vit):
        raise BackboneError(f"{name}: prefix={prefix} is given, and no checkpoint that has several networks")
    return load_spec(spec, given, Choice(random, seed, prefix, pixels, architecture))


@dataclass(frozen=True)
class Choice:
    """What the caller chooses beside the name and the checkpoint."""

    random: bool
    seed: int
    prefix: str
    pixels: StatedPixels
    arguments: dict[str, Any] = field(default_factory=dict)


def load_spec(spec: BackboneSpec, given: str | None, choice: Choice) -> Backbone:
    """The backbone of a name, from the checkpoint `given` or its own weights; raises what `load_backbone` raises."""
    with one_sentence(given or spec.name):
        if spec.timm:
            check_timm(spec.timm, spec.name)  # before its weights are fetched
        file = None if choice.random else _file(spec, given, choice)
        if file is not None:
            spec, file = _told_by_file(spec, file)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(choice.seed)
            network, guesses = _architecture(spec, file, choice.arguments)
            trunk = build(network)
        label = "" if file is None or file.own else file_label(file.source)
        return _assemble(spec, file, network, trunk, choice.pixels, guesses, row_name(spec, label, choice.random))


def check_rebuilt(network: Architecture, tensors: dict[str, Tensor], name: str) -> None:
    """`BackboneError` where the network of an architecture does not take exactly these tensors."""
    with torch.random.fork_rng(devices=[]):
        report = fill(build(network), translate(tensors), "what is trained", "", name, network.arguments)
    unlike = [*report.missing, *report.left_over]
    if unlike:
        raise BackboneError(f"{name}: what is trained does not fit a network built like it ({', '.join(unlike)})")


def _file(spec: BackboneSpec, given: str | None, choice: Choice) -> _LoadedFile | None:
    """The file that is asked for, else the name's own; None where a plain `vit` or a card without weights is meant."""
    place: Weights | None = None
    if given is not None:
        path, source, revision = _given(given)
        sha256 = file_sha256(path) if path.is_file() else ""
        place = next((p for p in spec.places if p.sha256 and p.sha256 == sha256), None)
        of_name = place is not None or (spec.card is not None and not any(p.sha256 for p in spec.places))
    elif spec.places:
        path, revision, place = sources.fetch_first(spec.places, spec.name)
        revision = spec.revision or revision
        source = place.file if place.beside and spec.card is None else place.where()  # a folder's own has no card
        sha256, of_name = file_sha256(path), True
    elif spec.is_plain_vit or spec.card is not None:
        return None
    else:
        raise BackboneError(f"timm has no weights for {spec.name}; {sources.LOCAL}")
    prefix = choice.prefix
    if place is not None and place.keys == "names":
        prefix = prefix or place.prefix
    content = read_checkpoint(path, prefix, partial(timm_names, spec.timm, {**spec.arguments, **choice.arguments}))
    tensors = content.tensors
    if place is not None and place.keys == "order":
        tensors = by_order(tensors, spec.timm, place, str(path))
    translation = translate(tensors)
    translation = replace(translation, left_over={**content.left_over, **translation.left_over})
    header = read_header(content.metadata, source)
    beside = _beside(path, source) if given is not None else BesideFile()
    pixels = header.pixels or beside.pixels
    return _LoadedFile(
        source, path, sha256, translation, of_name, content.container, revision, pixels, beside, header.architecture,
        header.pretrained_on, given is not None and of_name and place is None,
    )  # fmt: skip


def _given(text: str) -> tuple[Path, str, str]:
    """The local file of a checkpoint that is asked for, its place in words, and the revision where it is of the hub."""
    if text.startswith(sources.HUB):
        repository, file = sources.split_hub(text)
        at = sources.revision_of(repository)
        return sources.from_hub(at.address, file), text, at.words()
    path = Path(text).expanduser()
    if path.is_dir():
        inner = sources.weights_in(path)
        if inner is None:
            raise BackboneError(f"{path}: is a folder without {' or '.join(sources.WEIGHT_FILES)}; give the file in it")
        return inner, text, ""
    return path, text, ""


def _beside(path: Path, source: str) -> BesideFile:
    """What the configuration files in the checkpoint's folder or repository say."""
    if source.startswith(sources.HUB) and not (path.parent / "config.json").is_file():
        repository, _ = sources.split_hub(source)
        try:
            document = sources.from_hub(sources.revision_of(repository).address, "config.json")
        except BackboneError:
            return BesideFile()
        return read_beside(document.parent)
    return read_beside(path.parent)


def _told_by_file(spec: BackboneSpec, file: _LoadedFile) -> tuple[BackboneSpec, _LoadedFile]:
    """The network that the file itself says it is of, where the name leaves that to the file.

    That is said by the header of files that humanbench wrote, by a card that holds the file's SHA-256 (whose own
    weights they then are), and by a `config.json` beside it.
    """
    if not spec.is_plain_vit:
        return spec, file
    if file.network is not None:
        check_builder(file.network, file.source)
        return of_architecture(spec.name, file.network), file
    card = card_of_file(file.path)
    if card is not None:
        return card, replace(file, own=True)
    document = file.beside.document
    if "architecture" in document or (file.beside.model_type and not is_plain(file.translation)):
        return replace(of_document(spec.name, file.beside), pixels=None), file
    return spec, file


def _architecture(
    spec: BackboneSpec, file: _LoadedFile | None, given: dict[str, Any]
) -> tuple[Architecture, tuple[str, ...]]:
    """What is asked for, and what the checkpoint says where nothing is; and what was guessed of it."""
    arguments = {**spec.arguments, **given}
    if file is not None:
        _check_scheme(spec, file, arguments)
        if given.get("expert") is not None and not file.translation.experts and not spec.document:
            raise BackboneError(f"{file.source}: expert={given['expert']} is given, and the file has no experts")
    elif spec.name == VIT and given.get("expert") is not None:
        raise BackboneError(f"vit: expert={given['expert']} is given, and no checkpoint that has experts")
    if spec.is_plain_vit:
        return _plain_architecture(spec, file, given)
    if spec.builder:
        return Architecture(builder=spec.builder, arguments=arguments), ()
    if file is not None and "class_token" not in arguments and _lacks_class_token(spec.timm, arguments, file):
        arguments["class_token"] = False
    return Architecture(timm=spec.timm, arguments=arguments), ()


def _check_scheme(spec: BackboneSpec, file: _LoadedFile, arguments: Mapping[str, Any]) -> None:
    """`BackboneError` where a file's naming scheme asks for what is not said, or for another network than is named."""
    translation = file.translation
    for key, reason in translation.questions.items():
        if key not in arguments:
            raise BackboneError(f"{file.source}: {reason}, --arch {key}=N, with the file alone as the backbone")
    padding = [int(of.get("patch_padding") or 0) for of in (arguments, translation.arguments)]
    if translation.differs and (spec.timm or (spec.builder == PLAIN and padding[0] != padding[1])):
        raise BackboneError(
            f"{file.source}: is of {translation.scheme}, which {spec.name} is not: {translation.differs}; give the "
            "file alone as the backbone"
        )


def _plain_architecture(
    spec: BackboneSpec, file: _LoadedFile | None, given: dict[str, Any]
) -> tuple[Architecture, tuple[str, ...]]:
    keywords, guesses = dict(given), tuple[str, ...]()
    if file is not None:
        stated = {**spec.arguments, **file.beside.arguments, **given}
        if file.translation.builder:
            arguments = {**file.translation.arguments, **given}
            return Architecture(builder=file.translation.builder, arguments=arguments), ()
        check_keywords(given)
        for key, reason in {**file.beside.questions, **spec.questions}.items():
            if key not in stated:
                raise BackboneError(f"{file.source}: {reason}")
        inferred = infer_plain(file.translation, stated, file.source)
        if inferred is None:
            raise BackboneError(
                f"{file.source}: holds no plain vision transformer; name the network and give the file as its "
                "weights (--backbone timm:NAME --checkpoint FILE)"
            )
        keywords, guesses = {**inferred.arguments, **stated}, tuple(inferred.guesses)
    chosen = plain_architecture(keywords)
    return Architecture(builder=PLAIN, arguments=chosen.model_dump(mode="json", exclude_none=True)), guesses


def _lacks_class_token(name: str, arguments: dict[str, Any], file: _LoadedFile) -> bool:
    """Whether a checkpoint of a plain transformer has no class token where timm's network has one with a position."""
    tensors = file.translation.tensors
    if "cls_token" in tensors or not {"pos_embed", "patch_embed.proj.weight"} <= set(tensors):
        return False
    trunk = timm_skeleton(name, arguments)
    return type(trunk) is VisionTransformer and trunk.cls_token is not None and not trunk.no_embed_class


def build(network: Architecture) -> nn.Module:
    """The network of an architecture, without weights."""
    if network.timm:
        return build_timm(network.timm, network.arguments)
    return build_with(network.builder, network.arguments)


def _assemble(
    spec: BackboneSpec,
    file: _LoadedFile | None,
    network: Architecture,
    trunk: nn.Module,
    pixels: StatedPixels,
    guesses: tuple[str, ...],
    name: str,
) -> Backbone:
    names = set(trunk.state_dict())
    input_size = _input_size(trunk)
    grouped_forward = find_forward(trunk, input_size)
    report: LoadReport | None = None
    if file is not None:
        unused = frozenset(names - set(trunk.state_dict()))
        heads = partial(timm_names, network.timm, network.arguments)
        report = fill(trunk, file.translation, file.source, file.sha256, spec.name, network.arguments, unused, heads)
    preprocessing, places = _preprocessing(spec, file, network, trunk, pixels, input_size)
    if report is not None and file is not None:
        guesses = tuple(dict.fromkeys((*guesses, *report.guesses, *guessed(places))))
        report = replace(report, guesses=guesses, file=file.path.name, container=file.container, revision=file.revision)
    weights_sha256 = tensors_sha256(trunk.state_dict())
    seen: tuple[str, ...] | None = () if file is None else file.pretrained_on
    if file is not None and file.own and spec.card is not None:
        if file.assumed and spec.card.tensors_sha256 and weights_sha256 not in spec.card.tensors_sha256:
            name = row_name(spec, file_label(file.source))
        elif seen is None:
            seen = spec.card.datasets()
    return Backbone(
        trunk,
        grouped_forward,
        preprocessing,
        name=name,
        architecture=network,
        card=spec.card,
        report=report,
        pretrained_on=seen,
        weights_sha256=weights_sha256,
        pixel_sources={key: place.source for key, place in places.items()},
    ).eval()


def _input_size(trunk: nn.Module) -> tuple[int, int]:
    """Height and width that the network was made for."""
    config = getattr(trunk, "pretrained_cfg", None) or {}
    patches = getattr(trunk, "patch_embed", None)
    size = getattr(trunk, "input_size", None) or getattr(patches, "img_size", None)
    size = size or tuple(config.get("input_size", (3, 224, 224)))[1:]
    return int(size[0]), int(size[1])


def _preprocessing(
    spec: BackboneSpec,
    file: _LoadedFile | None,
    network: Architecture,
    trunk: nn.Module,
    given: StatedPixels,
    input_size: tuple[int, int],
) -> tuple[Preprocessing, dict[str, StatedPixels]]:
    """The caller's, else the file's, else the card's or timm's; for a plain `vit` that of its naming scheme."""
    elsewhere = file is not None and not file.own
    stated = [given]
    if file is not None and file.pixels is not None:
        stated.append(file.pixels)
    if spec.pixels is not None and not elsewhere:
        stated.append(spec.pixels)
    form_of_clip = file is not None and spec.is_plain_vit and has_form_of_clip(file.translation)
    in_doubt = spec.is_plain_vit and file is not None and _mean_in_doubt(network, form_of_clip)
    if not in_doubt and (form_of_clip or (file is not None and file.translation.clip and elsewhere)):
        stated.append(named_pixels("clip", "OpenAI's CLIP, for the file has CLIP's form", guess=True))
    if spec.pixels is not None and elsewhere:
        source = f"{spec.pixels.source}, whose weights these are not"
        stated.append(StatedPixels(source, spec.pixels.values, guess=True))
    default = _default_pixels(spec, file, trunk)
    if in_doubt:
        default = StatedPixels(default.source, {"interpolation": "bicubic"}, guess=True)
    return choose_preprocessing(stated, default, input_size, spec.name, elsewhere)


def _mean_in_doubt(network: Architecture, form_of_clip: bool) -> bool:
    """Whether published networks of this form differ in the mean: CLIP's ViT-L (LAION's has 0.5), and what has SigLIP's
    activation, which is trained with 0.5."""
    arguments = network.arguments
    return arguments.get("act_layer") == "gelu_tanh" or (form_of_clip and arguments.get("embed_dim") == 1024)


def _default_pixels(spec: BackboneSpec, file: _LoadedFile | None, trunk: nn.Module) -> StatedPixels:
    """What the name stands for: timm's values for it, else ImageNet's; nothing for weights of transformers."""
    if spec.document and file is not None:
        return StatedPixels("transformers'", {"interpolation": "bicubic"}, guess=True)
    default = named_pixels("imagenet", "ImageNet's, for nothing says another", guess=file is not None)
    config = getattr(trunk, "pretrained_cfg", None) or {}
    of_timm = {key: config[key] for key in PIXELS if config.get(key) is not None}
    if not of_timm:
        return default
    elsewhere = file is not None and not file.own
    source = f"timm's for {spec.timm}" + (", whose weights these are not" if elsewhere else "")
    return StatedPixels(source, {**default.values, **of_timm}, guess=elsewhere)
