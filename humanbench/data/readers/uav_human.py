"""UAV-Human attributes: crops whose file names carry every label.

`P070S01G10B00H10UC102000LC092000A031R0_09131758_117_bbox.jpg`: person, set-up, gender, backpack, hat, upper and lower
clothing, action, replicate. Each code starts with the main subject's digits; a second subject's digits may follow.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import below, need
from humanbench.data.readers.attributes import frame
from humanbench.data.readers.named_images import images_under
from humanbench.errors import DataError

CODE = re.compile(
    r"P\d+S\d+G(?P<gender>\d)\d*B(?P<backpack>\d)\d*H(?P<hat>\d)\d*"
    r"UC(?P<upper_color>\d\d)(?P<upper_style>\d)\d*LC(?P<lower_color>\d\d)(?P<lower_style>\d)\d*A\d+R\d+_\d+"
)
GENDER = {1: 1, 2: 0, 0: -1}
"""1 male, 2 female, 0 not known; the attribute is `male`."""

NONE_TOO = 5
"""A second code for `none` in backpack and hat."""


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image`, the attribute `male`, then one column per value of each group of the card.

    In a group the values have codes 1, 2, ... in order, and the last one code 0. The id is the file name.
    """
    folder = need(card, root, split)
    names = sorted(images_under(folder))
    if not names:
        raise DataError(f"{card.id}: no image in {folder}")
    groups = card.labels.groups
    codes = np.empty((len(names), len(groups) + 1), np.int64)
    for row, name in enumerate(names):
        match = CODE.match(name)
        if match is None:
            raise DataError(f"{card.id}: {folder / name} is not named like P070S01G10B00H10UC102000LC092000A031R0_...")
        codes[row] = [int(match["gender"]), *(int(match[group]) for group in groups)]
    labels = [_coded(card, folder, names, codes[:, 0], GENDER)[:, None]]
    for column, (group, values) in enumerate(groups.items(), 1):
        last = len(values) - 1
        index = {0: last, **{code: code - 1 for code in range(1, last + 1)}}
        if group in ("backpack", "hat"):
            index[NONE_TOO] = last
        labels.append(np.eye(len(values), dtype=np.int8)[_coded(card, folder, names, codes[:, column], index)])
    return frame(card, names, below(folder, names), np.concatenate(labels, axis=1))


def _coded(card: DatasetCard, folder: Path, names: list[str], codes: np.ndarray, values: dict[int, int]) -> np.ndarray:
    table = np.full(100, -2, np.int64)
    table[list(values)] = list(values.values())
    result: np.ndarray = table[codes]
    if (result == -2).any():
        row = int(np.argmax(result == -2))
        raise DataError(
            f"{card.id}: {folder / names[row]} holds the code {codes[row]}, known are {', '.join(map(str, values))}"
        )
    return result
