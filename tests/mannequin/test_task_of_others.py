"""A task of another package labels procedural pictures and writes them in its own format; nothing here knows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from humanbench.data.samples import MARKER

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python into which the package of the task is installed."""
    place = tmp_path / "site" / "mydirections-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: mydirections\nVersion: 1.0\n", encoding="utf-8")
    (place / "entry_points.txt").write_text(
        "[humanbench.tasks]\ndirection = tests.mannequin.directions:task\n"
        "[humanbench.datasets]\nmydirections = tests.mannequin.directions:card\n",
        encoding="utf-8",
    )
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(place.parent), str(ROOT)])}


def humanbench(environment: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "humanbench", "datasets", *map(str, words)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


def test_a_task_of_another_package_is_synthesized(installed: dict[str, str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    written = humanbench(installed, "synthesize", "mydirections", "--out", data, "--scale", "1", "--workers", "2")
    assert written.returncode == 0, written.stderr
    assert (data / "mydirections" / MARKER).is_file()
    tables = {split: pd.read_csv(data / "mydirections" / f"{split}.csv") for split in ("train", "test")}
    assert [len(tables["train"]), len(tables["test"])] == [30, 12]  # 3 : 1 of 40, and at least 12
    directions = pd.concat(tables.values())["direction"]
    assert set(directions) <= set(range(8))
    assert directions.nunique() > 5  # people face anywhere
    verified = humanbench(installed, "verify", "mydirections", "--data-root", data, "--every", "1")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "mannequin" in verified.stdout


def test_a_task_without_labels_for_scenes_is_one_sentence(installed: dict[str, str], tmp_path: Path) -> None:
    package = tmp_path / "site" / "unlabelled"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from pathlib import Path\n"
        "from dataclasses import replace\n"
        "from tests.mannequin.directions import task as known\n"
        "task = replace(known, name='unlabelled', package=__name__)\n"
        "def card():\n"
        "    return Path(__file__).with_name('card.toml')\n",
        encoding="utf-8",
    )
    card = (ROOT / "tests" / "mannequin" / "directions" / "mydirections.toml").read_text(encoding="utf-8")
    (package / "card.toml").write_text(card.replace('task = "direction"', 'task = "unlabelled"'), encoding="utf-8")
    points = tmp_path / "site" / "mydirections-1.0.dist-info" / "entry_points.txt"
    points.write_text(
        "[humanbench.tasks]\nunlabelled = unlabelled:task\n[humanbench.datasets]\nmydirections = unlabelled:card\n",
        encoding="utf-8",
    )
    done = humanbench(installed, "synthesize", "mydirections", "--out", tmp_path / "data", "--workers", "1")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("humanbench: mydirections: the task unlabelled has no labels for procedural people")
    assert not (tmp_path / "data").exists()
