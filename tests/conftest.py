"""Fixtures of several test modules."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Small matrices are not worth several threads, tests run side by side, and sums come in one order on every machine.
# The libraries read this when they are loaded, here and in the processes that tests start.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from humanbench.cards import load_card
from tests.evaluated import SUFFIX, Tables, write_perfect


@pytest.fixture(scope="session", autouse=True)
def no_speeds() -> Iterator[None]:
    """No forward is timed beside a cell, but in the tests of that."""
    from humanbench.engine import speed

    before, speed.BATCHES = speed.BATCHES, ()
    yield
    speed.BATCHES = before


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path, Tables]]:
    """Data root, perfect predictions and tables of an example dataset, made on first use."""
    made: dict[str, tuple[Path, Path, Tables]] = {}

    def get(name: str) -> tuple[Path, Path, Tables]:
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            path = root / f"perfect{SUFFIX[load_card(name).task]}"
            made[name] = (root, path, write_perfect(name, root, path))
        return made[name]

    return get


def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups hold: pytest-xdist writes them into the names of tests, where some versions of pytest lose them."""
    if hasattr(session.config, "workerinput") and session.config.getoption("loadgroup", False):
        marked = [item.nodeid for item in session.items if item.get_closest_marker("xdist_group")]
        lost = [name for name in marked if "@" not in name]
        assert not lost, f"{len(lost)} tests have lost their xdist_group, the first is {lost[0]}"
