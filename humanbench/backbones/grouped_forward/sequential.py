"""Networks that are a plain sequence of modules: each takes the one tensor that the one before it returned.

Most convolutional and many hierarchical networks are. Which attributes of a timm class make up the sequence is data;
`nn.Sequential` and the classes named here are opened, so every residual or attention block becomes its own step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import (
    GroupedForward,
    State,
    Visit,
    channels_first,
    holds_norms_only,
    prune,
)

TRUNKS = {
    "ByobNet": "stem stages final_conv",
    "ConvNeXt": "stem stages norm_pre head.norm",
    "DenseNet": "features",
    "EdgeNeXt": "stem stages norm_pre head.norm",
    "EfficientNet": "conv_stem bn1 blocks conv_head bn2",
    "FocalNet": "stem layers norm",
    "MobileNetV3": "conv_stem bn1 blocks",
    "MetaFormer": "stem stages",
    "PyramidVisionTransformerV2": "patch_embed stages",
    "RegNet": "stem s1 s2 s3 s4 final_conv",
    "ResNet": "conv1 bn1 act1 maxpool layer1 layer2 layer3 layer4",
    "ResNetV2": "stem stages norm",
    "SoliderSwin": "patch_embed layers norm",
    "SwinTransformer": "patch_embed layers norm",
    "SwinTransformerV2": "patch_embed layers norm",
    "TinyVit": "patch_embed stages head.norm",
}
"""Class of the trunk -> its sequence. `head.norm`, which timm applies to the pooled vector, is applied to each cell."""

OPENED = {
    "ConvNeXtStage": "downsample blocks",
    "EdgeNeXtStage": "downsample blocks",
    "FocalNetStage": "downsample blocks",
    "RegStage": "*",
    "ResNetStage": "blocks",
    "SwinTransformerStage": "downsample blocks",
    "SwinTransformerV2Stage": "downsample blocks",
    "TinyVitStage": "downsample >NHWC blocks >NCHW",
}
"""Classes of stages that are themselves sequences (`*`: all their children); `>` changes the layout of the tensor."""

_BETWEEN = ("downsample", "transition")
"""Names of modules that open a stage."""

_PROBE = 64
"""Side of the picture that a network is measured with; every network above halves it five times at most."""


@dataclass(frozen=True)
class _Group:
    steps: tuple[str, ...]
    block: bool
    channels_last: bool
    ends_level: bool


class SequentialForward(GroupedForward):
    """A sequence of modules with a pyramid of levels; the state is the current tensor and the levels passed so far."""

    identity = "SequenceRoute"

    def __init__(self, trunk: nn.Module) -> None:
        parts = _group(trunk, list(_open(trunk, TRUNKS[type(trunk).__name__].split())))
        names = _names(parts)
        self.groups = tuple(
            LayerGroup(name, tuple(f"trunk.{step}" for step in steps if not step.startswith(">")))
            for name, steps in zip(names, parts, strict=True)
        )
        prune(trunk, self.groups)
        measured = _measure(trunk, parts)
        ends = [i > 0 and (i == len(parts) - 1 or measured[i][0] != measured[i + 1][0]) for i in range(len(parts))]
        self._plan = tuple(
            _Group(tuple(steps), name not in ("stem", "norm"), last, end)
            for name, steps, (_, _, last), end in zip(names, parts, measured, ends, strict=True)
        )
        self.strides = tuple(_PROBE // side for (side, _, _), end in zip(measured, ends, strict=True) if end)
        self.channels = tuple(width for (_, width, _), end in zip(measured, ends, strict=True) if end)
        self.multiple = self.strides[-1]

    @staticmethod
    def fits(trunk: nn.Module) -> bool:
        """Whether the trunk's class is one whose sequence is known."""
        return type(trunk).__name__ in TRUNKS

    def run(
        self, trunk: nn.Module, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None
    ) -> State:
        x, *levels = state
        for index in range(start, stop):
            before = self._plan[index - 1] if index else None
            if level == "maps" and before is not None and before.ends_level:
                levels.append(channels_first(x) if before.channels_last else x)
            group = self._plan[index]
            for step in group.steps:
                x = _apply(trunk, step, x)
            if visit is not None and group.block:
                visit((x if group.channels_last else x.permute(0, 2, 3, 1)).flatten(1, 2))
        return (x, *levels)

    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        last = channels_first(state[0]) if self._plan[-1].channels_last else state[0]
        return (*state[1:], last), None


def _apply(trunk: nn.Module, step: str, x: Tensor) -> Tensor:
    if step == ">NHWC":
        return x.permute(0, 2, 3, 1)
    if step == ">NCHW":
        return x.permute(0, 3, 1, 2)
    result: Tensor = trunk.get_submodule(step)(x)
    return result


def _open(parent: nn.Module, parts: list[str], path: str = "") -> Iterator[str]:
    """Paths of the steps in order, going into sequences and into the classes of `OPENED`."""
    for part in parts:
        if part.startswith(">"):
            yield part
            continue
        if part == "head.norm" and not hasattr(parent.get_submodule("head"), "norm"):  # it is `norm_pre` then
            continue
        module = parent.get_submodule(part)
        full = f"{path}{part}"
        inner = OPENED.get(type(module).__name__)
        children = [name for name, _ in module.named_children()]
        if type(module) in (nn.Sequential, nn.ModuleList) or inner == "*":
            yield from _open(module, children, f"{full}.")
        elif inner is not None:
            yield from _open(module, inner.split(), f"{full}.")
        else:
            yield full


def _group(trunk: nn.Module, steps: list[str]) -> list[list[str]]:
    """Steps joined into layer groups: the stem, one a block, a final norm. A step without parameters joins another."""
    groups: list[list[str]] = [[]]
    pending: list[str] = []
    body = False
    for step in steps:
        if step.startswith(">"):
            (pending if step == ">NHWC" else groups[-1]).append(step)
            continue
        opens = _opens_stage(step)
        inner = body or _in_body(step)
        if not inner:
            groups[-1].append(step)
        elif opens:
            body = True
            pending.append(step)
        elif any(True for _ in trunk.get_submodule(step).parameters()):
            body = True
            groups.append([*pending, step])
            pending = []
        else:
            (pending if pending else groups[-1]).append(step)
    groups[-1].extend(pending)
    return _merge_tail(trunk, groups)


def _opens_stage(step: str) -> bool:
    """Whether a step is a downsampling that belongs to the block after it."""
    return any(part.startswith(_BETWEEN) for part in step.split("."))


def _in_body(step: str) -> bool:
    """Whether a step lies in a stage (`layer1.0`, `stages.0.blocks.0`, `features.denseblock1`), not in the stem."""
    head = step.split(".")[0]
    if head == "features":
        return "denseblock" in step
    return head in ("blocks", "layers", "stages") or head.startswith("layer") or (head[0] == "s" and head[1:].isdigit())


def _merge_tail(trunk: nn.Module, groups: list[list[str]]) -> list[list[str]]:
    """Groups of norms alone at the end become one; elsewhere (`conv_head`, `bn2`) they join the group before."""
    tail: list[str] = []
    while len(groups) > 1 and all(holds_norms_only(trunk.get_submodule(s)) for s in groups[-1] if s[0] != ">"):
        tail = [*groups.pop(), *tail]
    if not tail:
        return groups
    if groups[-1][-1] in ("conv_head", "final_conv"):  # a last convolution outside the stages: its norm is part of it
        groups[-1] += tail
        return groups
    return [*groups, tail]


def _names(groups: list[list[str]]) -> list[str]:
    """`stem`, the path of each block, `norm`."""
    names = ["stem"]
    for group in groups[1:]:
        blocks = [s for s in group if s[0] != ">" and not _opens_stage(s)]
        names.append((blocks or group)[0])
    last = groups[-1]
    if len(groups) > 1 and all(s in ("norm", "norm_pre", "head.norm", "features.norm5") for s in last):
        names[-1] = "norm"
    return names


@torch.no_grad()
def _measure(trunk: nn.Module, groups: list[list[str]]) -> list[tuple[int, int, bool]]:
    """Side, channels and whether channels come last, after each group, on a small black picture."""
    training = trunk.training
    trunk.eval()
    reference = next(trunk.parameters())
    x = torch.zeros(1, 3, _PROBE, _PROBE, dtype=reference.dtype, device=reference.device)
    native_last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
    inside, result = native_last, []
    for group in groups:
        for step in group:
            inside = {">NHWC": True, ">NCHW": False}.get(step, inside)
            x = _apply(trunk, step, x)
        height, width = (x.shape[1], x.shape[3]) if inside else (x.shape[2], x.shape[1])
        result.append((int(height), int(width), inside))
    trunk.train(training)
    return result
