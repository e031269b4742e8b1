"""What every forward pass by layer group has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import FeatureLevel, LayerGroup

State = tuple[Tensor, ...]
"""All that has to be kept between two layer groups; tensors with the batch first."""

Visit = Callable[[Tensor], None]


class GroupedForward(ABC):
    """How images run through a trunk, layer group by layer group.

    A grouped forward holds no tensors and no modules (only names and numbers), so copies of a backbone share nothing by
    accident. `groups`: the layer groups; the state before group 0 is the padded images alone. `strides`, `channels`:
    of the feature maps that `read` returns. `multiple`: sides of the images must be multiples of it.
    """

    identity: ClassVar[str]
    """What the identity of a cell holds of this class: it stays when the class is renamed."""

    groups: tuple[LayerGroup, ...]
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    multiple: int

    @abstractmethod
    def run(
        self, trunk: nn.Module, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None
    ) -> State:
        """Run groups `start` .. `stop - 1`, at least one. `visit` sees the tokens after each block.

        `level`: `maps` keeps all levels. What it leaves out need not be computed, of what `read` returns as well.
        """

    @abstractmethod
    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """Feature maps N x C x h x w, finest first, and the class token of the state after the last group."""

    def can_split(self, group_index: int) -> bool:
        """Whether the network can be split before this group."""
        return 0 <= group_index <= len(self.groups)


class WholeForward(GroupedForward):
    """A network that runs as one: it can be split only before the first and after the last group.

    Unless `read` is overridden, the state after the last group is the map, then the class token if there is one, then
    the finer levels.
    """

    has_class_token: bool

    def can_split(self, group_index: int) -> bool:
        return group_index in (0, len(self.groups))

    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        first = 2 if self.has_class_token else 1
        return (*state[first:], state[0]), state[1] if self.has_class_token else None


def padded(images: Tensor, multiple: int) -> Tensor:
    """Zeros right and below up to the next multiple (after normalisation, so padding is the mean colour)."""
    bottom, right = (-side % multiple for side in images.shape[-2:])
    return functional.pad(images, (0, right, 0, bottom)) if bottom or right else images


def channels_first(x: Tensor) -> Tensor:
    """N x h x w x C to N x C x h x w."""
    return x.permute(0, 3, 1, 2)


def is_norm(module: nn.Module) -> bool:
    """Whether the module is a normalisation layer: batch, layer, group, RMS ..., with an activation or without."""
    return "norm" in type(module).__name__.lower()


def holds_norms_only(module: nn.Module) -> bool:
    """Whether all parameters of the module (at least one) belong to normalisation layers."""
    owners = [m for m in module.modules() if next(m.parameters(recurse=False), None) is not None]
    return bool(owners) and all(is_norm(m) for m in owners)


def cover(trunk: nn.Module, members: Iterable[str]) -> list[str]:
    """The fewest modules and single parameters that hold exactly the parameters of these names."""
    wanted = set(members)
    chosen: list[str] = []

    def visit(module: nn.Module, path: str) -> None:
        inside = {f"{path}{name}" for name, _ in module.named_parameters()}
        if path and inside and inside <= wanted:
            chosen.append(path[:-1])
        elif inside & wanted:
            chosen.extend(f"{path}{n}" for n, _ in module.named_parameters(recurse=False) if f"{path}{n}" in wanted)
            for name, child in module.named_children():
                visit(child, f"{path}{name}.")

    visit(trunk, "")
    return chosen


def prune(trunk: nn.Module, groups: tuple[LayerGroup, ...]) -> None:
    """Take out the modules that no group holds (what follows the pooling), so that all parameters count."""
    rest = [n for n, _ in trunk.named_parameters() if not any(g.holds(f"trunk.{n}") for g in groups)]
    for path in cover(trunk, rest):
        parent, _, name = path.rpartition(".")
        setattr(trunk.get_submodule(parent), name, nn.Identity())
