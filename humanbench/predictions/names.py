"""Pairing the names in a predictions file with the ids of the sample table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard
from humanbench.data.readers import ids_of_numbers
from humanbench.errors import PredictionError

if TYPE_CHECKING:
    import pandas as pd

_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def named(card: DatasetCard, table: pd.DataFrame, given: Sequence[str]) -> list[str]:
    """Image numbers of a conversion that is on disk as the dataset's own ids; any other names as they are.

    Toolchains convert AIC, CrowdHuman and Caltech to COCO's form, number the images and give results by these numbers.
    """
    if "numbered" not in table.attrs or not given or not all(name.isdecimal() for name in given):
        return list(given)
    ids = ids_of_numbers(card, table)
    return [ids.get(name, name) for name in given]


def locate(wanted: Sequence[str], given: Sequence[str], source: Path) -> NDArray[np.int64]:
    """For each given name, the number of the wanted id it means.

    Names are compared exactly, and if that does not pair all of them, by ever shorter ends of the path (down to the
    base name), each time also without the image suffix. One way of comparing must serve the whole file and tell all
    wanted ids apart, so a pairing is never a guess. Raises `PredictionError` for a name that belongs to no id.
    """
    names = list(dict.fromkeys(given))
    fewest, example = len(names) + 1, ""
    for key in _comparisons(wanted, names):
        index = {key(name): i for i, name in enumerate(wanted)}
        if len(index) < len(wanted):
            continue
        unknown = [name for name in names if key(name) not in index]
        if not unknown:
            number = {name: index[key(name)] for name in names}
            return np.fromiter((number[name] for name in given), np.int64, len(given))
        if len(unknown) < fewest:
            fewest, example = len(unknown), unknown[0]
    raise PredictionError(
        f"{source}: {fewest} of its {len(names)} names belong to no sample here, the first is {example!r} "
        f"(a name here looks like {wanted[0]!r})"
        if wanted
        else f"{source}: there are no samples to predict here"
    )


def align(wanted: Sequence[str], given: Sequence[str], source: Path, noun: str = "image") -> NDArray[np.int64]:
    """For each wanted id, the number of the given name that means it; `PredictionError` unless all are there once."""
    places = locate(wanted, given, source)
    counts = np.bincount(places, minlength=len(wanted))
    if (counts > 1).any():
        twice = wanted[int(np.argmax(counts > 1))]
        raise PredictionError(
            f"{source}: {twice!r} occurs {counts.max()} times, but every {noun} has exactly one prediction"
        )
    if (counts == 0).any():
        absent = wanted[int(np.argmax(counts == 0))]
        raise PredictionError(
            f"{source}: {(counts == 0).sum()} of {len(wanted)} {noun}s have no prediction, the first is {absent!r}"
        )
    order = np.empty(len(wanted), np.int64)
    order[places] = np.arange(len(given))
    return order


def _comparisons(wanted: Sequence[str], names: Sequence[str]) -> Iterator[Callable[[str], str]]:
    yield str
    deepest = max((_posix(name).count("/") + 1 for name in wanted), default=1)
    for depth in range(deepest, 0, -1):
        yield lambda name, depth=depth: _end(name, depth)  # type: ignore[misc]
        yield lambda name, depth=depth: _stem(_end(name, depth))  # type: ignore[misc]


def _posix(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _end(name: str, depth: int) -> str:
    return "/".join(_posix(name).split("/")[-depth:])


def _stem(name: str) -> str:
    """Without an image suffix; what follows another dot belongs to the name (`S9_Eating.60457274_000001`)."""
    dot = name.rfind(".")
    return name[:dot] if name[dot:].lower() in _IMAGES else name
