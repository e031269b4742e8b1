"""What a forward takes: operations of the backbone, counted while it runs, and time, memory and energy of an uncached
one of backbone and head, at batch 1 and 32."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from humanbench.backbones.backbone import Backbone
from humanbench.data.collate import normalised
from humanbench.engine.batches import Collate, with_input_size
from humanbench.engine.finetune import Finetune
from humanbench.engine.meters import Meter, bytes_of
from humanbench.results import FORWARD, Cost

BATCHES: tuple[int, ...] = (1, 32)
"""Pictures of a forward that is measured; none in the tests of everything else, which have no use for a speed."""

_LONGEST = 2.0
"""Seconds of one forward above which a batch is not measured: it should not be noticed beside the cell."""

_SMALL = 10**11
"""Parameters times pixels up to which a forward takes less time than torch needs to work out all shapes in Python."""

_ENOUGH = 0.1
"""Seconds of forwards that are measured, after one or more that do not count."""


@dataclass(frozen=True)
class Forwards:
    """By name (`forward_32_fp32`: batch and precision): images per second, peak of memory in bytes, joules per image.

    What was not measured has no name.
    """

    images_per_second: dict[str, float] = field(default_factory=dict)
    peak_memory: dict[str, int] = field(default_factory=dict)
    joules_per_image: dict[str, float] = field(default_factory=dict)


_measured: dict[tuple[Any, ...], Forwards] = {}
"""Of this process by everything that they depend on. Cells of one network, size and head share them."""


def measured_forwards(model: Finetune, sample: Any, collate: Collate, accelerator: Accelerator) -> Forwards:
    """Forwards of this test picture over and over.

    Reading, decoding and mirrored views do not count, and stored trunk outputs are not used. A batch for which a
    forward would take more than 2 s, or memory does not suffice, is left out. Measured once in a process for a network,
    an input size and a shape of the head.
    """
    if not BATCHES:
        return Forwards()
    model.eval()
    device = accelerator.device
    with torch.no_grad(), accelerator.autocast():
        network = _shape(model.backbone), _shape(model.head)
        key = (*network, tuple(sample["image"].shape), str(device), _precision(device), model.compiled)
        if key not in _measured:
            _measured[key] = _forwards(model, sample, collate, device)
    return _measured[key]


def _forwards(model: Finetune, sample: Any, collate: Collate, device: torch.device) -> Forwards:
    forwards, network_bytes = Forwards(), bytes_of(model)
    one = 0.0
    for size in BATCHES:
        if one * size > _LONGEST:
            break
        try:
            meter = Meter(device, network_bytes, size)
            moved = send_to_device(with_input_size(collate([sample] * size)), device)
            seconds = _seconds(model, normalised(moved, model.backbone.preprocessing), meter)
            del moved
        except (RuntimeError, MemoryError):  # no memory for it: a speed is not worth a finished cell
            break
        one = one or seconds / size
        name = f"{FORWARD}{size}_{_precision(device)}{'+compile' * model.compiled}"
        forwards.images_per_second[name] = size / seconds
        if (memory := meter.peak_memory) is not None:
            forwards.peak_memory[name] = memory
        if (joules := meter.joules_per_image) is not None:
            forwards.joules_per_image[name] = joules
    return forwards


def _seconds(model: Finetune, batch: dict[str, Any], meter: Meter) -> float:
    """Of one forward, the median; the device has finished when the clock is read."""

    def forward() -> None:
        model.outputs(batch)

    timer = Timer("forward()", globals={"forward": meter.metered(forward)}, num_threads=torch.get_num_threads())
    return float(timer.blocked_autorange(min_run_time=_ENOUGH).median)


def _shape(module: nn.Module) -> tuple[Any, ...]:
    """What a module computes, but for its values."""
    return repr(module), tuple((name, tuple(p.shape)) for name, p in module.named_parameters())


def _precision(device: torch.device) -> str:
    if torch.is_autocast_enabled(device.type):
        return {torch.float16: "fp16", torch.bfloat16: "bf16"}[torch.get_autocast_dtype(device.type)]
    return "tf32" if device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32 else "fp32"


def forward_cost(backbone: Backbone, height: int, width: int) -> Cost | None:
    """The cost of one picture of this size in pixels, forward through the backbone, without its head.

    Counted are matrix products, convolutions and attention, a multiply-add as two operations. A large network runs on
    shapes without numbers, so it costs neither time nor memory, a small one with numbers, which is sooner; where one
    does not work, the other. None where neither works: a count is not worth a finished cell.
    """
    size = height * width * sum(p.numel() for p in backbone.parameters())
    for device in ("meta", "cpu") if size > _SMALL else ("cpu", "meta"):
        try:
            return Cost(gflops=_operations(backbone, device, height, width) / 1e9, height=height, width=width)
        except (NotImplementedError, RuntimeError):
            continue
    return None


def _operations(backbone: Backbone, device: str, height: int, width: int) -> int:
    network = copy.deepcopy(backbone).to(device).eval()
    picture = torch.zeros(1, 3, height, width, device=device)
    # torch does not count the fused attention of processors; the plain one is counted everywhere.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(picture)
    return int(counter.get_total_flops())
