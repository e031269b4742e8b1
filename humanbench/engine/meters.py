"""What forwards take beside time: the peak of memory on a GPU, and energy where the machine counts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of CPU packages (RAPL); since 2020 most systems let root alone read them."""

_Counters = dict[Path, int]


class Meter:
    """Counts over the forwards of `metered(forward)` but the first, which warms up.

    `network_bytes`: bytes of the network on its device; `size`: pictures of a forward.
    """

    def __init__(self, device: torch.device, network_bytes: int, size: int) -> None:
        self._device, self._network_bytes, self._size = device, network_bytes, size
        self._allocated = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
        self._calls = 0
        self._before: _Counters = {}

    def metered(self, forward: Callable[[], None]) -> Callable[[], None]:
        """The forward, counted."""

        def counted() -> None:
            forward()
            self._calls += 1
            if self._calls == 1:
                self._begin()

        return counted

    def _begin(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._device.type == "cpu":
            self._before = _read()

    @property
    def peak_memory(self) -> int | None:
        """Bytes on the GPU: the network's, the batch's, and the most that forwards held at a time beside these.

        What else the process holds there is not in it. None on a processor: the peak of a process holds what was
        finetuned before, and torch keeps no count of its own.
        """
        if self._device.type != "cuda" or self._calls < 2:
            return None
        return self._network_bytes + max(0, torch.cuda.max_memory_allocated(self._device) - self._allocated)

    @property
    def joules_per_image(self) -> float | None:
        """Of all CPU packages of the machine, whatever else runs on them; None without a counter, and on GPUs."""
        after = _read() if self._before and self._calls > 1 else {}
        if not after or after.keys() != self._before.keys():
            return None
        joules = sum(_risen(place, self._before[place], after[place]) for place in after) / 1e6
        return joules / ((self._calls - 1) * self._size) if joules > 0 else None


def bytes_of(network: nn.Module) -> int:
    """Of its parameters and buffers."""
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def _read() -> _Counters:
    """Microjoules by package; nothing where any of them may not be read."""
    try:
        return {place: int((place / "energy_uj").read_text()) for place in _packages()}
    except (OSError, ValueError):
        return {}


def _packages() -> Iterator[Path]:
    """Whole packages: cores and memory are counted in theirs, and `psys` counts packages again."""
    for place in sorted(POWERCAP.glob("intel-rapl:*")):  # AMD's have this name, too
        if (place / "name").read_text().startswith("package"):
            yield place


def _risen(place: Path, before: int, after: int) -> int:
    """A counter begins anew after its largest value."""
    return after - before if after >= before else after - before + int((place / "max_energy_range_uj").read_text())
