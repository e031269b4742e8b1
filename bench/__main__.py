"""`make bench` / `python -m bench [NAME…]`: every case whose name contains one of the words, as a table with ratios."""

from __future__ import annotations

import importlib
import math
import pkgutil
import sys

from rich.console import Console
from rich.table import Table

import bench
from bench.case import Case, Measured, measure


def main(words: list[str]) -> None:
    """Measure and print; where both sides' numbers differ beyond the tolerance, show them and end with 1."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file or pipe: no terminal's width to fit
    table = Table("work", "ours", "extra MB", "peer", "peer time", "peer MB", "ratio", "aim", "same numbers")
    differ = False
    for info in pkgutil.iter_modules(bench.__path__):
        cases = getattr(importlib.import_module(f"bench.{info.name}"), "CASES", ()) if info.name != "__main__" else ()
        for case in cases:
            if words and not any(w.lower() in case.name.lower() for w in words):
                continue
            Console(stderr=True).print(f"measuring {case.name} …")
            ours = measure(f"bench.{info.name}", case.name, "ours", repeats=getattr(case, "repeats", 3))
            peer = measure(f"bench.{info.name}", case.name, "peer", repeats=1) if case.peer_name else None
            off = _differing(case, ours, peer)
            differ = differ or bool(off)
            table.add_row(case.name, *_own(ours), *_other(case, ours, peer), case.aim, _numbers(ours, peer, off))
    console.print(table)
    sys.exit(1 if differ else 0)


def _own(ours: Measured) -> tuple[str, str]:
    return f"{ours.seconds:.2f} s", f"{ours.extra_mb:.0f}"


def _other(case: Case, ours: Measured, peer: Measured | None) -> tuple[str, ...]:
    if peer is None:
        return ("none", "", "", "")
    return case.peer_name, *_own(peer), f"{peer.seconds / ours.seconds:.1f}x"


def _differing(case: Case, ours: Measured, peer: Measured | None) -> list[str]:
    """Names of the numbers in which the two sides differ."""
    near = getattr(case, "tolerance", 1e-6)
    theirs = peer.values if peer else {}
    shared = sorted(ours.values.keys() & theirs.keys())
    return [k for k in shared if not math.isclose(ours.values[k], theirs[k], rel_tol=near, abs_tol=1e-6)]


def _numbers(ours: Measured, peer: Measured | None, off: list[str]) -> str:
    if peer is None:
        return ", ".join(f"{value:.4g} {name}" for name, value in ours.values.items())
    return ", ".join(f"{k} {ours.values[k]} / {peer.values[k]}" for k in off) or "yes"


if __name__ == "__main__":
    main(sys.argv[1:])
