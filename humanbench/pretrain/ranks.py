"""Which process computes which part of a step, and sums of gradients over those that share a part of the network.

A step is made of parts (entry, number): the paper's GPUs. Any number of processes up to the number of parts computes
the same update, because a part's batch, its random numbers and its weight do not depend on who computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from humanbench.errors import HumanbenchError
from humanbench.pretrain.entries import Source

Part = tuple[int, int]
"""Number of the entry, number of the part."""


def assign(sources: Sequence[Source], processes: int) -> list[list[Part]]:
    """The parts of each process, in order: the next costliest part to the process that has least to do.

    Cost is images times pixels. Raises `HumanbenchError` for more processes than parts.
    """
    parts = [(number, part) for number, source in enumerate(sources) for part in range(source.entry.parts)]
    if processes > len(parts):
        raise HumanbenchError(f"{processes} processes for {len(parts)} parts of a step: start at most {len(parts)}")
    cost = {part: _cost(sources[part[0]]) for part in parts}
    shares: list[list[Part]] = [[] for _ in range(processes)]
    loads = [0.0] * processes
    for part in sorted(parts, key=lambda p: (-cost[p], p)):
        least = loads.index(min(loads))
        shares[least].append(part)
        loads[least] += cost[part]
    return [sorted(share) for share in shares]


def _cost(source: Source) -> float:
    height, width = source.recipe.input.size
    return float(source.entry.batch * height * width)


def sharers(assigned: Sequence[Sequence[Part]], users: Mapping[int, Iterable[str]]) -> dict[str, tuple[int, ...]]:
    """The ranks that compute something with each named part of the network; `users` gives the names per entry."""
    ranks: dict[str, set[int]] = {}
    for rank, parts in enumerate(assigned):
        for entry, _ in parts:
            for name in users[entry]:
                ranks.setdefault(name, set()).add(rank)
    return {name: tuple(sorted(found)) for name, found in ranks.items()}


class Groups:
    """Process groups by the ranks in them, and one over main memory; made by all processes in the same order."""

    def __init__(self, wanted: Iterable[tuple[int, ...]]) -> None:
        self._groups: dict[tuple[int, ...], Any] = {}
        self._host: Any = None
        if torch.distributed.is_initialized():
            self._host = torch.distributed.new_group(backend="gloo")
        for ranks in sorted(set(wanted)):
            if len(ranks) > 1:
                self._groups[ranks] = torch.distributed.new_group(list(ranks))

    def sum(self, tensor: Tensor, ranks: tuple[int, ...]) -> None:
        """Sum in place over these ranks, this one among them."""
        if len(ranks) > 1:
            torch.distributed.all_reduce(tensor, group=self._groups[ranks])

    def send(self, content: Any, to: int) -> None:
        """Send tensors of main memory and plain values to a process, which must `receive` them."""
        torch.distributed.send_object_list([content], to, group=self._host)

    def receive(self, source: int) -> Any:
        """What a process sends."""
        held: list[Any] = [None]
        torch.distributed.recv_object_list(held, source, group=self._host)
        return held[0]

    def sum_gradients(self, module: nn.Module, ranks: tuple[int, ...]) -> None:
        """Sum the gradients of a module; one that is missing is zero, as in the released code."""
        trained = [p for p in module.parameters() if p.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if len(ranks) > 1 and trained:
            flat = torch.cat([p.grad.flatten() for p in trained if p.grad is not None])
            self.sum(flat, ranks)
            for parameter, part in zip(trained, torch.split(flat, [p.numel() for p in trained]), strict=True):
                parameter.grad = part.view_as(parameter)
