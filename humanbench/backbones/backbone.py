"""The `Backbone` module: one interface over plain transformers, hierarchical and convolutional networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from humanbench.backbones.features import FeatureLevel, Features, LayerGroup, Preprocessing
from humanbench.backbones.grouped_forward import GroupedForward, State
from humanbench.backbones.grouped_forward.base import padded

if TYPE_CHECKING:
    from humanbench.backbones.cards import Architecture, BackboneCard
    from humanbench.backbones.report import LoadReport


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
        self.preprocessing = preprocessing
        self.name = name
        self.architecture = architecture
        self.card = card
        self.report = report
        self.pretrained_on = pretrained_on
        self.weights_sha256 = weights_sha256
        self.pixel_sources = dict(pixel_sources or {})
        self.feature_level: FeatureLevel = "maps"

    @property
    def layer_groups(self) -> tuple[LayerGroup, ...]:
        return self.grouped_forward.groups

    @property
    def multiple(self) -> int:
        return self.grouped_forward.multiple

    @property
    def strides(self) -> tuple[int, ...]:
        return self.grouped_forward.strides

    @property
    def channels(self) -> tuple[int, ...]:
        return self.grouped_forward.channels

    @property
    def stride(self) -> int:
        return self.grouped_forward.strides[-1]

    @property
    def width(self) -> int:
        return self.grouped_forward.channels[-1]

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
        """Set stochastic depth: 0 at the first block, growing linearly to `rate` at the last.

        Without effect on networks whose blocks know no drop path (most VGG-like ones).
        """
        from humanbench.backbones.drop_path import set_drop_path

        set_drop_path(self.trunk, rate)

    def _checked(self, group_index: int) -> int:
        if not self.can_split(group_index):
            raise ValueError(f"{self.name or 'the backbone'} cannot be split before layer group {group_index}")
        return group_index

    def _run(self, state: State, start: int, stop: int) -> State:
        return self.grouped_forward.run(self.trunk, state, start, stop, self.feature_level, None)

    def _features(self, state: State) -> Features:
        return Features(*self.grouped_forward.read(state))
