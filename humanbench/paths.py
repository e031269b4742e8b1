"""Where the data folders that ship with the package are, and what can be computed again."""

from __future__ import annotations

import os
from pathlib import Path

from humanbench.errors import HumanbenchError

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Folder of shipped data files: `datasets`, `protocols`, `baselines` or `leaderboard`.

    A wheel carries them in `humanbench/_data`; a source tree has them beside the package.
    """
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def cache_folder() -> Path:
    """Where what can be computed again is kept: `$HUMANBENCH_CACHE`, else `~/.cache/humanbench`.

    Raises `HumanbenchError` for a user who has no home and names no folder, as happens in containers.
    """
    try:
        return Path(os.environ.get("HUMANBENCH_CACHE") or "~/.cache/humanbench").expanduser().absolute()
    except RuntimeError as error:
        raise HumanbenchError(f"{error} Set HUMANBENCH_CACHE to a folder that can be written to.") from error
