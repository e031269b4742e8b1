"""ReID folders whose paths say it all: `query/0002_c1s1_000451_03.jpg` is identity 2 seen by camera 1.

Options of the card: `folders` names each split's folder (alternatives in order of preference; "." is the root itself);
`pattern` is a regular expression for the path below the root, with the groups `pid` and, where there are cameras,
`camera` (one for all splits, or a table of one per split); `cameras` lists the camera names in order, so that `camid`
is an index into it; `camera` gives the camera of splits whose paths do not tell. Without cameras `camid` is -1, without
a pattern `pid` too. `junk` is an identity whose images are left out. `lists` names the two text files that list a
split's paths and identities.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.ranges import UNKNOWN
from humanbench.data.readers import below, need
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.options import BySplit, Choices, ReaderOptions
from humanbench.errors import DataError
from humanbench.leftovers import is_leftover
from humanbench.text import digits

SUFFIXES = (".jpg", ".jpeg", ".png")


class NamedImagesOptions(ReaderOptions):
    """See the module; `name` is how the writer names an image."""

    folders: BySplit[Choices]
    name: str | dict[str, str]
    pattern: str | dict[str, str] | None = None
    cameras: tuple[str, ...] = ()
    camera: BySplit[str] = Field(default_factory=dict)
    junk: int | None = None
    lists: BySplit[tuple[str, str]] = Field(default_factory=dict)


OPTIONS = NamedImagesOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, pid, camid`, sorted by id (the path below the root); cameras count from 0."""
    options = NamedImagesOptions.of(card)
    folder = need(card, root, *options.folders[split])
    prefix = "" if folder == root else folder.relative_to(root).as_posix() + "/"
    if split in options.lists and (root / options.lists[split][0]).is_file():
        return _listed(card, split, root, prefix)
    names = sorted(prefix + name for name in images_under(folder))
    if not names:
        raise DataError(f"{card.id}: no image ({', '.join(SUFFIXES)}) in {folder}")
    samples = table(card, split, root, names)
    samples.attrs["seen"] = True
    return samples


def images_under(folder: Path) -> Iterator[str]:
    """Paths of the images below a folder, relative to it; hidden files (`._0002...`) and other files are passed over.

    The entry type comes with the directory listing, so that no file is looked at by itself.
    """
    pending = [""]
    while pending:
        base = pending.pop()
        with os.scandir(folder / base) as entries:
            for entry in entries:
                if entry.name.startswith(".") or is_leftover(entry.name):
                    continue
                if entry.name.lower().endswith(SUFFIXES):
                    yield base + entry.name
                elif entry.is_dir():
                    pending.append(f"{base}{entry.name}/")


def table(card: DatasetCard, split: str, root: Path, names: list[str]) -> Table:
    """The sample table of these paths below the root; a `DataError` names the first one that tells no identity."""
    options = NamedImagesOptions.of(card)
    pattern = options.pattern
    if pattern is None:
        return frame(root, names, np.full(len(names), UNKNOWN), np.full(len(names), UNKNOWN))
    match = re.compile(pattern if isinstance(pattern, str) else pattern[split]).fullmatch
    index = {name: number for number, name in enumerate(options.cameras)}
    fixed = index.get(options.camera.get(split, ""), UNKNOWN)
    ids, pids, cameras = [], [], []
    for name in names:
        name_match = match(name)
        if name_match is None:
            raise DataError(
                f"{card.id}: {root / name} tells no identity; images of {split} are named like "
                f"{example(card, split)} (`humanbench datasets show {card.id}`)"
            )
        parts = name_match.groupdict()
        pid = digits(parts["pid"])
        if pid == options.junk:
            continue
        camera = index.get(parts["camera"]) if "camera" in parts else fixed
        if camera is None:
            raise DataError(
                f"{card.id}: {root / name} is of camera {parts['camera']}; the cameras are {', '.join(index)}"
            )
        ids.append(name)
        pids.append(pid)
        cameras.append(camera)
    return frame(root, ids, np.array(pids, np.int64), np.array(cameras, np.int64))


def frame(root: Path, names: list[str], pids: np.ndarray, cameras: np.ndarray) -> Table:
    """The ReID table of paths below the root."""
    import pandas as pd

    images = below(root, names)
    return pd.DataFrame({"id": names, "image": images, "pid": pids.astype(np.int64), "camid": cameras.astype(np.int64)})


def path_for(card: DatasetCard, split: str, pid: int, camid: int, number: int) -> str:
    """The path below the root that `name` of the card's options gives an image (one template, or one per split)."""
    options = NamedImagesOptions.of(card)
    template = options.name if isinstance(options.name, str) else options.name[split]
    camera = options.cameras[camid] if 0 <= camid < len(options.cameras) else ""
    return template.format(folder=options.folders[split][0], pid=pid, camera=camera, number=number)


def example(card: DatasetCard, split: str) -> str:
    """How an image of this split is named, for messages."""
    return path_for(card, split, pid=2, camid=0, number=451)


def _listed(card: DatasetCard, split: str, root: Path, prefix: str) -> Table:
    """Paths and identities from two text files: a path per line; a header line, then an identity per line."""
    images, labels = (root / name for name in NamedImagesOptions.of(card).lists[split])
    pids = _identities(card, labels)
    names = [prefix + line.strip() for line in read_lines(card, images)]
    if len(names) != len(pids):
        raise DataError(
            f"{card.id}: {images} lists {len(names)} images, {labels} has {len(pids)} identities after its header"
        )
    return frame(root, names, pids, np.full(len(names), UNKNOWN))


def _identities(card: DatasetCard, labels: Path) -> np.ndarray:
    numbers = read_lines(card, labels)[1:]
    pids = np.empty(len(numbers), np.int64)
    for row, number in enumerate(numbers):
        try:
            pids[row] = digits(number)
        except ValueError as error:
            raise DataError(f"{card.id}: {labels}, line {row + 2}: an identity is a whole number; {error}") from error
    return pids
