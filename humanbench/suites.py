"""The suites: whose recipes count, and where the data of the embedded one lies, which is written when asked for."""

from __future__ import annotations

import fcntl
import importlib.util
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
        absent = [card for card in cards if not is_synthetic(dataset_folder(card, root)) or _outdated(card, root)]
        if absent:
            names = [card.id for card in absent]
            log.info(f"writing the embedded suite to {root}: {', '.join(names)}")
            _synthesize(names, root)
            for card in absent:
                _stamp(card, root).write_text(_made_elsewhere(card), encoding="utf-8")
    return root


def _outdated(card: DatasetCard, root: Path) -> bool:
    """Whether another package, which makes the copy too, is not the one that made it."""
    made, stamp = _made_elsewhere(card), _stamp(card, root)
    return bool(made) and not (stamp.is_file() and stamp.read_text(encoding="utf-8") == made)


def _stamp(card: DatasetCard, root: Path) -> Path:
    return root / f".{card.id}.made"


def _made_elsewhere(card: DatasetCard) -> str:
    """Hash of what other packages contribute to the copy of a dataset: labels, writer, card; "" where nothing."""
    from humanbench.tasks.registry import task_for

    modules = [card.reader.format, f"{task_for(card).package}.procedural"]
    specs = [importlib.util.find_spec(name) for name in modules if "." in name and not name.startswith("humanbench.")]
    files = [Path(spec.origin) for spec in specs if spec is not None and spec.origin]
    described = card.model_dump(mode="json", include={"labels", "splits"})
    return key([file_sha256(path) for path in files], described) if files else ""


def _synthesize(names: list[str], root: Path) -> None:
    # A process of its own: its pool of workers would run a caller's script again if that has no __main__ guard.
    command = [sys.executable, "-m", "humanbench", "datasets", "synthesize", *names, "--out", str(root)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DataError(f"the embedded suite could not be written to {root}: {lines[-1] if lines else 'no message'}")
