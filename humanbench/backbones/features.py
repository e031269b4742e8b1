"""What leaves a backbone, and the small values that describe one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from humanbench.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor

FeatureLevel = Literal["maps", "map", "class_token"]
"""How much of the features is computed: all levels, the last level, or the class token alone (where there is one)."""


@dataclass(frozen=True)
class Features:
    """Features of a batch of N images, after the backbone's final norm.

    `maps`: the pyramid, finest first; strides and channels are `backbone.strides` and `backbone.channels`. A plain
    transformer has one level. Empty where only the class token was wanted (`backbone.feature_level`).
    `class_token` N x C, or None where the network has none.
    """

    maps: tuple[Tensor, ...]
    class_token: Tensor | None = None

    @property
    def map(self) -> Tensor:
        """N x C x h x w: the level the heads use, `backbone.stride` pixels a cell and `backbone.width` channels: the
        patch grid of a plain transformer, the last (coarsest) level of a convolutional or hierarchical network."""
        if not self.maps:
            raise BackboneError("there is no feature map: the backbone was asked for its class token alone")
        return self.maps[-1]

    @property
    def tokens(self) -> Tensor:
        """N x L x C: the cells of `map` row by row, L = h * w, without class or register tokens."""
        return self.map.flatten(2).transpose(1, 2)

    @property
    def pooled(self) -> Tensor:
        """N x C: the mean over the cells of `map`, for every architecture (the class token is beside it)."""
        return self.tokens.mean(1)


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
