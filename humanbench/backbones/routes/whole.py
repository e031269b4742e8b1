"""Any other timm network: run as one, through timm's `forward_intermediates`, or `forward_features` where it lacks it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator

import torch
from timm.models import group_parameters
from torch import Tensor, nn

from humanbench.backbones.features import LayerGroup
from humanbench.backbones.routes.base import Route, State, Visit, channels_first
from humanbench.backbones.routes.sequence import holds_norms_only
from humanbench.errors import BackboneError


class WholeRoute(Route):
    """A network that can be parted only before the first and after the last group.

    Layer groups are those of timm's `group_matcher`. The state after the last group is the map, then the class token
    if there is one, then the finer levels.
    """

    def __init__(self, trunk: nn.Module, input_size: tuple[int, int]) -> None:
        self.groups = tuple(_groups(trunk))
        self._isotropic = "return_prefix_tokens" in _options(trunk) and hasattr(trunk, "num_prefix_tokens")
        self._stepwise = hasattr(trunk, "forward_intermediates")
        self.prefix = int(getattr(trunk, "num_prefix_tokens", 0)) if self._isotropic else 0
        self.has_class_token = self.prefix > 0 and getattr(trunk, "cls_token", None) is not None
        self.multiple = 1
        maps = self._measure(trunk, input_size)
        self.strides = tuple(round(input_size[0] / m.shape[-2]) for m in maps)
        self.channels = tuple(int(m.shape[1]) for m in maps)
        self.multiple = self.strides[-1]

    def splittable(self, group_index: int) -> bool:
        return group_index in (0, len(self.groups))

    def run(self, trunk: nn.Module, state: State, start: int, stop: int, pyramid: bool, visit: Visit | None) -> State:
        if start == stop:
            return state
        if visit is not None:
            for tokens in self._tokens(trunk, state[0]):
                visit(tokens)
        return self._state(trunk, state[0], pyramid)

    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        class_token = state[1] if self.has_class_token else None
        return (*state[2 if self.has_class_token else 1 :], state[0]), class_token

    def _state(self, trunk: nn.Module, images: Tensor, pyramid: bool) -> State:
        if self._isotropic:
            levels = trunk.forward_intermediates(
                images, indices=1, norm=True, return_prefix_tokens=True, intermediates_only=True
            )
            cells, prefix = levels[-1] if isinstance(levels[-1], tuple | list) else (levels[-1], None)
            return (cells, prefix[:, 0]) if self.has_class_token else (cells,)
        if not self._stepwise:
            return (_as_map(trunk, trunk.forward_features(images), None),)
        last, levels = trunk.forward_intermediates(images)
        finer = [level for level in levels if level.shape[-2:] != levels[-1].shape[-2:]]
        return (_as_map(trunk, last, levels[-1]), *(finer if pyramid else ()))

    def _tokens(self, trunk: nn.Module, images: Tensor) -> Iterator[Tensor]:
        if not self._stepwise:
            return
        if not self._isotropic:
            for level in trunk.forward_intermediates(images, intermediates_only=True):
                yield level.flatten(2).transpose(1, 2)
            return
        for level in trunk.forward_intermediates(images, return_prefix_tokens=True, intermediates_only=True):
            cells, prefix = level if isinstance(level, tuple | list) else (level, None)
            tokens = cells.flatten(2).transpose(1, 2)
            yield tokens if prefix is None else torch.cat([prefix, tokens], dim=1)

    @torch.no_grad()
    def _measure(self, trunk: nn.Module, size: tuple[int, int]) -> tuple[Tensor, ...]:
        training = trunk.training
        trunk.eval()
        maps, _ = self.read(self._state(trunk, torch.zeros(1, 3, *size), True))
        trunk.train(training)
        return maps


def _options(trunk: nn.Module) -> set[str]:
    method = getattr(trunk, "forward_intermediates", None)
    return set(inspect.signature(method).parameters) if method else set()


def _as_map(trunk: nn.Module, features: object, level: Tensor | None) -> Tensor:
    """The network's last output as N x C x h x w; its last level where the output has another form."""
    if isinstance(features, Tensor) and features.ndim == 4:
        return channels_first(features) if getattr(trunk, "output_fmt", "NCHW") == "NHWC" else features
    if isinstance(features, Tensor) and features.ndim == 3 and level is not None:
        height, width = level.shape[-2:]
        cells = features[:, features.shape[1] - height * width :]
        return cells.transpose(1, 2).reshape(len(cells), -1, height, width)
    if level is not None:
        return level
    raise BackboneError(f"{type(trunk).__name__} returns no feature map, so no head can stand on it")


def _groups(trunk: nn.Module) -> Iterator[LayerGroup]:
    """timm's own order of the layers; a final norm that it counts to the last block stays there."""
    matcher = getattr(trunk, "group_matcher", None)
    names = [name for name, _ in trunk.named_parameters()]
    layers: list[list[str]] = (
        [members for _, members in sorted(group_parameters(trunk, matcher(coarse=False)).items())]
        if matcher
        else [[n for n in names if n.split(".")[0] == top] for top in dict.fromkeys(n.split(".")[0] for n in names)]
    )
    for index, members in enumerate(layers):
        prefixes = _cover(trunk, members)
        norms = index == len(layers) - 1 and all(_is_norm_path(trunk, p) for p in prefixes)
        yield LayerGroup(_name(index, members, norms), tuple(f"trunk.{p}" for p in prefixes))


def _is_norm_path(trunk: nn.Module, path: str) -> bool:
    return path in dict(trunk.named_modules()) and holds_norms_only(trunk.get_submodule(path))


def _name(index: int, members: list[str], norms: bool) -> str:
    if norms:
        return "norm"
    if index == 0:
        return "stem"
    common = os.path.commonprefix([m.split(".") for m in members])  # type: ignore[type-var]
    return ".".join(common) or f"layer {index}"


def _cover(trunk: nn.Module, members: list[str]) -> list[str]:
    """The fewest modules and parameters that hold exactly these parameters."""
    wanted, chosen = set(members), []

    def visit(module: nn.Module, path: str) -> None:
        inside = {f"{path}{name}" for name, _ in module.named_parameters()}
        if path and inside and inside <= wanted:
            chosen.append(path[:-1])
            return
        if not inside & wanted:
            return
        chosen.extend(f"{path}{n}" for n, _ in module.named_parameters(recurse=False) if f"{path}{n}" in wanted)
        for name, child in module.named_children():
            visit(child, f"{path}{name}.")

    visit(trunk, "")
    return chosen
