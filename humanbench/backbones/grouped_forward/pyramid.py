"""A residual network under a feature pyramid, layer group by layer group."""

from __future__ import annotations

from torch import Tensor, nn

from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import GroupedForward, State, Visit
from humanbench.backbones.pyramid import STAGES, PyramidNet


class PyramidForward(GroupedForward):
    """Stem, stages, pyramid, last convolution; the state is the current tensor and the outputs of stages before it."""

    identity = "PyramidRoute"

    def __init__(self, trunk: PyramidNet) -> None:
        self.groups = tuple(LayerGroup(name, (f"trunk.{name}",)) for name in ("stem", *STAGES, "pyramid", "merge"))
        self.strides, self.channels = (trunk.stride,), (trunk.num_features,)
        self.multiple = trunk.multiple

    def run(
        self, trunk: nn.Module, state: State, start: int, stop: int, level: FeatureLevel, visit: Visit | None
    ) -> State:
        for group in self.groups[start:stop]:
            x, *finer = state
            if group.name == "pyramid":
                assert isinstance(trunk, PyramidNet)
                state = (trunk.summed([*finer, x]),)
            else:
                before = [*finer, x] if group.name in STAGES[1:] else finer
                state = (trunk.get_submodule(group.name)(x), *before)
            if visit is not None and group.name != "stem":
                visit(state[0].flatten(2).transpose(1, 2))
        return state

    def read(self, state: State) -> tuple[tuple[Tensor, ...], Tensor | None]:
        return state[:1], None
