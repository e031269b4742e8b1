"""Procedural copies that the tests of this folder share."""

from __future__ import annotations

import pytest

from tests.mannequin.copies import Copies


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """Copies of all datasets at tiny scale; tests that use it are in one xdist group, so that it is made once."""
    folder = tmp_path_factory.mktemp("mannequins")
    (folder / "data").mkdir()
    return Copies(folder / "data", folder / "pictures", {})
