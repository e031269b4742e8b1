"""Any other timm network: run as one, through `forward_intermediates`, or `forward_features` where that is lacking."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from timm.models import group_parameters
from torch import Tensor, nn

from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import (
    State,
    Visit,
    WholeForward,
    channels_first,
    cover,
    holds_norms_only,
)
from humanbench.errors import BackboneError

FAILURES = (AssertionError, RuntimeError, IndexError, UnboundLocalError, ValueError)
"""What timm's networks raise for images of a size that they cannot take."""


class OpaqueForward(WholeForward):
    """Any network of timm. Layer groups are those of its `group_matcher`."""

    identity = "WholeRoute"

    def __init__(self, trunk: Any, input_size: tuple[int, int]) -> None:
        self.size = input_size
        self._isotropic = "return_prefix_tokens" in _options(trunk) and hasattr(trunk, "num_prefix_tokens")
        self._stepwise = hasattr(trunk, "forward_intermediates")
        self.prefix = int(getattr(trunk, "num_prefix_tokens", 0)) if self._isotropic else 0
        self.has_class_token = self.prefix > 0 and getattr(trunk, "cls_token", None) is not None
        self.multiple = 1
        try:
            maps = self._measure(trunk, input_size)
        except FAILURES as error:
            raise BackboneError(
                f"{type(trunk).__name__} does not run on images of its own size, {input_size[0]}x{input_size[1]} "
                f"({error or type(error).__name__}); take another network"
            ) from error
        stated = [int(info["reduction"]) for info in getattr(trunk, "feature_info", ()) if isinstance(info, dict)]
        measured = [round(input_size[0] / m.shape[-2]) for m in maps]
        self.strides = tuple(stated if len(stated) == len(measured) else measured)
        self.channels = tuple(int(m.shape[1]) for m in maps)
        own_size_fits = all(side % self.strides[-1] == 0 for side in input_size)
        self.multiple = self.strides[-1] if own_size_fits else 1  # LeViT's maps are 14, 7 and 4 cells wide
        self.groups = tuple(_groups(trunk))

    def run(self, trunk: Any, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None) -> State:
        try:
            if visit is not None:
                for tokens in self._tokens(trunk, state[0]):
                    visit(tokens)
            return self._state(trunk, state[0], level == "maps")
        except FAILURES as error:
            raise self._wrong_size(trunk, state[0], error) from error

    def _wrong_size(self, trunk: Any, images: Tensor, error: Exception) -> Exception:
        """The error as a sentence about sizes, where it can be one; else the error itself."""
        given = tuple(images.shape[-2:])
        if given == tuple(self.size) or isinstance(error, torch.OutOfMemoryError):
            return error
        fixed = "img_size" in inspect.signature(type(trunk).__init__).parameters
        mend = f"build it with img_size=({given[0]}, {given[1]})" if fixed else "give it a larger input.size"
        return BackboneError(
            f"{type(trunk).__name__} was built for images of {self.size[0]}x{self.size[1]} and cannot take "
            f"{given[0]}x{given[1]} ({error}); {mend} or take another one"
        )

    def _state(self, trunk: Any, images: Tensor, pyramid: bool) -> State:
        if self._isotropic:
            levels = trunk.forward_intermediates(
                images, indices=1, norm=True, return_prefix_tokens=self.prefix > 0, intermediates_only=True
            )
            cells, prefix = levels[-1] if isinstance(levels[-1], tuple | list) else (levels[-1], None)
            after = getattr(trunk, "fc_norm", None) or nn.Identity()  # the only norm of some, made for the pooled token
            cells = channels_first(after(cells.permute(0, 2, 3, 1)))
            return (cells, after(prefix)[:, 0]) if self.has_class_token else (cells,)
        if not self._stepwise:
            return (_as_map(trunk, trunk.forward_features(images), None),)
        last, levels = trunk.forward_intermediates(images)
        if _are_scales(last, levels):  # CoaT: the coarser scales, each behind its own norm
            first = len(levels) - len(last)
            levels = [*levels[:first], *(_as_map(trunk, *pair) for pair in zip(last, levels[first:], strict=True))]
            last = levels[-1]
        finer = [level for level in levels if level.shape[-2:] != levels[-1].shape[-2:]]
        return (_as_map(trunk, last, levels[-1]), *(finer if pyramid else ()))

    def _tokens(self, trunk: Any, images: Tensor) -> Iterator[Tensor]:
        if not self._stepwise:
            return
        if not self._isotropic:
            for level in trunk.forward_intermediates(images, intermediates_only=True):
                yield level.flatten(2).transpose(1, 2)
            return
        for level in trunk.forward_intermediates(images, return_prefix_tokens=self.prefix > 0, intermediates_only=True):
            cells, prefix = level if isinstance(level, tuple | list) else (level, None)
            tokens = cells.flatten(2).transpose(1, 2)
            yield tokens if prefix is None else torch.cat([prefix, tokens], dim=1)

    @torch.no_grad()
    def _measure(self, trunk: Any, size: tuple[int, int]) -> tuple[Tensor, ...]:
        training = trunk.training
        trunk.eval()
        with _called(trunk) as called:
            maps, _ = self.read(self._state(trunk, torch.zeros(1, 3, *size), True))
        for name, child in trunk.named_children():  # what follows the pooling has no part in the features
            asked = hasattr(child, "get_embed")  # rotary positions are asked for, not called
            if name not in called and not asked and any(True for _ in child.parameters()):
                setattr(trunk, name, nn.Identity())
        trunk.train(training)
        return maps


@contextmanager
def _called(trunk: Any) -> Iterator[set[str]]:
    """The names of the trunk's children that take part in what runs inside the context."""
    seen: set[str] = set()
    tops = {path: path.split(".")[0] for path, _ in trunk.named_modules() if path}
    handles = [
        trunk.get_submodule(path).register_forward_pre_hook(lambda *_, top=top: seen.add(top))
        for path, top in tops.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _options(trunk: Any) -> set[str]:
    method = getattr(trunk, "forward_intermediates", None)
    return set(inspect.signature(method).parameters) if method else set()


def _are_scales(last: Any, levels: list[Tensor]) -> bool:
    """Whether the network's last output is the tokens of its coarser levels, one tensor each."""
    return (
        isinstance(last, list)
        and 0 < len(last) <= len(levels)
        and all(
            isinstance(tokens, Tensor) and tokens.ndim == 3 and tokens.shape[2] == level.shape[1]
            and tokens.shape[1] >= level.shape[2] * level.shape[3]
            for tokens, level in zip(last, levels[len(levels) - len(last) :], strict=True)
        )
    )  # fmt: skip


def _as_map(trunk: Any, features: object, level: Tensor | None) -> Tensor:
    """The network's last output as N x C x h x w; its last level where the output has another form."""
    if isinstance(features, Tensor) and features.ndim == 4:
        return channels_first(features) if getattr(trunk, "output_fmt", "NCHW") == "NHWC" else features
    if isinstance(features, Tensor) and features.ndim == 3 and level is not None:
        height, width = level.shape[-2:]
        if features.shape[1] < height * width:  # class tokens alone (PiT)
            return level
        cells = features[:, features.shape[1] - height * width :]
        return cells.transpose(1, 2).reshape(len(cells), -1, height, width)
    if level is not None:
        return level
    raise BackboneError(f"{type(trunk).__name__} returns no feature map, so no head can stand on it")


def _groups(trunk: Any) -> Iterator[LayerGroup]:
    """timm's own order of the layers; norms at its end that stand outside the blocks become a group of their own."""
    matcher = getattr(trunk, "group_matcher", None)
    names = [name for name, _ in trunk.named_parameters()]
    layers: list[list[str]] = (
        [members for _, members in sorted(group_parameters(trunk, matcher(coarse=False)).items())]
        if matcher
        else [[n for n in names if n.split(".")[0] == top] for top in dict.fromkeys(n.split(".")[0] for n in names)]
    )
    for index, members in enumerate(layers):
        prefixes = cover(trunk, members)
        norms = [p for p in prefixes if index == len(layers) - 1 and _is_last_norm(trunk, p)]
        rest = [p for p in prefixes if p not in norms]
        if rest:
            yield LayerGroup(_name(trunk, index, rest), tuple(f"trunk.{p}" for p in rest))
        if norms:
            yield LayerGroup("norm", tuple(f"trunk.{p}" for p in norms))


def _is_last_norm(trunk: Any, path: str) -> bool:
    """Whether the path is a norm outside the numbered blocks."""
    known = dict(trunk.named_modules())
    return path in known and holds_norms_only(known[path]) and not any(part.isdigit() for part in path.split("."))


def _name(trunk: Any, index: int, prefixes: list[str]) -> str:
    """`stem`, else the path of the largest part."""
    sizes = {
        p: sum(v.numel() for n, v in trunk.named_parameters() if n == p or n.startswith(f"{p}.")) for p in prefixes
    }
    return "stem" if index == 0 else max(prefixes, key=lambda p: sizes[p])
