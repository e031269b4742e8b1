"""Files that macOS and Windows leave among others: whatever lists a folder or an archive passes them over."""

from __future__ import annotations

from collections.abc import Iterator
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


def files_in(folder: Path, pattern: str) -> Iterator[Path]:
    """`folder.glob(pattern)`, sorted, without leftovers."""
    below = len(folder.parts)
    for path in sorted(folder.glob(pattern), key=lambda path: path.parts):
        if not is_leftover("/".join(path.parts[below:])):
            yield path
