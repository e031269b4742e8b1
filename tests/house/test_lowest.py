"""The oldest versions that pyproject.toml allows are all said, so that they can be tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.lowest import ROOT, lowest


def test_every_dependency_has_a_lower_bound_that_the_pinned_one_meets() -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    known = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    for line in lowest():
        name, version = line.split("==")
        assert _numbers(known[name.lower().replace("_", "-")]) >= _numbers(version), line


def test_a_dependency_without_a_bound_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["click"]\n')
    with pytest.raises(ValueError, match="click: has no lower bound"):
        lowest(tmp_path / "pyproject.toml")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
