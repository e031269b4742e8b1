"""Samples of a task as one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from humanbench.data.transforms import normalise, stack_padded

if TYPE_CHECKING:
    from humanbench.backbones.features import Preprocessing

FILLED = "filled"
"""Of a batch of pictures of different sizes: (height, width) of each, the rest is filled up. Gone once normalised."""


def collate(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A batch with one entry per key of the samples.

    `image` is stacked, smaller ones filled up with 0 right and bottom; other tensors of equal shapes are stacked,
    numbers become a tensor, everything else a list. `input_size` is (height, width) of the images. Pictures stay uint8
    until `normalised`.
    """
    batch: dict[str, Any] = {}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        if key == "image":
            batch[key] = stack_padded(values)
        elif all(isinstance(v, torch.Tensor) and v.shape == values[0].shape for v in values):
            batch[key] = torch.stack(values)
        elif all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            batch[key] = torch.tensor(values)
        else:
            batch[key] = values
    if "image" in batch:
        batch["input_size"] = (batch["image"].shape[-2], batch["image"].shape[-1])
        sizes = [(sample["image"].shape[-2], sample["image"].shape[-1]) for sample in samples]
        if len(set(sizes)) > 1:
            batch[FILLED] = sizes
    return batch


def normalised(batch: Mapping[str, Any], preprocessing: Preprocessing) -> dict[str, Any]:
    """The batch with `image` as the backbone wants it; best on the device of the network (`transforms.normalise`)."""
    rest = {name: value for name, value in batch.items() if name != FILLED}
    return rest | {"image": normalise(batch["image"], preprocessing, batch.get(FILLED))}
