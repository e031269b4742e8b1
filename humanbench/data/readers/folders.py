"""Where the pictures of a split lie, when toolchains disagree about the folder or the archive spreads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from humanbench.cards import DatasetCard
from humanbench.errors import DataError

Find = Callable[..., str]


def below(folder: Path, names: Iterable[str]) -> list[str]:
    """The paths of these names in a folder, without an object of Python's for every one."""
    base = f"{folder}{os.sep}"
    return [base + name for name in names]


def first_file(root: Path, names: Iterable[str]) -> Path | None:
    """The first of these files under `root` that is there."""
    return next((root / name for name in names if (root / name).is_file()), None)


def first_present(root: Path, folders: Sequence[str]) -> Path:
    """The first of these folders under `root` that exists; the first named one where none does."""
    return next((root / folder for folder in folders if (root / folder).is_dir()), root / folders[0])


def picture_finder(card: DatasetCard, root: Path, folders: Sequence[str], *, listed: bool = False) -> Find:
    """`find(name, *other_names) -> absolute path` of a picture in the first of these folders that holds it.

    `folders` are relative to `root`; those that exist are used, and a `DataError` names all of them when none does.
    With a single folder and `listed` false nothing is looked up: the path is put together and no file is touched.
    Otherwise each folder is listed once, and a picture that is in none of them is a `DataError`.
    """
    present = [root / folder for folder in folders if (root / folder).is_dir()]
    if not present:
        raise DataError(
            f"{card.id}: no folder {' or '.join(folders)} under {root}; "
            f"`humanbench datasets show {card.id}` prints the expected layout"
        )
    if len(present) == 1 and not listed:
        prefix = f"{present[0]}{os.sep}"
        return lambda name, *others: prefix + name
    places: dict[str, str] = {}
    for folder in reversed(present):
        with os.scandir(folder) as entries:
            places.update({entry.name: entry.path for entry in entries})

    def find(name: str, *others: str) -> str:
        for candidate in (name, *others):
            if candidate in places:
                return places[candidate]
        wanted = " or ".join((name, *others))
        raise DataError(f"{card.id}: the annotated image {wanted} is not in {', '.join(map(str, present))}")

    return find
