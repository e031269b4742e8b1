"""Which process computes which microbatch of a step, and sums of gradients over those that share a module.

A step is made of microbatches (entry, number): the paper's GPUs, `parts` of an entry in the recipe. Any number of
processes up to theirs computes the same update, because a microbatch's samples, random numbers and weight do not depend
on who computes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from humanbench.errors import HumanbenchError
from humanbench.pretrain.entries import EntryData

Microbatch = tuple[int, int]
"""Number of the entry, number of the microbatch in it."""


def assign(entries: Sequence[EntryData], processes: int) -> list[list[Microbatch]]:
    """The microbatches of each process, in order: the next costliest one to the process that has least to do.

    Cost is images times pixels. Raises `HumanbenchError` for more processes than microbatches.
    """
    every = [(number, part) for number, data in enumerate(entries) for part in range(data.entry.parts)]
    if processes > len(every):
        raise HumanbenchError(f"{processes} processes for {len(every)} parts of a step: start at most {len(every)}")
    costs = [math.prod((data.entry.batch, *data.recipe.input.size)) for data in entries]
    assigned: list[list[Microbatch]] = [[] for _ in range(processes)]
    loads = [0.0] * processes
    for one in sorted(every, key=lambda m: (-costs[m[0]], m)):
        least = loads.index(min(loads))
        assigned[least].append(one)
        loads[least] += costs[one[0]]
    return [sorted(microbatches) for microbatches in assigned]


def ranks_by_module(
    assigned: Sequence[Sequence[Microbatch]], users: Mapping[int, Iterable[str]]
) -> dict[str, tuple[int, ...]]:
    """The ranks that compute something with each module, by its name; `users` gives an entry's modules."""
    ranks: dict[str, set[int]] = {}
    for rank, microbatches in enumerate(assigned):
        for entry, _ in microbatches:
            for name in users[entry]:
                ranks.setdefault(name, set()).add(rank)
    return {name: tuple(sorted(members)) for name, members in ranks.items()}


class ProcessGroups:
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
        content: list[Any] = [None]
        torch.distributed.recv_object_list(content, source, group=self._host)
        return content[0]

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
