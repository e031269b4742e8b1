"""The benchmark: which datasets it is made of."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any

from humanbench.paths import shipped


@lru_cache(maxsize=1)
def benchmark() -> dict[str, Any]:
    """`protocols/humanbench.toml`: the benchmark's datasets, and how the paper's table parts their tasks."""
    return tomllib.loads((shipped("protocols") / "humanbench.toml").read_text(encoding="utf-8"))
