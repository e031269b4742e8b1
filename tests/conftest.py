"""Fixtures of several test modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from humanbench.cards import load_card
from tests.evaluated import SUFFIX, Tables, write_perfect


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
