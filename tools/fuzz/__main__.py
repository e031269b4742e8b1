"""Malformed inputs over all verbs, seeded and bounded: every one must end in one sentence, and nothing forged comes in.

    python -m tools.fuzz [--inputs 3000] [--kills 200] [--seed 0] [FAMILY ...]

Each input runs in this process with a limit of seconds. The table says per family: tried / harmless (it ended as if
nothing were wrong, and may) / one sentence / traceback / hang / wrongly accepted. Ends with 1 where one of the last
three is not 0. `tests/test_fuzz.py` runs a sample.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tools.fuzz.lost import killed
from tools.fuzz.trials import fuzz, table


def main() -> None:
    """Try, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="*", metavar="FAMILY")
    parser.add_argument("--inputs", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="humanbench-fuzz-") as name:
        os.environ["HUMANBENCH_CACHE"] = str(Path(name) / "cache")
        chosen, ground = fuzz(Path(name), given.inputs, given.seed, tuple(given.only))
        kills = killed(ground, given.kills, given.seed) if given.kills else Counter[str]()
    print(table(chosen))
    print(f"\nkills: {kills.total() - kills['lost']} ({kills['killed']} before the end), lost: {kills['lost']}")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    wrong = sum(family.counts[name] for family in chosen for name in ("traceback", "hang", "accepted")) + kills["lost"]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
