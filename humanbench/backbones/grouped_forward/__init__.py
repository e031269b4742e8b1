"""Forward passes by layer group: how a batch goes through a trunk that can be split before any group."""

from __future__ import annotations

from torch import nn

from humanbench.backbones.grouped_forward.base import GroupedForward
from humanbench.backbones.grouped_forward.opaque import FAILURES, OpaqueForward
from humanbench.backbones.grouped_forward.sequential import SequentialForward
from humanbench.backbones.grouped_forward.vit import ViTForward


def find_forward(trunk: nn.Module, input_size: tuple[int, int]) -> GroupedForward:
    """The finest forward pass by groups that the trunk's class allows."""
    if ViTForward.fits(trunk):
        return ViTForward(trunk)  # type: ignore[arg-type]
    from humanbench.backbones.pyramid import PyramidForward, PyramidNet
    from humanbench.backbones.transformers_models import TransformersForward, TransformersTrunk

    if isinstance(trunk, PyramidNet):
        return PyramidForward(trunk)
    if isinstance(trunk, TransformersTrunk):
        return TransformersForward(trunk)
    if SequentialForward.fits(trunk):
        try:
            return SequentialForward(trunk)
        except FAILURES:  # attention of a fixed size (HaloNet, LambdaNet) takes no small picture
            pass
    return OpaqueForward(trunk, input_size)
