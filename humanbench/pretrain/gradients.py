"""How much each entry of a step pulls at the backbone that all of them share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MUCH = 0.8
"""Share from which on one entry of several is said to rule the backbone."""


class Pulls:
    """Norms of the gradients that entries add to a module, one after another, in the steps that are measured.

    What an entry adds is what the gradient is after its backward passes less what it was before, its weight included.
    """

    def __init__(self, module: nn.Module, entries: int, device: torch.device) -> None:
        self._trained = [p for p in module.parameters() if p.requires_grad]
        self.squares = torch.zeros(entries, device=device)
        self._before: list[Tensor] | None = None

    def begin(self, measured: bool) -> None:
        """A step begins, before any gradient."""
        self._before = [torch.zeros_like(p) for p in self._trained] if measured else None
        if measured:
            self.squares.zero_()

    def after(self, entry: int) -> None:
        """The entry's gradients have been added."""
        if self._before is None:
            return
        total = torch.zeros((), device=self.squares.device)
        for parameter, before in zip(self._trained, self._before, strict=True):
            if parameter.grad is not None:
                total += (parameter.grad - before).float().square().sum()
                before.copy_(parameter.grad)
        self.squares[entry] = total

    def end(self) -> None:
        """Forget the gradients of the step."""
        self._before = None


def shares(squares: Tensor) -> list[float]:
    """Of the sum of all norms, that of each entry."""
    norms = squares.sqrt()
    return (norms / norms.sum().clamp_min(torch.finfo(norms.dtype).tiny)).tolist()


def ruling(names: Sequence[str], parts: Sequence[float]) -> str:
    """What to say of an entry that leaves next to nothing to the others; empty where none does."""
    name, most = max(zip(names, parts, strict=True), key=lambda pair: pair[1])
    if len(names) < 2 or most < MUCH:
        return ""
    return (
        f"{name} makes {100 * most:.0f} % of the gradient on the backbone, so the other entries hardly train it; "
        f"a smaller weight (entries.{name}.weight) would let them"
    )
