"""`make bench` / `python -m bench [NAME…]`: every case whose name contains one of the words, as a table with ratios."""

from __future__ import annotations

import importlib
import math
import pkgutil
import sys

from rich.console import Console
from rich.table import Table

import bench
from bench.case import measure


def main(words: list[str]) -> None:
    """Measure and print; where both sides' numbers differ beyond the tolerance, show them and end with 1."""
    console = Console()
    table = Table("work", "ours", "extra MB", "peer", "peer time", "peer MB", "ratio", "aim", "same numbers")
    differ = False
    for info in pkgutil.iter_modules(bench.__path__):
        cases = getattr(importlib.import_module(f"bench.{info.name}"), "CASES", ()) if info.name != "__main__" else ()
        for case in cases:
            if words and not any(w in case.name for w in words):
                continue
            Console(stderr=True).print(f"measuring {case.name} …")
            ours = measure(f"bench.{info.name}", case.name, "ours", repeats=3)
            peer = measure(f"bench.{info.name}", case.name, "peer", repeats=1)
            shared = ours.values.keys() & peer.values.keys()
            near = getattr(case, "tolerance", 1e-6)
            off = [k for k in shared if not math.isclose(ours.values[k], peer.values[k], rel_tol=near, abs_tol=1e-6)]
            differ = differ or bool(off)
            verdict = "yes" if not off else ", ".join(f"{k} {ours.values[k]} / {peer.values[k]}" for k in sorted(off))
            table.add_row(
                case.name,
                f"{ours.seconds:.2f} s",
                f"{ours.extra_mb:.0f}",
                case.peer_name,
                f"{peer.seconds:.2f} s",
                f"{peer.extra_mb:.0f}",
                f"{peer.seconds / ours.seconds:.1f}x",
                case.aim,
                verdict,
            )
    console.print(table)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
