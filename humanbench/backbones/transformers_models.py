"""Networks of transformers: built from their configuration, loaded by the library itself, run as one.

The library is an extra (`pip install humanbench[transformers]`). Which class is a model type's encoder, and how many of
its tokens come before the patches, is data. Types that are not in the table, but have a class in the library's list of
backbones, give the feature maps of that class.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import State, Visit, WholeForward, cover, holds_norms_only
from humanbench.backbones.grouped_forward.vit import resize_positions
from humanbench.backbones.transformers_config import (
    IGNORED,
    check_activations,
    check_features,
    check_not_quantised,
    keys_of,
    library,
    unknown_keys,
)
from humanbench.backbones.translation import Tensors
from humanbench.errors import BackboneError
from humanbench.text import nearest

BUILDER = "humanbench.backbones.transformers_models:build"


@dataclass(frozen=True)
class _Kind:
    """How a model type runs: its class, and from its configuration the first tokens and whether one is a class token.

    `config`: the type whose configuration class is taken, where it is not the own one. `unused`: beginnings of names of
    parameters that follow the pooling. `multiple`: what sides of pictures must be multiples of, beside the stride.
    """

    model: str
    first_tokens: Callable[[Any], int] = lambda config: 0
    has_class_token: bool = False
    config: str = ""
    unused: tuple[str, ...] = ()
    multiple: Callable[[Any], int] = lambda config: 1


def _with_registers(config: Any) -> int:
    return 1 + int(getattr(config, "num_register_tokens", 0) or 0)


KINDS: Mapping[str, _Kind] = {
    "beit": _Kind("BeitModel", lambda config: 1, True),
    "bit": _Kind("BitModel"),  # the feature maps of its backbone class are those before the last norm
    "convnext": _Kind("ConvNextModel", unused=("layernorm.",)),
    "convnextv2": _Kind("ConvNextV2Model", unused=("layernorm.",)),
    "deit": _Kind("DeiTModel", lambda config: 2, True),
    "dinov2": _Kind("Dinov2Model", lambda config: 1, True),
    "dinov2_with_registers": _Kind("Dinov2WithRegistersModel", _with_registers, True),
    "dinov3_convnext": _Kind("DINOv3ConvNextModel", lambda config: 1),  # the first token is the mean of the others
    "dinov3_vit": _Kind("DINOv3ViTModel", _with_registers, True),
    "focalnet": _Kind("FocalNetModel"),  # as with BiT
    "hiera": _Kind("HieraModel", multiple=lambda config: config.masked_unit_size[0] * config.patch_stride[0]),
    "ijepa": _Kind("IJepaModel"),
    "pixio": _Kind("PixioModel", lambda config: int(config.n_cls_tokens)),  # eight, of which none is the one
    "pvt_v2": _Kind("PvtV2Model"),
    "radio": _Kind("RadioModel", lambda config: int(config.num_cls_tokens) + int(config.num_registers), True),
    "resnet": _Kind("ResNetModel"),
    "sapiens2": _Kind("Sapiens2Model", _with_registers, True),
    "siglip_vision_model": _Kind("SiglipVisionModel"),
    "swin": _Kind("SwinModel"),
    "swinv2": _Kind("Swinv2Model"),
    "tipsv2_vision_model": _Kind("Tipsv2VisionModel", _with_registers, True),
    "vit": _Kind("ViTModel", lambda config: 1, True),
    "vit_mae": _Kind("ViTModel", lambda config: 1, True, config="vit"),  # its own model shuffles the patches
    "vitdet": _Kind("VitDetModel"),
}
_OF_MAPS = _Kind("")
"""How types that are not in the table run: by their class for feature maps."""
_TOWERS = {"siglip": "siglip_vision_model", "tipsv2": "tipsv2_vision_model"}
"""Model of pictures and texts -> its tower for pictures, whose configuration is `vision_config`."""
_PATCHES_ONLY = ("siglip2", "siglip2_vision_model")
"""Models whose input is no picture."""

_INNER = {"vitpose": "backbone_config"}
"""Model with a head -> where in its configuration that of its backbone is."""
_MASK = "mask_token"
_UNUSED = ("pooler.", "head.", "classifier.")
"""Parts of encoders that take no part in the features: they are taken out."""


def vision_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the encoder of pictures within a model's."""
    kind = str(document.get("model_type"))
    if kind in _TOWERS and isinstance(document.get("vision_config"), Mapping):
        return {**document["vision_config"], "model_type": _TOWERS[kind]}
    if kind in _INNER and isinstance(document.get(_INNER[kind]), Mapping):
        return dict(document[_INNER[kind]])
    return dict(document)


def check_known(document: Mapping[str, Any], name: str) -> None:
    """`BackboneError` where transformers is not installed, or the model type has no encoder that is used here."""
    library()
    encoder = vision_document(document)
    for stated in (document, encoder):
        check_not_quantised(stated, name)
    kind = str(encoder.get("model_type"))
    if kind in _PATCHES_ONLY:
        raise BackboneError(
            f"{name}: transformers' {kind} (NaFlex) takes patches that its own processor cuts, not pictures; give the "
            "SigLIP 2 of a fixed size (its model type is siglip), or timm's naflexvit_base_patch16_siglip"
        )
    check_features(kind, document, name)
    known = [*KINDS, *_backbone_classes()]
    if kind not in known:
        raise BackboneError(
            f"{name}: transformers' model type {kind!r} is no encoder of pictures that is known here"
            f"{nearest(kind, known)}"
        )


def _backbone_classes() -> Mapping[str, str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING_NAMES

    listed: Mapping[str, str] = MODEL_FOR_BACKBONE_MAPPING_NAMES
    return {kind: name for kind, name in listed.items() if kind != "timm_backbone"}


def build(config: Mapping[str, Any], expert: int | None = None, **changes: Any) -> TransformersTrunk:
    """The network of a configuration, with random weights; `changes` replace keys of the configuration.

    `expert`: the one that is used of a network with several in each perceptron (ViTPose++).
    """
    transformers = library()
    document = {**vision_document(config), **changes}
    own_type = str(document.pop("model_type"))
    kind = KINDS.get(own_type, _OF_MAPS)
    own_type = kind.config or own_type
    known = keys_of(own_type)
    unknown = [key for key in changes if key not in known]
    if unknown:
        raise BackboneError(
            f"transformers' {own_type} has no key {unknown[0]!r} in its configuration{nearest(unknown[0], known)}"
        )
    check_activations(own_type, document)
    ignored = unknown_keys(own_type, document)
    document["num_labels"] = 1
    settings = transformers.AutoConfig.for_model(own_type, **{k: v for k, v in document.items() if k not in IGNORED})
    if kind is _OF_MAPS:
        settings.out_indices = list(range(len(settings.stage_names)))
        model_class = getattr(transformers, _backbone_classes()[own_type])
    else:
        model_class = getattr(transformers, kind.model)
    settings.vision_use_head = False
    experts = int(getattr(settings, "num_experts", 1) or 1)
    if experts > 1 and (expert is None or expert not in range(experts)):
        raise BackboneError(several_experts(f"transformers' {own_type}", experts))
    if experts == 1 and expert is not None:
        raise BackboneError(f"transformers' {own_type}: expert={expert} is given, and it has one expert alone")
    trunk = TransformersTrunk(model_class, settings, kind, expert if experts > 1 else None)
    trunk.ignored = ignored
    return trunk


def several_experts(what: str, count: int) -> str:
    """The sentence that asks which expert is meant."""
    return (
        f"{what}: has {count} experts in each block, of which one belongs to the dataset of a picture, and which one "
        "is meant is not said: give --arch expert=0 (ViTPose++: 0 COCO, 1 AI Challenger, 2 MPII, 3 AP-10K, 4 APT-36K, "
        "5 COCO-WholeBody)"
    )


class TransformersTrunk(nn.Module):
    """An encoder of transformers as a trunk: `forward` gives the map, the class token or None, and the finer maps."""

    def __init__(self, model_class: Any, settings: Any, kind: _Kind, expert: int | None = None) -> None:
        super().__init__()
        self.expert = expert
        self.ignored: tuple[str, ...] = ()
        """Keys of the configuration that its class does not have."""
        self.model: Any = model_class(settings, **_without_pooling(model_class))
        self.taken_out = tuple(_unused(self.model, kind.unused, expert))
        for name in self.taken_out:
            _take_out(self.model, name)
        self.first_tokens, self.has_class_token = kind.first_tokens(settings), kind.has_class_token
        self.gives_maps = kind is _OF_MAPS
        self.multiple = kind.multiple(settings)
        size = _stated_size(settings)
        self.states_size = size is not None
        self.input_size = size or (224, 224)
        self.resizes = "interpolate_pos_encoding" in inspect.signature(self.model.forward).parameters

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Map N x C x h x w, class token N x C or None, and the finer maps of a hierarchical network."""
        at_stated_size = self.states_size and tuple(images.shape[-2:]) == self.input_size
        options = {"interpolate_pos_encoding": True} if self.resizes and not at_stated_size else {}
        if self.gives_maps:
            *finer, last = (_as_map(m, images) for m in self._feature_maps(images, options))
            return last, None, tuple(m for m in finer if m.shape[-2:] != last.shape[-2:])
        out = self.model(images, output_hidden_states=not self.has_class_token, return_dict=True, **options)
        last = out.last_hidden_state
        if last.ndim == 4:
            return last, None, _finer(out.hidden_states or (), last)
        token = last[:, 0] if self.has_class_token else None
        level = _as_map(last[:, self.first_tokens :], images)
        return level, token, _finer(getattr(out, "reshaped_hidden_states", None) or (), level)

    def _feature_maps(self, images: Tensor, options: dict[str, bool]) -> tuple[Tensor, ...]:
        """The maps of a class that gives them; ViTPose's, which takes one size only, with its positions resized."""
        patches = getattr(getattr(self.model, "embeddings", None), "patch_embeddings", None)
        if type(self.model).__name__ != "VitPoseBackbone" or patches is None:
            return tuple(self.model(images, **options).feature_maps)
        height, width = (int(side) for side in images.shape[-2:])
        side = self.model.config.patch_size[0]
        positions, grid = self.model.embeddings.position_embeddings, [edge // side for edge in self.input_size]
        cells = resize_positions(positions[:, 1:].reshape(1, *grid, -1), (height // side, width // side))
        patches.image_size = (height, width)
        named = {"embeddings.position_embeddings": torch.cat([positions[:, :1], cells.flatten(1, 2)], dim=1)}
        dataset = None if self.expert is None else torch.full((len(images),), self.expert, device=images.device)
        return tuple(torch.func.functional_call(self.model, named, (images, dataset)).feature_maps)

    def translated(self, tensors: Tensors) -> tuple[Tensors, list[str]]:
        """The tensors under the names in memory, by the library's own loading; and the names that it did not use."""
        settings, model_class = self.model.config, type(self.model)
        outside: list[str] = []
        as_part = any(name.startswith(_AS_PART) for name in tensors)
        if self.gives_maps and as_part:  # its class is not a part of the model's
            outside = [name for name in tensors if not name.startswith(_AS_PART)]
            tensors = {n.removeprefix(_AS_PART): value for n, value in tensors.items() if n.startswith(_AS_PART)}
        with _quiet():
            loaded, info = model_class.from_pretrained(
                None,
                config=settings,
                state_dict=dict(tensors),
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **_without_pooling(model_class),
            )
        absent = {*info["missing_keys"], *(key[0] for key in info["mismatched_keys"])}
        state = loaded.state_dict()
        unused = sorted([*info["unexpected_keys"], *outside])
        return {f"model.{n}": v for n, v in state.items() if n not in absent}, unused


def _without_pooling(model_class: Any) -> dict[str, bool]:
    """Arguments of a class that leave out what follows the features, as far as it can."""
    options = inspect.signature(model_class.__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in options else {}


_AS_PART = "backbone."
"""Before names of a backbone in the file of a model with a head (ViTPose)."""

_ERROR = 40
"""The level of Python's logging at which errors alone are said."""


@contextmanager
def _quiet() -> Iterator[None]:
    """The library reports on stderr what the load report says too."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(_ERROR)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _unused(model: nn.Module, more: tuple[str, ...], expert: int | None) -> list[str]:
    """Parameters without a part in the features: of several experts all but the chosen one too."""

    def unused(name: str) -> bool:
        other = expert is not None and ".experts." in name and f".experts.{expert}." not in name
        return name.endswith(_MASK) or name.startswith((*_UNUSED, *more)) or other

    return [name for name, _ in model.named_parameters() if unused(name)]


def _take_out(model: nn.Module, name: str) -> None:
    """Make a parameter a buffer that is not saved: code of the model may read it."""
    path, _, leaf = name.rpartition(".")
    owner = model.get_submodule(path)
    value = owner._parameters.pop(leaf)
    if value is not None:
        owner.register_buffer(leaf, value.detach(), persistent=False)


def _stated_size(settings: Any) -> tuple[int, int] | None:
    """Height and width that the positions are of; None where the configuration states none."""
    size = getattr(settings, "image_size", None) or getattr(settings, "max_img_size", None)
    if size is None:
        return None
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return int(height), int(width)


def _as_map(cells: Tensor, images: Tensor) -> Tensor:
    """Cells N x L x C of these images, all as high as wide, as a map N x C x h x w; a map as it is."""
    if cells.ndim == 4:
        return cells
    count, (height, width) = cells.shape[1], images.shape[-2:]
    stride = round((height * width / count) ** 0.5)
    if (height // stride) * (width // stride) != count:
        raise BackboneError(f"{count} tokens are no grid of a picture of {height}x{width}")
    return cells.transpose(1, 2).reshape(len(cells), -1, height // stride, width // stride)


def _finer(levels: tuple[Tensor, ...], last: Tensor) -> tuple[Tensor, ...]:
    """The last map of each resolution that is finer than the last one's, finest first."""
    by_size = {level.shape[-2:]: level for level in levels if level.ndim == 4}
    sizes = [size for size in by_size if size[0] > last.shape[-2]]
    return tuple(by_size[size] for size in sorted(sizes, reverse=True))


class TransformersForward(WholeForward):
    """An encoder of transformers."""

    identity = "TransformersForward"

    def __init__(self, trunk: TransformersTrunk) -> None:
        self.has_class_token = trunk.has_class_token
        self.size = trunk.input_size
        self.groups = tuple(_groups(trunk))
        training = trunk.training
        side = [_trial(edge, trunk) for edge in trunk.input_size]
        with torch.set_grad_enabled(trunk.gives_maps):
            level, _, finer = trunk.eval()(torch.zeros(1, 3, *side))
        trunk.train(training)
        maps = (*finer, level)
        if trunk.gives_maps:
            _check_all_used(trunk, maps)
        self.strides = tuple(round(side[0] / m.shape[-2]) for m in maps)
        self.channels = tuple(int(m.shape[1]) for m in maps)
        self.multiple = math.lcm(self.strides[-1], trunk.multiple)

    def run(self, trunk: Any, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None) -> State:
        try:
            last, token, finer = trunk(state[0])
        except (ValueError, RuntimeError, AssertionError) as error:
            if tuple(state[0].shape[-2:]) == self.size or isinstance(error, torch.OutOfMemoryError):
                raise
            raise BackboneError(
                f"{type(trunk.model).__name__} was built for pictures of {self.size[0]}x{self.size[1]} and cannot take "
                f"{state[0].shape[-2]}x{state[0].shape[-1]} ({str(error).splitlines()[0]})"
            ) from error
        if visit is not None:
            visit(last.flatten(2).transpose(1, 2))
        return (last, *(() if token is None else (token,)), *(finer if level == "maps" else ()))


def _trial(edge: int, trunk: TransformersTrunk) -> int:
    """A side of the picture at which strides are measured: one that they divide, where the network takes it."""
    if not trunk.states_size:
        return 256  # 224 has 4 cells of a stride of 64, as it has of one of 56
    oblong = trunk.input_size[0] != trunk.input_size[1]  # its positions are resized by no class
    return -(-edge // 32) * 32 if (trunk.resizes and not oblong) or edge > 512 else edge


def _check_all_used(trunk: TransformersTrunk, maps: tuple[Tensor, ...]) -> None:
    """`BackboneError` where the feature maps of a class leave a part of its network out, like the last norm."""
    named = [(name, parameter) for name, parameter in trunk.named_parameters() if parameter.requires_grad]
    total = torch.stack([level.sum() for level in maps]).sum()
    if not total.requires_grad:
        return
    gradients = torch.autograd.grad(total, [parameter for _, parameter in named], allow_unused=True)
    out = [name for (name, _), gradient in zip(named, gradients, strict=True) if gradient is None]
    if out:
        raise BackboneError(
            f"transformers' {type(trunk.model).__name__} gives feature maps in which {out[0].removeprefix('model.')} "
            "has no part, so they are not what its network computes; give a network of timm (timm:NAME) with the "
            "weights (--checkpoint FILE)"
        )


def _groups(trunk: TransformersTrunk) -> Iterator[LayerGroup]:
    """Embeddings, one group a block in the order of the network, and the norms after them."""
    blocks = list(_blocks(trunk))
    members: dict[str, list[str]] = {"embeddings": [], **{block: [] for block in blocks}}
    pending: list[str] = []
    seen = False
    for name, _ in trunk.named_parameters():
        block = next((b for b in blocks if name.startswith(f"{b}.")), None)
        if block is not None:
            members[block] += [*pending, name]
            pending, seen = [], True
        else:
            (pending if seen else members["embeddings"]).append(name)
    for block, names in members.items():
        if names:
            yield LayerGroup(block.removeprefix("model."), tuple(f"trunk.{path}" for path in cover(trunk, names)))
    if pending:
        paths = cover(trunk, pending)
        norms = all(
            holds_norms_only(trunk.get_submodule(path)) for path in paths if path in dict(trunk.named_modules())
        )
        yield LayerGroup("norm" if norms else "last", tuple(f"trunk.{path}" for path in paths))


def _blocks(trunk: nn.Module) -> Iterator[str]:
    """Paths of the innermost layers: items of lists of modules that hold no such list themselves."""

    def is_block(module: nn.Module) -> bool:
        return type(module).__name__.endswith(("Layer", "Block", "ResNetBasicLayer", "BottleNeckLayer"))

    lists = {path: m for path, m in trunk.named_modules() if isinstance(m, nn.ModuleList | nn.Sequential)}
    blocks = {
        f"{path}.{name}" for path, parent in lists.items() for name, item in parent.named_children() if is_block(item)
    }
    for path, _ in trunk.named_modules():
        if path in blocks and not any(other.startswith(f"{path}.") for other in blocks):
            yield path
