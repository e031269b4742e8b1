"""A benchmark case, and how one side of it is measured: in a process of its own, after a warm-up."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Case(Protocol):
    """One row of the table. A module of `bench/` lists its cases in `CASES`.

    A case may also say `tolerance`: the relative difference up to which both sides' numbers are the same (1e-6), and
    `repeats`: how many runs of ours are timed (3). Without a peer `peer_name` is empty and `peer` is left out; then the
    table shows the numbers themselves.
    """

    name: str
    peer_name: str
    aim: str

    def inputs(self, small: bool) -> Any:
        """Inputs from a fixed seed; `small` ones are for the warm-up (compilation, imports)."""

    def ours(self, inputs: Any) -> dict[str, float]:
        """Our function; returns the numbers it computed, for comparison with the peer's."""

    def peer(self, inputs: Any) -> dict[str, float]:
        """The peer's function; returns numbers under the same names."""


@dataclass(frozen=True)
class Measured:
    """Wall seconds, peak memory over the inputs in MB, and the numbers computed."""

    seconds: float
    extra_mb: float
    values: dict[str, float]


def status(field: str) -> float:
    """MB of a field of this process's status, say VmRSS."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return float(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def measure_here(case: Case, side: str, repeats: int) -> Measured:
    """Warm up on small inputs, then time `repeats` runs on the full inputs: the least time, the most memory.

    Later runs reuse what the allocator kept of the first, so only the most memory of all runs says what one run takes.
    """
    run = getattr(case, side)
    run(case.inputs(small=True))
    inputs = case.inputs(small=False)
    best = Measured(float("inf"), 0.0, {})
    for _ in range(repeats):
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak resident size
        before = status("VmRSS")
        start = time.perf_counter()
        values = run(inputs)
        seconds = time.perf_counter() - start
        extra = status("VmHWM") - before
        best = Measured(min(seconds, best.seconds), max(extra, best.extra_mb), values)
    return best


def measure(module: str, name: str, side: str, repeats: int) -> Measured:
    """`measure_here` in a fresh process."""
    command = [sys.executable, "-m", "bench.case", module, name, side, str(repeats)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Measured(**json.loads(out.splitlines()[-1]))


if __name__ == "__main__":
    _module, _name, _side, _repeats = sys.argv[1:]
    _case = next(c for c in importlib.import_module(_module).CASES if c.name == _name)
    print(json.dumps(vars(measure_here(_case, _side, int(_repeats)))))
