"""Running statistics of the modules that a step's microbatches share, the same for any number of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class RunningStatistics:
    """Each microbatch of a step starts from the step's statistics; the mean of what all of them leave is kept.

    So neither the order of entries nor the process that computes one matters. `uses` gives, for each module (by name),
    how many microbatches of a step go through it, in all processes.
    """

    def __init__(self, modules: Mapping[str, nn.Module], uses: Mapping[str, int]) -> None:
        self._running = {name: statistics(module) for name, module in modules.items()}
        self._uses = uses

    def begin(self) -> None:
        """A step begins."""
        self._before = {name: [s.clone() for s in buffers] for name, buffers in self._running.items()}
        self._sums = {
            name: [torch.zeros_like(s, dtype=torch.float32) for s in buffers] for name, buffers in self._running.items()
        }

    @contextmanager
    def microbatch(self, names: Sequence[str]) -> Iterator[None]:
        """Around the forward pass of a microbatch through these modules."""
        for name in names:
            for now, then in zip(self._running[name], self._before[name], strict=True):
                now.copy_(then)
        yield
        for name in names:
            for total, now in zip(self._sums[name], self._running[name], strict=True):
                total += now.detach().float() / self._uses[name]

    def end(self, sum_over: Callable[[Tensor, str], None]) -> None:
        """A step ends; `sum_over` adds up a tensor in place over the processes that use the module of that name."""
        for name, buffers in self._running.items():
            for now, mean in zip(buffers, self._sums[name], strict=True):
                sum_over(mean, name)
                now.copy_(mean if now.is_floating_point() else mean.round())


def statistics(module: nn.Module) -> list[Tensor]:
    """Running statistics and counters that are stored with the module."""
    stored = {id(tensor) for tensor in module.state_dict(keep_vars=True).values()}
    return [buffer for buffer in module.buffers() if id(buffer) in stored]
