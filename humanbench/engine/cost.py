"""What one picture costs: the operations of the backbone, counted while it runs."""

from __future__ import annotations

import copy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from humanbench.backbones.backbone import Backbone
from humanbench.results import Cost

_SMALL = 10**11
"""Parameters times pixels up to which a forward takes less time than torch needs to work out all shapes in Python."""


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
