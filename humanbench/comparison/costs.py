"""What both runs cost, side by side: medians over the cells of a board that can be compared."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator

from humanbench.comparison.matching import Pair
from humanbench.comparison.report import CostReport, board_of
from humanbench.results import Result
from humanbench.results.costs import costs_of

_SIDE_BY_SIDE = ("trainable", "gflops", "backbone_bytes", "added_bytes")
_OF_A_DEVICE = ("latency_ms", "images_per_second", "memory_32_bytes", "joules_32")


def cost_reports(pairs: Iterable[Pair]) -> Iterator[CostReport]:
    """By board and kind of cost, over the cells where both runs have it.

    What is measured on a device counts where both name the same one, as fast as it was at that hour.
    """
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for pair in pairs:
        if pair.problem or pair.base is None or pair.new is None:
            continue
        results = pair.base.first.result, pair.new.first.result
        base, new = map(costs_of, results)
        names = (*_SIDE_BY_SIDE, *_OF_A_DEVICE) if _one_device(*results) else _SIDE_BY_SIDE
        for name in names:
            if (a := base[name]) is not None and (b := new[name]) is not None:
                found.setdefault((board_of(results[0]), name), []).append((a, b))
    for (board, name), values in found.items():
        a, b = (statistics.median(side) for side in zip(*values, strict=True))
        if a or b:
            yield CostReport(board=board, cost=name, cells=len(values), base=a, new=b)


def _one_device(base: Result, new: Result) -> bool:
    """Whether what was measured is of one kind of device, in one precision."""
    if base.provenance is None or new.provenance is None:
        return False
    speeds = [
        {name for name in p.images_per_second if name.startswith("forward")} for p in (base.provenance, new.provenance)
    ]
    return base.provenance.device == new.provenance.device and speeds[0] == speeds[1]
