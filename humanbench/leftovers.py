"""Files that macOS and Windows leave among others: whatever lists a folder or an archive passes them over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_FOLDER = "__macosx"
"""Where macOS puts its `._` files inside a zip archive."""


def is_leftover(path: str) -> bool:
    r"""Whether a name, or a path with `/` or `\`, is one of those.

    >>> is_leftover("maps/._0001.png"), is_leftover("__MACOSX/maps/0001.png"), is_leftover("maps/0001.png")
    (True, True, False)
    """
    parts = path.lower().replace("\\", "/").split("/")
    return any(part.startswith("._") for part in parts) or _FOLDER in parts or parts[-1] in _FILES


def not_a_file(paths: Iterable[Path]) -> str:
    """What is to be said of the first path where no file lies, empty where all are files: a pipe's reader would wait
    for ever."""
    strange = next((path for path in paths if not path.is_file()), None)
    return f"{strange}: is no file but a folder, a pipe or a link that leads nowhere" if strange else ""


def files_in(folder: Path, pattern: str) -> Iterator[Path]:
    """`folder.glob(pattern)`, sorted, without leftovers."""
    below = len(folder.parts)
    for path in sorted(folder.glob(pattern), key=lambda path: path.parts):
        if not is_leftover("/".join(path.parts[below:])):
            yield path
