"""What leaves a backbone, and the small values that describe one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Features:
    """Features of a batch of N images, after the backbone's final norm.

    `map` N x C x h x w: the level the heads use, `backbone.stride` pixels a cell and `backbone.width` channels: the
    patch grid of a plain transformer, the last (coarsest) level of a convolutional or hierarchical network.
    `tokens` N x L x C: the same cells row by row, L = h * w, without class or register tokens.
    `class_token` N x C, or None where the network has none.
    `pooled` N x C: the mean over the cells of `map`, for every architecture (the class token is beside it).
    `maps`: the pyramid, finest first, `maps[-1] is map`; strides and channels are `backbone.strides` and
    `backbone.channels`. A plain transformer has one level.
    """

    map: Tensor
    tokens: Tensor
    class_token: Tensor | None
    pooled: Tensor
    maps: tuple[Tensor, ...]


class LayerGroup(NamedTuple):
    """A run of layers that is frozen, cached and given a learning rate as one.

    `prefixes` are dotted paths of parameters or modules of the `Backbone` (`trunk.blocks.10`, `trunk.pos_embed`).
    """

    name: str
    prefixes: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Whether a parameter or module of this dotted path belongs to the group.

        >>> LayerGroup("blocks.1", ("trunk.blocks.1",)).holds("trunk.blocks.1.norm1.bias")
        True
        >>> LayerGroup("blocks.1", ("trunk.blocks.1",)).holds("trunk.blocks.10.norm1.bias")
        False
        """
        return any(path == prefix or path.startswith(prefix + ".") for prefix in self.prefixes)


@dataclass(frozen=True)
class Preprocessing:
    """How images become input: RGB scaled to 0..1, minus `mean`, divided by `std`; `interpolation` is for resizing.

    `input_size` (height, width) is what the weights were trained with; any other size works too.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    input_size: tuple[int, int]
