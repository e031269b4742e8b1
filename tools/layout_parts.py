"""What the rows of `tools.layouts` are made of: a layout, how it is tried, and tiny networks with disturbed weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from humanbench.backbones import Backbone, load_backbone
from humanbench.errors import BackboneError

Tensors = dict[str, Tensor]
Reference = Callable[[Tensor], Tensor]
"""What the library that wrote the file makes of images: tokens N x L x C, or a map N x C x h x w."""

SMALL: dict[str, Any] = {
    "img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_classes": 0,
}  # fmt: skip
HEADS = {"num_heads": 4}


@dataclass(frozen=True)
class Layout:
    """A family's layout: `write` puts it into a folder and gives what is loaded, and the features it must have.

    `arguments`: those of `load_backbone`. `refused`: words of the sentence, where it must not load.
    """

    family: str
    layout: str
    write: Callable[[Path], tuple[str, str | None, Reference | None]]
    arguments: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    size: tuple[int, int] = (64, 64)


@dataclass(frozen=True)
class Outcome:
    """What became of a layout: its route, the largest difference of the features, and the line of the report."""

    loaded: bool
    route: str
    difference: float
    line: str


@torch.no_grad()
def outcome(layout: Layout) -> Outcome:
    """Write, load and compare one layout."""
    with tempfile.TemporaryDirectory() as place:
        torch.manual_seed(3)
        name, checkpoint, reference = layout.write(Path(place))
        try:
            backbone = load_backbone(name, checkpoint, **layout.arguments)
        except BackboneError as error:
            return Outcome(False, "refused", float("nan"), str(error).replace(f"{place}/", "").replace(place, "FOLDER"))
        images = torch.randn(2, 3, *layout.size, generator=torch.Generator().manual_seed(1))
        difference = float("nan") if reference is None else _difference(backbone, images, reference(images))
        report = backbone.report
        assert report is not None
        notes = [*report.notes, *(f"guessed {guess}" for guess in report.guesses)]
        total = len(report.loaded) + len(report.missing)
        line = "; ".join([f"{report.scheme}, {len(report.loaded)} of {total} tensors", *notes[:1]])
        return Outcome(True, type(backbone.grouped_forward).__name__, difference, line)


def _difference(backbone: Backbone, images: Tensor, expected: Tensor) -> float:
    """The largest difference over the map, and the class token where both have one."""
    features = backbone(images)
    if expected.ndim == 4:
        return float((features.map - expected).abs().max())
    cells = features.tokens.shape[1]
    worst = float((features.tokens - expected[:, expected.shape[1] - cells :]).abs().max())
    if features.class_token is not None:
        worst = max(worst, float((features.class_token - expected[:, 0]).abs().max()))
    return worst


def disturbed(network: nn.Module) -> nn.Module:
    """The network in evaluation mode with weights of which none is at its default."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            scale = 0.5 if "token" in name or "pos" in name else 0.1
            parameter.add_(torch.randn_like(parameter) * scale)
    return network.eval()


def plain(**more: Any) -> VisionTransformer:
    network = disturbed(VisionTransformer(**{**SMALL, **more}))
    assert isinstance(network, VisionTransformer)
    return network


def save(tensors: Tensors, path: Path) -> str:
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, path)
    return str(path)


def bare(rename: Callable[[Tensors], Any] = dict, **more: Any) -> Callable[[Path], tuple[str, None, Reference]]:
    """A bare file of timm's plain transformer, its tensors renamed or wrapped."""

    def write(folder: Path) -> tuple[str, None, Reference]:
        network = plain(**more)
        content = rename(dict(network.state_dict()))
        torch.save(content, folder / "weights.pth")
        return str(folder / "weights.pth"), None, network.forward_features

    return write
