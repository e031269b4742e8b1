"""The suites: whose recipes count, and where the data of the embedded one lies, which is written when asked for."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from humanbench._version import __version__
from humanbench.errors import DataError, RecipeError
from humanbench.hashing import file_sha256, key
from humanbench.paths import cache_folder
from humanbench.text import nearest

if TYPE_CHECKING:
    from humanbench.cards import DatasetCard
    from humanbench.run_log import RunLog

Suite = Literal["humanbench-v1", "mini"]
SUITES: tuple[Suite, ...] = get_args(Suite)
MINI: Suite = "mini"
"""The embedded suite: procedural copies of the datasets, with recipes that two cores carry out in minutes."""


def check_suite(name: str) -> None:
    """Raises `RecipeError` unless there is such a suite."""
    if name not in SUITES:
        raise RecipeError(f"no suite is called {name!r}{nearest(name, SUITES)} ({', '.join(SUITES)})")


def embedded_root() -> Path:
    """The data root of the embedded suite: one per version of what draws it."""
    package = Path(__file__).parent
    folders = [package / "data" / "mannequin", package / "data" / "writers"]
    files = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in (".py", ".toml"))
    files += sorted(package.glob("tasks/*/procedural.py"))
    return cache_folder() / "mini" / f"{__version__}-{key([file_sha256(path) for path in files])[:8]}"


def synthesized(cards: Iterable[DatasetCard], log: RunLog) -> Path:
    """The data root of the embedded suite, with these datasets in it."""
    from humanbench.data.samples import dataset_folder, is_synthetic

    root = embedded_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of this run, or other runs, wait and find it done
        absent = [card.id for card in cards if not is_synthetic(dataset_folder(card, root))]
        if absent:
            log.info(f"writing the embedded suite to {root}: {', '.join(absent)}")
            _synthesize(absent, root)
    return root


def _synthesize(names: list[str], root: Path) -> None:
    # A process of its own: its pool of workers would run a caller's script again if that has no __main__ guard.
    command = [sys.executable, "-m", "humanbench", "datasets", "synthesize", *names, "--out", str(root)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DataError(f"the embedded suite could not be written to {root}: {lines[-1] if lines else 'no message'}")
