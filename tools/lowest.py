"""Constraints that pin every dependency to its lower bound in pyproject.toml: what the package promises to run with.

python -m tools.lowest > constraints-lowest.txt
pip install -c constraints-lowest.txt -e .
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BOUND = re.compile(r"([A-Za-z0-9_.-]+)(?:>=|==)([0-9][0-9A-Za-z.]*)")


def lowest(pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    """A line `name==version` for each dependency, in the order of the file; `ValueError` for one without a bound."""
    lines = []
    for dependency in tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]:
        found = _BOUND.fullmatch(dependency)
        if found is None:
            raise ValueError(f"{dependency}: has no lower bound, and nobody could say with what it was tested")
        lines.append(f"{found[1]}=={found[2]}")
    return lines


def main() -> None:
    """Print them."""
    print("\n".join(lowest()))


if __name__ == "__main__":
    main()
