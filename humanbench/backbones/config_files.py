"""What the small files beside a checkpoint say of it: `config.json` and its kin, and words in the weights' own header.

Read are the configurations of timm (`architecture`, `pretrained_cfg`), open_clip (`model_cfg`, `preprocess_cfg`) and
transformers (`model_type`, and `preprocessor_config.json` or `processor_config.json`). The header of safetensors files
that humanbench writes
holds the architecture and the preprocessing of its network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from humanbench.backbones.cards import Architecture
from humanbench.backbones.open_clip_config import own_tower, timm_tower
from humanbench.backbones.preprocessing import PIXELS, StatedPixels, given_pixels
from humanbench.backbones.processors import processor_pixels, read_processor
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


def header_of(architecture: Architecture, pixels: Mapping[str, Any]) -> dict[str, str]:
    """The words for the header of a safetensors file: what builds its network, and the preprocessing."""
    content = {"architecture": architecture.model_dump(mode="json")} | {key: pixels[key] for key in PIXELS}
    return {HEADER: json.dumps(content)}


def read_header(metadata: Mapping[str, str], source: str) -> tuple[Architecture | None, StatedPixels | None]:
    """What `header_of` wrote; nothing for other files. Raises `BackboneError` for a header that is damaged."""
    if HEADER not in metadata:
        return None, None
    try:
        content = json.loads(metadata[HEADER])
        architecture = Architecture.model_validate(content["architecture"])
        pixels = given_pixels({key: content[key] for key in PIXELS}, "the header of the file")
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise BackboneError(f"{source}: the words of humanbench in its header are damaged ({error})") from error
    return architecture, pixels


CONFIGS = ("config.json", "open_clip_config.json")
"""Names of the files in which libraries say what their weights are of; the first one that there is counts."""


def read_beside(folder: Path) -> BesideFile:
    """What the configuration files of a folder say; an empty answer where there are none."""
    for name in CONFIGS:
        path = folder / name
        if path.is_file():
            return from_document(_read(path), name, lambda file: _read(folder / file))
    return BesideFile()


def from_document(document: dict[str, Any], name: str, read: Callable[[str], dict[str, Any]]) -> BesideFile:
    """What one configuration says; `read` gives the other files beside it, empty where there are none."""
    if "model_cfg" in document:
        return _open_clip(document, name)
    if "pretrained_cfg" in document or "architecture" in document:
        return BesideFile(name, {}, _pixels(document.get("pretrained_cfg") or document, name), document)
    pixels = processor_pixels(*read_processor(read))
    vision = document.get("vision_config")
    plain, questions = _plain_of(vision if isinstance(vision, Mapping) else document, name)
    return BesideFile(name, plain, pixels, document, questions)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
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
