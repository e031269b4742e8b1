"""What the cache folder holds, and clearing it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench.errors import HumanbenchError
from humanbench.paths import cache_folder
from humanbench.text import nearest

PARTS = {
    "trunk": "outputs of frozen trunks",
    "mini": "the embedded suite",
    "files.sqlite": "hashes of pictures",
    "compiled": "machine code of loops",
}
"""What lies in the cache folder; all of it can be computed again."""

_INDEX = "store.json"


@dataclass(frozen=True)
class Entry:
    """A thing in the cache: its part, a short name, what it is in words, its bytes."""

    part: str
    name: str
    about: str
    bytes: int


def entries() -> list[Entry]:
    """Everything in the cache folder, by part."""
    found = []
    for part, about in PARTS.items():
        place = cache_folder() / part
        if part == "trunk" and place.is_dir():
            found += [Entry(part, p.name.lstrip(".")[:12], _about(p), _size(p)) for p in sorted(place.iterdir())]
        elif place.exists():
            found.append(Entry(part, place.name, about, _size(place)))
    return found


def _about(store: Path) -> str:
    """A store in words: dataset, part, view, where the network is parted."""
    try:
        told = json.loads((store / _INDEX).read_text(encoding="utf-8"))
        view = f"view {told['draw']} ({'+'.join(told['views'])})"
        return f"{told['dataset']} {told['part']}, {view}, before layer group {told['parting']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unfinished"


def _size(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(f.stat().st_size for f in files if f.is_file())


def clear(parts: Sequence[str] = ("trunk",)) -> int:
    """Remove these parts of the cache; the bytes that were freed. Raises `HumanbenchError` for an unknown part."""
    for part in parts:
        if part not in PARTS:
            raise HumanbenchError(f"the cache has no part {part!r}{nearest(part, list(PARTS))} ({', '.join(PARTS)})")
    freed = 0
    for part in parts:
        place = cache_folder() / part
        if place.exists():
            freed += _size(place)
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    return freed
