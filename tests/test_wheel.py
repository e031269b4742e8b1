"""The wheel, built from the tree and run from another folder in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheel")  # what its fixtures make is made once

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("humanbench-*.whl"))


def test_the_wheel_holds_every_card_and_recipe_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("datasets", "protocols", "baselines"):
        tree = {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*.toml")}
        assert tree, f"{folder} holds no TOML files"
        assert {n.removeprefix("humanbench/_data/") for n in names if f"_data/{folder}/" in n} >= tree
    assert "humanbench/py.typed" in names
    assert not [n for n in names if n.startswith(("tests/", "bench/", "tools/", "datasets/"))]


def test_the_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """Installs the wheel alone; its dependencies come from this environment through a .pth file, not a download."""
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    python = env / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    # Plain sys.path lines: unlike site.addsitedir they do not run the .pth of an editable install of this tree.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = "import humanbench, sys; print(humanbench.__file__)"
    where = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert str(env) in where
    listed = subprocess.run(
        [env / "bin" / "humanbench", "datasets", "list", "--json"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert {card["id"] for card in json.loads(listed)} == {path.stem for path in (ROOT / "datasets").glob("*.toml")}
