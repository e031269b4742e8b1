"""Small datasets on disk, once for all tests of pretraining."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pretrain.small import write


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the datasets of the tiny pretraining; tests leave it as it is."""
    return write(tmp_path_factory.mktemp("pretrain"))
