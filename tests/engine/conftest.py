"""Small datasets on disk, a cache folder of their own for tests of the engine, and a short way to a cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import humanbench
from humanbench.cards import load_card
from humanbench.results import Result
from tests.engine.toy import FAST, toy_backbone, write_datasets

DATASETS = ("pa100k", "market1501", "peta")


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with three small datasets; tests leave it as it is."""
    return write_datasets(tmp_path_factory.mktemp("data"), *DATASETS)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for this test alone."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HUMANBENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def run(data_root: Path, tmp_path: Path) -> Callable[..., Result]:
    """Evaluate the toy backbone on one dataset; the result."""

    def evaluate(dataset: str = "pa100k", protocol: str = "partial", **options: Any) -> Result:
        overrides = FAST[load_card(dataset).task] | options.pop("set", {})
        given = {"data_root": data_root, "out": tmp_path / "run", "device": "cpu", "backbone": toy_backbone()} | options
        (result,) = humanbench.evaluate(datasets=dataset, protocol=protocol, suite="mini", set=overrides, **given)
        return result

    return evaluate
