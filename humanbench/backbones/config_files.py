"""What the small files beside a checkpoint say of it: `config.json` and its kin, and words in the weights' own header.

Read are the configurations of timm (`architecture`, `pretrained_cfg`), open_clip (`model_cfg`, `preprocess_cfg`) and
transformers (`model_type`, and `preprocessor_config.json` or `processor_config.json`, whose processing of pictures is
told as mean, standard deviation and interpolation of values of 0..1). The header of safetensors files that humanbench
writes holds the architecture and the preprocessing of its network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from humanbench.backbones.cards import LEAST_STD, Architecture
from humanbench.backbones.open_clip_config import own_tower, timm_tower
from humanbench.backbones.preprocessing import PIXELS, StatedPixels, given_pixels
from humanbench.documents import from_json
from humanbench.errors import BackboneError

HEADER = "humanbench_network"
"""Key of the words in a safetensors header."""


@dataclass(frozen=True)
class BesideFile:
    """What lies beside a checkpoint says: keywords of the plain transformer, pixels, and the library's own document.

    `questions`: argument, or key of the document, that is not understood -> why it must be said.
    """

    source: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    pixels: StatedPixels | None = None
    document: dict[str, Any] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)

    @property
    def model_type(self) -> str:
        """The network's type where the document is transformers', else empty."""
        return str(self.document.get("model_type") or "")


_SEEN = TypeAdapter(tuple[str, ...] | None)


@dataclass(frozen=True)
class HeaderWords:
    """What the header of a safetensors file says: the network, its preprocessing, and what its weights have seen."""

    architecture: Architecture | None = None
    pixels: StatedPixels | None = None
    pretrained_on: tuple[str, ...] | None = None


def header_of(
    architecture: Architecture, pixels: Mapping[str, Any], pretrained_on: Iterable[str] | None = None
) -> dict[str, str]:
    """The words for the header of a safetensors file: what builds its network, the preprocessing, what it has seen."""
    content = {"architecture": architecture.model_dump(mode="json")} | {key: pixels[key] for key in PIXELS}
    if pretrained_on is not None:
        content["pretrained_on"] = list(pretrained_on)
    return {HEADER: json.dumps(content)}


def read_header(metadata: Mapping[str, str], source: str) -> HeaderWords:
    """What `header_of` wrote; nothing for other files. Raises `BackboneError` for a header that is damaged."""
    if HEADER not in metadata:
        return HeaderWords()
    try:
        content = json.loads(metadata[HEADER])
        architecture = Architecture.model_validate(content["architecture"])
        pixels = given_pixels({key: content[key] for key in PIXELS}, "the header of the file")
        seen = _SEEN.validate_python(content.get("pretrained_on"))
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise BackboneError(f"{source}: the words of humanbench in its header are damaged ({error})") from error
    return HeaderWords(architecture, pixels, seen)


CONFIGS = ("config.json", "open_clip_config.json")
"""Names of the files in which libraries say what their weights are of; the first one that there is counts."""


def read_beside(folder: Path) -> BesideFile:
    """What the configuration files of a folder say; an empty answer where there are none."""
    for name in CONFIGS:
        path = folder / name
        if path.is_file():
            return from_document(read_document(path), name, lambda file: read_document(folder / file))
    return BesideFile()


def from_document(document: dict[str, Any], name: str, read: Callable[[str], dict[str, Any]]) -> BesideFile:
    """What one configuration says; `read` gives the other files beside it, empty where there are none."""
    if "model_cfg" in document:
        return _open_clip(document, name)
    if "pretrained_cfg" in document or "architecture" in document:
        return BesideFile(name, {}, _pixels(document.get("pretrained_cfg") or document, name), document)
    pixels = _processor_pixels(*_read_processor(read))
    vision = document.get("vision_config")
    plain, questions = _plain_of(vision if isinstance(vision, Mapping) else document, name)
    return BesideFile(name, plain, pixels, document, questions)


def read_document(path: Path) -> dict[str, Any]:
    """The object of a JSON file, empty where there is none or it holds another value; `BackboneError` for no JSON."""
    if not path.is_file():
        return {}
    try:
        document = from_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise BackboneError(f"{path}: is not a JSON file ({error})") from error
    return document if isinstance(document, dict) else {}


def _pixels(values: Mapping[str, Any], source: str) -> StatedPixels | None:
    stated = {key: values[key] for key in PIXELS if values.get(key) is not None}
    if stated.get("interpolation") not in (None, "bilinear", "bicubic"):
        del stated["interpolation"]
    return given_pixels(stated, source) if stated else None


def _open_clip(document: Mapping[str, Any], name: str) -> BesideFile:
    """open_clip's: the visual tower's sizes and its activation, or the network of timm that the tower is."""
    model = document["model_cfg"]
    tower = model.get("vision_cfg", {}) if isinstance(model, Mapping) else None
    if not isinstance(tower, Mapping):
        raise BackboneError(f"{name}: holds no mapping model_cfg with the sizes of the tower (vision_cfg)")
    pixels = _pixels(document.get("preprocess_cfg") or {}, name)
    if tower.get("timm_model_name"):
        arguments, questions = timm_tower(tower, name)
        network = {"architecture": str(tower["timm_model_name"])}
        return BesideFile(name, arguments, pixels, network, questions)
    arguments, questions = own_tower(tower, bool(model.get("quick_gelu")), name)
    return BesideFile(name, arguments, pixels, dict(document), questions)


_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "quick_gelu": "quick_gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
"""transformers' names -> ours; three of them write the tanh form of GELU in three ways."""


def _plain_of(document: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Keywords of the plain transformer in transformers' words, and what is asked."""
    arguments: dict[str, Any] = {}
    for theirs, ours in (("num_attention_heads", "num_heads"), ("layer_norm_eps", "norm_eps")):
        if isinstance(document.get(theirs), int | float):
            arguments[ours] = document[theirs]
    if document.get("hidden_act") is None:
        return arguments, {}
    activation = str(document["hidden_act"])
    if activation not in _ACTIVATIONS:
        asked = f"{name}: says hidden_act={activation[:60]!r}, an activation that the plain transformer here has not"
        return arguments, {"act_layer": f"{asked}; say which of its own is meant with --arch act_layer=NAME"}
    arguments["act_layer"] = _ACTIVATIONS[activation]
    return arguments, {}


PROCESSOR = "preprocessor_config.json"
_OF_ALL = "processor_config.json"
"""A processor of pictures and texts in one file: that of pictures is under `image_processor`."""

_RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of interpolations, as transformers' processors keep them."""


def _read_processor(read: Callable[[str], dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """The processor of pictures and the file that holds it, of those that `read` gives (empty where there is none)."""
    document = read(PROCESSOR)
    if document:
        return document, PROCESSOR
    inner = read(_OF_ALL).get("image_processor")
    return (dict(inner), _OF_ALL) if isinstance(inner, Mapping) else ({}, "")


def _processor_pixels(processor: Mapping[str, Any], source: str) -> StatedPixels | None:
    """What a processor does to the values of a picture: times `rescale_factor`, less one with `rescale_offset`, less
    `image_mean`, by `image_std`. Written as a mean and a std of values in 0..1 it is the same; what has no such form
    within their ranges is asked for. Raises `BackboneError` for networks that take BGR."""
    if processor.get("do_flip_channel_order") is True:
        raise BackboneError(
            f"{source}: says do_flip_channel_order, so the network takes blue, green, red, and pictures are red, "
            "green, blue here: reverse the input channels of the weights' first layer, and set the key to false"
        )
    interpolation = _RESAMPLE.get(resample) if isinstance(resample := processor.get("resample"), int) else None
    stated: dict[str, Any] = {} if interpolation is None else {"interpolation": interpolation}
    mean, std = processor.get("image_mean"), processor.get("image_std")
    if processor.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    stated |= {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    factor, offset = _scale(processor, source)
    if (factor, offset) == (1.0, 0.0):
        return given_pixels(stated, source) if stated else None
    asked = replace(given_pixels({"interpolation": interpolation}, source), doubt=_doubt(source, factor))
    if mean is None or std is None:
        return asked
    means, stds = _three(mean, source), _three(std, source)
    moved = {"mean": tuple((m + offset) / factor for m in means), "std": tuple(s / factor for s in stds)}
    in_range = all(0 <= m <= 1 for m in moved["mean"]) and all(LEAST_STD <= s <= 1 for s in moved["std"])
    of_unit = factor == 255 and processor.get("do_normalize") is not False and max(*means, *stds) <= 1
    if not in_range or of_unit:  # values of 0..1 taken off those of 0..255: whoever wrote them rescaled elsewhere
        return asked
    return given_pixels({**stated, **moved}, source)


def _scale(processor: Mapping[str, Any], source: str) -> tuple[float, float]:
    """By what values in 0..1 are multiplied, and what is taken off then."""
    if processor.get("do_rescale") is False:
        return 255.0, 0.0
    factor = processor.get("rescale_factor")
    if factor is None:
        return 1.0, 0.0
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= 1:
        raise BackboneError(f"{source}: rescale_factor={str(factor)[:60]} is no number in 0..1; it is 1/255 elsewhere")
    times = 255.0 * factor
    return (1.0 if abs(times - 1) < 1e-3 else times), (1.0 if processor.get("rescale_offset") is True else 0.0)


def _three(values: Any, source: str) -> tuple[float, ...]:
    numbers = values if isinstance(values, list | tuple) else [values] * 3
    if len(numbers) != 3 or not all(isinstance(number, int | float) for number in numbers):
        raise BackboneError(f"{source}: {str(values)[:60]} are not three numbers for red, green and blue")
    return tuple(float(number) for number in numbers)


def _doubt(source: str, factor: float) -> str:
    scaled = "rescaled by another factor than 1/255 (rescale_factor, rescale_offset)"
    how = "not rescaled (do_rescale)" if factor == 255 else scaled
    return f"{source} says that the values of pictures are {how}, and its image_mean and image_std do not go with that"
