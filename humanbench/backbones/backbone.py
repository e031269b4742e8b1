"""The `Backbone` module: one interface over plain transformers, hierarchical and convolutional networks."""

from __future__ import annotations

from collections.abc import Mapping

from timm.layers.drop import DropPath
from torch import Tensor, nn

from humanbench.backbones.cards import Architecture, BackboneCard
from humanbench.backbones.features import FeatureLevel, Features, Preprocessing
from humanbench.backbones.grouped_forward.base import GroupedForward, State, padded
from humanbench.backbones.report import LoadReport

_DROP_PATHS = ("drop_path", "drop_path1", "drop_path2")
"""Attributes under which timm's blocks keep their drop path: a `DropPath`, an `Identity` or None."""


class Backbone(nn.Module):
    """A feature extractor over a `trunk` (a timm network), run layer group by layer group by its `grouped_forward`.

    `backbone(images)`: normalised float images N x 3 x H x W (see `preprocessing`), any H and W, zero padded right and
    bottom to a multiple of `multiple`; returns `Features`.

    `layer_groups`: ordered, first the embeddings (or stem), then one per block, then the final norm if there is one.
    `stride`, `width`: pixels per cell and channels of `Features.map`; `strides`, `channels`: those of `Features.maps`.
    `feature_level`: how much of the features is computed, `maps` unless set otherwise. `map` leaves all levels but the
    last out of `Features.maps` and of the state of `forward_prefix`; `class_token` leaves out the maps altogether where
    there is a class token (elsewhere it is `map`), and a plain transformer's last block then computes that token only.
    `architecture`: what builds the network again, None where it came from elsewhere than `load_backbone`.
    `card`: the card the network came from, or None. `report`: what a checkpoint filled, None when nothing was loaded.
    `pretrained_on`: names of the sets the weights have seen, empty for random weights, None where nobody says.
    `weights_sha256`: SHA-256 over the names, shapes and bytes of all tensors as they were when the backbone was built.
    `pixel_sources`: where `mean`, `std` and `interpolation` of the preprocessing come from, in words.
    """

    def __init__(
        self,
        trunk: nn.Module,
        grouped_forward: GroupedForward,
        preprocessing: Preprocessing,
        *,
        name: str = "",
        architecture: Architecture | None = None,
        card: BackboneCard | None = None,
        report: LoadReport | None = None,
        pretrained_on: tuple[str, ...] | None = None,
        weights_sha256: str = "",
        pixel_sources: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.grouped_forward = grouped_forward
        self.layer_groups, self.multiple = grouped_forward.groups, grouped_forward.multiple
        self.strides, self.channels = grouped_forward.strides, grouped_forward.channels
        self.stride, self.width = self.strides[-1], self.channels[-1]
        self.preprocessing = preprocessing
        self.name = name
        self.architecture = architecture
        self.card = card
        self.report = report
        self.pretrained_on = pretrained_on
        self.weights_sha256 = weights_sha256
        self.pixel_sources = dict(pixel_sources or {})
        self.feature_level: FeatureLevel = "maps"

    def forward(self, images: Tensor) -> Features:
        return self._features(self._run((padded(images, self.multiple),), 0, len(self.layer_groups)))

    def intermediates(self, images: Tensor) -> list[Tensor]:
        """Tokens N x L' x C after each block, class (and register) tokens first if there are any, no norm.

        Hierarchical and convolutional networks give the cells of each block's output, so L' and C change.
        """
        seen: list[Tensor] = []
        self.grouped_forward.run(
            self.trunk, (padded(images, self.multiple),), 0, len(self.layer_groups), "map", seen.append
        )
        return seen

    def can_split(self, group_index: int) -> bool:
        """Whether the network can be split before this layer group (0 .. len(layer_groups))."""
        return self.grouped_forward.can_split(group_index)

    def forward_prefix(self, images: Tensor, group_index: int) -> Tensor | tuple[Tensor, ...]:
        """What all layer groups before `group_index` make of the images: tensors with the batch first.

        `group_index == len(layer_groups)` runs the whole network. `forward_suffix(forward_prefix(x, k), k)` equals
        `backbone(x)` bit for bit, as long as `feature_level` stays as it is.
        """
        state = self._run((padded(images, self.multiple),), 0, self._checked(group_index))
        return state[0] if len(state) == 1 else state

    def forward_suffix(self, state: Tensor | tuple[Tensor, ...], group_index: int) -> Features:
        """The features of a state that `forward_prefix(images, group_index)` returned."""
        given = (state,) if isinstance(state, Tensor) else tuple(state)
        return self._features(self._run(given, self._checked(group_index), len(self.layer_groups)))

    def set_drop_path(self, rate: float) -> None:
        """Drop whole blocks of a sample with a probability from 0 (first block) to `rate` (last), linear in between.

        Without effect on networks whose blocks know no drop path (most VGG-like ones).
        """
        if not 0 <= rate < 1:
            raise ValueError(f"a drop path rate lies in [0, 1), not {rate}")
        blocks = [
            module for module in self.trunk.modules() if any(_has_drop_path(module, name) for name in _DROP_PATHS)
        ]
        for index, block in enumerate(blocks):
            block_rate = rate * index / max(len(blocks) - 1, 1)
            for name in _DROP_PATHS:
                if _has_drop_path(block, name):
                    setattr(block, name, DropPath(block_rate) if block_rate else nn.Identity())

    def _checked(self, group_index: int) -> int:
        if not self.can_split(group_index):
            raise ValueError(f"{self.name or 'the backbone'} cannot be split before layer group {group_index}")
        return group_index

    def _run(self, state: State, start: int, stop: int) -> State:
        if start == stop:
            return state
        return self.grouped_forward.run(self.trunk, state, start, stop, self.feature_level, None)

    def _features(self, state: State) -> Features:
        return Features(*self.grouped_forward.read(state))


def _has_drop_path(module: nn.Module, name: str) -> bool:
    missing = object()
    drop_path = getattr(module, name, missing)
    return drop_path is None or isinstance(drop_path, DropPath | nn.Identity)
