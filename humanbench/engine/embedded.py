"""The embedded suite on disk: procedural copies of the datasets, written when they are first asked for."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from humanbench import __version__
from humanbench.cards import DatasetCard
from humanbench.data import mannequin
from humanbench.data.fingerprint import file_sha256
from humanbench.data.samples import dataset_folder, is_synthetic
from humanbench.engine.identity import key
from humanbench.engine.journal import Journal
from humanbench.errors import DataError
from humanbench.paths import cache_folder


def embedded_root() -> Path:
    """The data root of the embedded suite: one per version of what draws it."""
    source = Path(mannequin.__file__).parent
    files = sorted(path for path in source.iterdir() if path.suffix in (".py", ".toml"))
    return cache_folder() / "mini" / f"{__version__}-{key([file_sha256(path) for path in files])[:8]}"


def synthesized(cards: Iterable[DatasetCard], journal: Journal) -> Path:
    """The data root, with these datasets in it."""
    root = embedded_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of this run, or other runs, wait and find it done
        absent = [card.id for card in cards if not is_synthetic(dataset_folder(card, root))]
        if absent:
            journal.say(f"writing the embedded suite to {root}: {', '.join(absent)}")
            _synthesize(absent, root)
    return root


def _synthesize(names: list[str], root: Path) -> None:
    # A process of its own: its pool of workers would run a caller's script again if that has no __main__ guard.
    command = [sys.executable, "-m", "humanbench", "datasets", "synthesize", *names, "--out", str(root)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise DataError(f"the embedded suite could not be written to {root}: {said[-1] if said else 'no message'}")
