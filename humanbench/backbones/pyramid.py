"""A residual network under a feature pyramid, with one map as fine as its first stage: for joints and parts in small
pictures.

The stages are timm's, the pyramid is torchvision's `FeaturePyramidNetwork` (Lin et al., Feature Pyramid Networks for
Object Detection, CVPR 2017); its levels are summed at the size of the finest one, as for segmentation in Kirillov et
al., Panoptic Feature Pyramid Networks (CVPR 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
from timm.models.resnet import ResNet
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FeaturePyramidNetwork

from humanbench.backbones.features import FeatureLevel, LayerGroup
from humanbench.backbones.grouped_forward.base import GroupedForward, State, Visit
from humanbench.errors import BackboneError

STAGES = ("layer1", "layer2", "layer3", "layer4")
"""Stages of a residual network, finest first; each gives a level to the pyramid."""


class PyramidNet(nn.Module):
    """Stem and four stages of a residual network, a feature pyramid over the stages, a convolution over its sum.

    `pyramid` brings the stages to `width` channels and adds coarse ones to finer ones; `merge` is a 3 x 3 convolution
    over the sum of its levels, each brought to the size of the first stage. `stride`: pixels per cell of the map, 4
    with the usual stem; `multiple`: of which the sides of pictures must be multiples, the stride of the last stage.
    """

    def __init__(self, residual: ResNet, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(residual.conv1, residual.bn1, residual.act1, residual.maxpool)
        for stage in STAGES:
            self.add_module(stage, getattr(residual, stage))
        levels: dict[str, dict[str, Any]] = {str(info["module"]): info for info in residual.feature_info}
        self.stride, self.multiple = (levels[stage]["reduction"] for stage in (STAGES[0], STAGES[-1]))
        self.pyramid = FeaturePyramidNetwork([levels[stage]["num_chs"] for stage in STAGES], width)
        self.merge = nn.Conv2d(width, width, 3, padding=1)
        self.num_features = width

    def summed(self, levels: Sequence[Tensor]) -> Tensor:
        """The pyramid over the outputs of the stages, N x C_i x h_i x w_i, as one map N x width x h_0 x w_0."""
        total, *others = self.pyramid(dict(zip(STAGES, levels, strict=True))).values()
        for level in others:
            total = total + functional.interpolate(level, size=total.shape[-2:], mode="nearest")
        return functional.relu(total)

    def forward_features(self, images: Tensor) -> Tensor:
        """The map N x width x H / stride x W / stride of normalised images N x 3 x H x W."""
        levels, x = [], self.stem(images)
        for stage in STAGES:
            x = self.get_submodule(stage)(x)
            levels.append(x)
        merged: Tensor = self.merge(self.summed(levels))
        return merged

    def forward(self, images: Tensor) -> Tensor:
        """As `forward_features`."""
        return self.forward_features(images)


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


def build_pyramid(residual: str, width: int = 64, **arguments: Any) -> PyramidNet:
    """A `PyramidNet` over timm's residual network of this name, with random weights: the `builder` of a card.

    `width`: channels of the map; `arguments`: keywords of timm's network (`channels`, `stem_width`, `output_stride`).
    Raises `BackboneError` for a name or a keyword that timm has not, and for a network without four such stages.
    """
    try:
        network = timm.create_model(residual, pretrained=False, num_classes=0, **arguments)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise BackboneError(f"build_pyramid: timm cannot build {residual[:60]!r} with {arguments} ({error})") from error
    if not isinstance(network, ResNet):
        raise BackboneError(
            f"build_pyramid: {residual[:60]!r} is a {type(network).__name__}; give one of timm's class ResNet"
        )
    return PyramidNet(network, width)
