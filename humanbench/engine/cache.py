"""What the cache folder holds, and clearing it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench.documents import from_json
from humanbench.errors import HumanbenchError
from humanbench.paths import cache_folder
from humanbench.text import nearest

PARTS = {
    "trunk": "outputs of frozen trunks",
    "mini": "the embedded suite",
    "weights": "downloaded weights",
    "files.sqlite": "hashes of pictures",
    "compiled": "machine code of loops",
}
"""What lies in the cache folder; all of it can be computed again."""

_INDEX = "store.json"


@dataclass(frozen=True)
class CacheItem:
    """A thing in the cache: its part, a short name, what it is in words, its bytes."""

    part: str
    name: str
    about: str
    bytes: int


def cache_parts() -> dict[str, str]:
    """The parts there can be and whatever else lies in the cache folder, each in words."""
    folder = cache_folder()
    others = sorted(place.name for place in folder.iterdir()) if folder.is_dir() else []
    return PARTS | {name: "not of this version" for name in others if name not in PARTS}


def cache_items() -> list[CacheItem]:
    """Everything in the cache folder, by part."""
    items = []
    for part, description in cache_parts().items():
        place = cache_folder() / part
        if part == "trunk" and place.is_dir():
            stores = sorted(place.iterdir())
            items += [CacheItem(part, store.name.lstrip(".")[:12], _about(store), _size(store)) for store in stores]
        elif place.exists():
            items.append(CacheItem(part, place.name, description, _size(place)))
    return items


def _about(store: Path) -> str:
    """A store in words: dataset, part, view, where the network is split."""
    try:
        index = from_json((store / _INDEX).read_text(encoding="utf-8"))
        view = f"view {index['draw']} ({'+'.join(index['views'])})"
        return f"{index['dataset']} {index['part']}, {view}, before layer group {index['split_index']}"
    except KeyError:
        return "of an earlier version, which is not used any more"
    except (OSError, ValueError, TypeError):
        return "unfinished"


def _size(place: Path) -> int:
    total = 0
    for file in place.rglob("*") if place.is_dir() else [place]:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # removed meanwhile, or not to be read
            continue
    return total


def clear(parts: Sequence[str] = ("trunk",)) -> int:
    """Remove these parts of the cache; the bytes that were freed. Raises `HumanbenchError` for an unknown part."""
    known = cache_parts()
    for part in parts:
        if part not in known:
            raise HumanbenchError(f"the cache has no part {part!r}{nearest(part, known)} ({', '.join(known)})")
    freed = 0
    for part in parts:
        place = cache_folder() / part
        if place.exists():
            freed += _size(place)
            shutil.rmtree(place) if place.is_dir() else place.unlink()
    return freed
