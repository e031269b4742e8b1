"""What the small files beside a checkpoint say of it: `config.json` and its kin, and words in the weights' own header.

Read are the configurations of timm (`architecture`, `pretrained_cfg`), open_clip (`model_cfg`, `preprocess_cfg`) and
transformers (`model_type`, and `preprocessor_config.json`). The header of safetensors files that humanbench writes
holds the architecture and the preprocessing of its network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from humanbench.backbones.cards import Architecture
from humanbench.backbones.preprocessing import PIXELS, StatedPixels, given_pixels
from humanbench.errors import BackboneError

HEADER = "humanbench_network"
"""Key of the words in a safetensors header."""

_RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of interpolations, as transformers' processors keep them."""


@dataclass(frozen=True)
class BesideFile:
    """What lies beside a checkpoint says: keywords of the plain transformer, pixels, and the library's own document."""

    source: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    pixels: StatedPixels | None = None
    document: dict[str, Any] = field(default_factory=dict)

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
        pixels = given_pixels({key: content[key] for key in PIXELS})
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise BackboneError(f"{source}: the words of humanbench in its header are damaged ({error})") from error
    return architecture, StatedPixels("the header of the file", pixels.values)


CONFIGS = ("config.json", "open_clip_config.json")
"""Names of the files in which libraries say what their weights are of; the first one that there is counts."""


def read_beside(folder: Path) -> BesideFile:
    """What the configuration files of a folder say; an empty answer where there are none."""
    for name in CONFIGS:
        path = folder / name
        if path.is_file():
            return from_document(_read(path), name, _read(folder / "preprocessor_config.json"))
    return BesideFile()


def from_document(document: dict[str, Any], name: str, processor: Mapping[str, Any] | None = None) -> BesideFile:
    """What one configuration says."""
    if "model_cfg" in document:
        return _open_clip(document, name)
    if "pretrained_cfg" in document or "architecture" in document:
        return BesideFile(name, {}, _pixels(document.get("pretrained_cfg") or document, name), document)
    pixels = _pixels(_of_processor(processor or {}), "preprocessor_config.json")
    vision = document.get("vision_config")
    plain = _plain_of(vision if isinstance(vision, Mapping) else document)
    return BesideFile(name, plain, pixels, document)


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
    return StatedPixels(source, given_pixels(stated).values) if stated else None


def _of_processor(processor: Mapping[str, Any]) -> dict[str, Any]:
    """Values of transformers' image processors under the names used here."""
    return {
        "mean": processor.get("image_mean"),
        "std": processor.get("image_std"),
        "interpolation": _RESAMPLE.get(processor.get("resample", -1)),
    }


def _open_clip(document: Mapping[str, Any], name: str) -> BesideFile:
    """open_clip's: the visual tower's sizes and whether its activation is the quick one, or the network of timm that
    the tower is."""
    model = document["model_cfg"]
    tower = model.get("vision_cfg", {})
    pixels = _pixels(document.get("preprocess_cfg") or {}, name)
    if tower.get("timm_model_name"):
        return BesideFile(name, {}, pixels, {"architecture": str(tower["timm_model_name"])})
    arguments: dict[str, Any] = {"act_layer": "quick_gelu" if model.get("quick_gelu") else "gelu"}
    if isinstance(tower.get("width"), int):
        arguments["num_heads"] = tower["width"] // int(tower.get("head_width", 64))
    return BesideFile(name, arguments, pixels, dict(document))


def _plain_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of the plain transformer in transformers' words."""
    arguments: dict[str, Any] = {}
    for theirs, ours in (("num_attention_heads", "num_heads"), ("layer_norm_eps", "norm_eps")):
        if isinstance(document.get(theirs), int | float):
            arguments[ours] = document[theirs]
    activation = {"gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_pytorch_tanh": "gelu_tanh"}
    if document.get("hidden_act") in activation:
        arguments["act_layer"] = activation[str(document["hidden_act"])]
    return arguments
