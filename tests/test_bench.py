"""The benchmarks: every module of `bench/` that lists cases lists what `python -m bench` can measure."""

from __future__ import annotations

import importlib
import pkgutil

import bench


def test_cases_have_what_the_table_asks_for() -> None:
    names = []
    for info in pkgutil.iter_modules(bench.__path__):
        if info.name == "__main__":
            continue
        for case in getattr(importlib.import_module(f"bench.{info.name}"), "CASES", ()):
            assert callable(case.inputs), info.name
            assert callable(case.ours), info.name
            assert bool(case.peer_name) == hasattr(case, "peer"), case.name
            assert isinstance(case.aim, str), case.name
            names.append(case.name)
    assert len(names) == len(set(names)) > 10
