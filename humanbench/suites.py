"""The suites: whose recipes count, and where the data of the embedded one lies, which is written when asked for."""

from __future__ import annotations

import atexit
import fcntl
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import lru_cache
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
    listed, root = list(cards), embedded_root()
    if not _absent(listed, root):
        return root  # others' too, where nothing can be written
    try:
        return _completed(listed, root, log)
    except OSError as error:
        log.info(f"{root}: the embedded suite cannot be kept ({error.strerror}), so it is written for this run alone")
        return _completed(listed, _own_root(), log)


@lru_cache(maxsize=1)
def _own_root() -> Path:
    """A data root for this process alone, gone when it ends."""
    made = tempfile.mkdtemp(prefix="humanbench-mini-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _absent(cards: Sequence[DatasetCard], root: Path) -> list[DatasetCard]:
    """Those whose copies are not there, or are those of another version."""
    from humanbench.data.samples import dataset_folder, is_synthetic

    return [card for card in cards if not is_synthetic(dataset_folder(card, root)) or _outdated(card, root)]


def _completed(cards: Sequence[DatasetCard], root: Path, log: RunLog) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of this run, or other runs, wait and find it done
        absent = _absent(cards, root)
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
