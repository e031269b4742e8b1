"""How fast a network is: an uncached forward of backbone and head, at batch 1 and 32."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import nn
from torch.utils.benchmark import Timer

from humanbench.data.collate import normalised
from humanbench.engine.batches import Collate, with_input_size
from humanbench.engine.finetune import Finetune
from humanbench.results import FORWARD

BATCHES: tuple[int, ...] = (1, 32)
"""Pictures of a forward that is measured; none in the tests of everything else, which have no use for a speed."""

_LONGEST = 2.0
"""Seconds of one forward above which a batch is not measured: it should not be noticed beside the cell."""

_ENOUGH = 0.1
"""Seconds of forwards that are measured, after one or more that do not count."""

_measured: dict[tuple[Any, ...], dict[str, float]] = {}
"""Speeds of this process by everything that they depend on. Cells of one network, size and head share them."""


def forward_speed(
    model: Finetune, sample: Any, collate: Collate, device: torch.device, autocast: AbstractContextManager[Any]
) -> dict[str, float]:
    """Images per second by name (`forward_32_fp32`: batch and precision), of this test picture over and over.

    Reading, decoding and mirrored views do not count, and stored trunk outputs are not used. A batch for which a
    forward would take more than 2 s, or memory does not suffice, is left out. Measured once in a process for a network,
    an input size and a shape of the head.
    """
    if not BATCHES:
        return {}
    model.eval()
    with torch.no_grad(), autocast:
        network = _shape(model.backbone), _shape(model.head)
        key = (*network, tuple(sample["image"].shape), str(device), _precision(device), model.compiled)
        if key not in _measured:
            _measured[key] = _speeds(model, sample, collate, device)
    return dict(_measured[key])


def _speeds(model: Finetune, sample: Any, collate: Collate, device: torch.device) -> dict[str, float]:
    found: dict[str, float] = {}
    one = 0.0
    for size in BATCHES:
        if one * size > _LONGEST:
            break
        try:
            moved = send_to_device(with_input_size(collate([sample] * size)), device)
            seconds = _seconds(model, normalised(moved, model.backbone.preprocessing))
        except (RuntimeError, MemoryError):  # no memory for it: a speed is not worth a finished cell
            break
        one = one or seconds / size
        found[f"{FORWARD}{size}_{_precision(device)}{'+compile' * model.compiled}"] = size / seconds
    return found


def _seconds(model: Finetune, batch: dict[str, Any]) -> float:
    """Of one forward, the median; the device has finished when the clock is read."""

    def forward() -> None:
        model.outputs(batch)

    timer = Timer("forward()", globals={"forward": forward}, num_threads=torch.get_num_threads())
    return float(timer.blocked_autorange(min_run_time=_ENOUGH).median)


def _shape(module: nn.Module) -> tuple[Any, ...]:
    """What a module computes, but for its values."""
    return repr(module), tuple((name, tuple(p.shape)) for name, p in module.named_parameters())


def _precision(device: torch.device) -> str:
    if torch.is_autocast_enabled(device.type):
        return {torch.float16: "fp16", torch.bfloat16: "bf16"}[torch.get_autocast_dtype(device.type)]
    return "tf32" if device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32 else "fp32"
