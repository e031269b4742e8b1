"""The format of StreetHeads: a folder of pictures, and a text file of angles per split.

`<split>.txt` has a line per picture: its path below the pictures' folder, and the angle of the head in degrees: 0
toward the viewer, 90 to the right of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from humanbench.cards import DatasetCard
from humanbench.data.readers import need
from humanbench.data.readers.files import read_lines
from humanbench.data.readers.options import ReaderOptions
from humanbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from humanbench.data.writers import Save


class AnglesOptions(ReaderOptions):
    """`images`: the folder of the pictures."""

    images: str = "images"


OPTIONS = AnglesOptions


def street_heads() -> Path:
    """The card of the dataset that comes with this package."""
    return Path(__file__).with_name("street_heads.toml")


def read(card: DatasetCard, split: str, root: Path) -> pd.DataFrame:
    """Table `id, image, heading`; the id is the path below the pictures' folder."""
    path, folder = need(card, root, f"{split}.txt"), need(card, root, AnglesOptions.of(card).images)
    names, headings = [], []
    for number, line in enumerate(read_lines(card, path), 1):
        name, _, angle = line.rpartition(" ")
        try:
            headings.append(round(float(angle) * len(card.labels.classes) / 360) % len(card.labels.classes))
        except ValueError as error:
            raise DataError(f"{card.id}: {path}, line {number}: {angle!r} is no angle in degrees") from error
        names.append(name)
    return _table(names, folder, headings)


def write(card: DatasetCard, root: Path, tables: Mapping[str, pd.DataFrame], save: Save) -> dict[str, pd.DataFrame]:
    """Pictures are numbered over all splits."""
    folder, written, count = root / AnglesOptions.of(card).images, {}, 0
    for split, table in tables.items():
        names = [f"{count + i:05d}.jpg" for i in range(len(table))]
        count += len(table)
        for image, name in zip(table["image"], names, strict=True):
            save(image, folder / name)
        headings = [int(heading) for heading in table["heading"]]
        lines = [f"{n} {h * 360 / len(card.labels.classes):g}\n" for n, h in zip(names, headings, strict=True)]
        (root / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
        written[split] = _table(names, folder, headings)
    return written


def _table(names: Sequence[str], folder: Path, headings: Sequence[int]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"id": names, "image": [str(folder / name) for name in names], "heading": headings})
