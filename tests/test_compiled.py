"""Where compiled code is kept: nowhere, under the cache, beside the source; never a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numba.core.caching as caching
from pathlib import Path

def writable(self):
    if not Path(self.get_cache_path()).is_relative_to({writable!r}):
        raise PermissionError(13, "Read-only file system", self.get_cache_path())
    Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)

caching._CacheLocator.ensure_cache_path = writable
from humanbench import metrics
print(metrics.attributes([[0.9, 0.1]], [[1, 0]])["mA"], metrics.confusion([[0, 1]], [[0, 1]], 2).sum())
"""


def run(writable: Path, **environment: str) -> str:
    code = CODE.format(writable=str(writable))
    settings = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | environment
    return subprocess.run(
        [sys.executable, "-c", code], env=settings, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_without_a_writable_folder_code_is_compiled_for_the_run(tmp_path: Path) -> None:
    """As in a container: the package's folder, the home and the cache cannot be written to."""
    assert run(tmp_path / "nowhere", HUMANBENCH_CACHE=str(tmp_path / "cache")) == "50.0 2"
    assert not list(tmp_path.iterdir())


def test_code_is_kept_in_the_cache_where_numba_has_no_place(tmp_path: Path) -> None:
    assert run(tmp_path, HUMANBENCH_CACHE=str(tmp_path / "cache")) == "50.0 2"
    assert {file.suffix for file in (tmp_path / "cache" / "compiled").rglob("*") if file.is_file()} == {".nbi", ".nbc"}


def test_numbas_own_setting_comes_first(tmp_path: Path) -> None:
    folders = {"HUMANBENCH_CACHE": str(tmp_path / "cache"), "NUMBA_CACHE_DIR": str(tmp_path / "mine")}
    code = CODE.format(writable=str(tmp_path))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **folders}, check=True, capture_output=True)
    assert [folder.name for folder in tmp_path.iterdir()] == ["mine"]


POINTS = """
from typing import NamedTuple
import numpy as np
from humanbench.compiled import compiled

class {name}(NamedTuple):
    values: np.ndarray

@compiled
def total(points):
    return points.values.sum()

def main():
    print(total({name}(np.arange(4.0))))
    return total.stats
"""
TWICE = "import points; stats = points.main(); print(len(stats.cache_hits), len(stats.cache_misses))"


def test_code_kept_by_another_version_is_compiled_anew(tmp_path: Path) -> None:
    """The index of kept code names classes of arguments; one that is gone made every run end in an AttributeError."""

    def said(name: str) -> list[str]:
        (tmp_path / "points.py").write_text(POINTS.format(name=name))
        python = [sys.executable, "-c", TWICE]
        paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
        environment = os.environ | {"PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
        return subprocess.run(python, env=environment, check=True, capture_output=True, text=True).stdout.split()

    assert said("Before") == ["6.0", "0", "1"]
    assert said("Before") == ["6.0", "1", "0"]
    assert said("Later_") == ["6.0", "0", "1"]
    assert said("Later_") == ["6.0", "1", "0"]


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from humanbench.errors import HumanbenchError
    from humanbench.paths import cache_folder

    monkeypatch.delenv("HUMANBENCH_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(HumanbenchError, match="Set HUMANBENCH_CACHE to a folder that can be written to"):
        cache_folder()
