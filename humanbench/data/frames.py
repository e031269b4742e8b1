"""Whether pictures and labels belong together, by the pictures' sizes.

Labels of real datasets lie in their pictures but for a few: 1 of 1,011 labelled joints and none of 740 boxes and heads
in real samples, 46 of 44,000 joints of MPII's validation people to the left of or above them, about 1 % of CrowdHuman's
boxes. Pictures that were resized after they were labelled leave most labels outside, or all on one side. Sizes that an
annotation states must be those of the file. A part map must be of its picture's size or of its shape: maps are trained
and scored at their own size. Pictures are never turned by what their EXIF data say: whether labels were drawn on
the turned one is different from dataset to dataset, and the sizes tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.images import image_size
from humanbench.errors import DataError
from humanbench.tasks.registry import task_for

Size = tuple[int, int]
"""Width and height."""

LOOKED_AT = 64
"""Pictures of a table whose headers are read, evenly spaced."""

MARGIN = 2.0
"""Pixels that a label may lie outside: formats count from 0 or 1, edges or centres, and annotators' hands shake."""

SHARE, PICTURES = 0.05, 0.25
"""Labels do not belong to the pictures where more than this share lies outside, in more than this share of pictures."""

FAR = 0.01
"""Nor where more than this share lies outside by more than the picture's own size."""

ENOUGH = 20
"""Pictures with labels from which it means something that none of them has a label in its right half."""


@dataclass(frozen=True)
class Placement:
    """How the labels of some pictures lie: `labels` in `pictures`, of which `outside` in `beyond` pictures.

    `far` are outside by more than the picture's size, `right` is the largest x in shares of the width, `first` the id
    of the first sample with a label outside.
    """

    pictures: int
    labels: int
    outside: int
    beyond: int
    far: int
    right: float
    first: str

    @property
    def trouble(self) -> str:
        """What is wrong, in words; "" where the labels can be of these pictures."""
        many = self.outside > SHARE * self.labels and self.beyond > PICTURES * self.pictures
        if many or self.far > FAR * self.labels:
            return (
                f"{self.outside:,} of {self.labels:,} labels ({self.outside / self.labels:.0%}) lie outside their "
                f"pictures, first in {self.first}: the pictures are not those that were labelled, or were made smaller"
            )
        if self.pictures >= ENOUGH and self.right < 0.5:
            return (
                f"all labels of {self.pictures} pictures lie in the left half: the pictures are not those that were "
                "labelled, or were made larger"
            )
        return ""

    @property
    def text(self) -> str:
        """What was counted."""
        if not self.outside:
            return f"{self.labels:,} labels in {self.pictures:,} pictures, all inside"
        share = f"{self.outside / self.labels:.1%}"
        return f"{self.outside:,} of {self.labels:,} labels outside ({share}), first in {self.first}"


def has_places(card: DatasetCard, table: Table) -> bool:
    """Whether labels of this table lie somewhere in their pictures; attributes do where the table has boxes."""
    return task_for(card).labels.placed or "bbox" in table


def placement(card: DatasetCard, table: Table, sizes: Mapping[str, Size]) -> Placement:
    """How the labels lie in those pictures whose sizes are known."""
    pictures = labels = outside = beyond = far = 0
    right, first = 0.0, ""
    for path, rows in table[table["image"].isin(sizes.keys())].groupby("image", sort=False):
        points, size = task_for(card).labels.points(card, rows), np.array(sizes[str(path)])
        if not len(points):
            continue
        out = ((points < -0.5 - MARGIN) | (points > size - 0.5 + MARGIN)).any(axis=1)
        pictures += 1
        labels += len(points)
        outside += int(out.sum())
        beyond += bool(out.any())
        far += int((np.abs(points / size - 0.5) > 1.5).any(axis=1).sum())  # -1 .. 2 in units of the picture
        right = max(right, float((points[:, 0] / size[0]).max()))
        first = first or (str(rows["id"].iloc[0]) if out.any() else "")
    return Placement(pictures, labels, outside, beyond, far, right, first)


def some_sizes(table: Table, known: Mapping[str, Size] | None = None) -> dict[str, Size]:
    """Sizes of evenly spaced pictures, by path, read from their headers, beside those already known.

    Those that are not there or not readable are no matter of sizes and passed over.
    """
    paths = list(dict.fromkeys(table["image"]))
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths))).round().astype(int))
    sizes = dict(known or {})
    for path in (paths[i] for i in chosen):
        if path not in sizes and Path(path).is_file():
            with suppress(DataError):
                sizes[path] = image_size(Path(path))
    return sizes


def misstated(table: Table, sizes: Mapping[str, Size]) -> list[str]:
    """Those pictures, in words, whose size is not what their annotation states."""
    if "size" not in table:
        return []
    wrong = {}
    for name, path, stated in zip(table["id"], table["image"], table["size"], strict=True):
        if path in sizes and tuple(stated) != sizes[path]:
            wrong[path] = f"{name} is {_words(sizes[path])}, the annotation says {_words(tuple(stated))}"
            wrong[path] += _turned(sizes[path], tuple(stated))
    return list(wrong.values())


def map_fits(picture: Size, part_map: Size) -> bool:
    """Whether a part map is of its picture's size, or of its shape at another scale (to a pixel's rounding)."""
    if picture == part_map:
        return True
    if picture[0] == part_map[0] or picture[1] == part_map[1]:
        return False
    small, large = sorted((picture, part_map))
    return abs(large[0] / small[0] * small[1] - large[1]) <= large[0] / small[0]


def misfit(name: str, picture: Size, part_map: Size) -> str:
    """A picture and a map that do not belong together, in words."""
    return f"the map of {name} is {_words(part_map)}, its picture {_words(picture)}{_turned(picture, part_map)}"


def check_map(path: str, picture: Size, part_map: Size) -> None:
    """`DataError` unless a part map fits its picture."""
    if not map_fits(picture, part_map):
        raise DataError(misfit(path, picture, part_map))


def check_pictures(card: DatasetCard, table: Table) -> None:
    """`DataError` where the sizes of some pictures say that the labels are not of these pictures."""
    if not has_places(card, table):
        return
    sizes = some_sizes(table)
    wrong = misstated(table, sizes)
    trouble = f"{len(wrong)} of {len(sizes)} pictures have another size than annotated: {wrong[0]}" if wrong else ""
    trouble = trouble or placement(card, table, sizes).trouble
    if trouble:
        split = table.attrs["split"]
        raise DataError(f"{card.id} {split}: {trouble} (`humanbench datasets verify {card.id}` looks at all of it)")


def _words(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]}"


def _turned(picture: Size, labels: tuple[int, ...]) -> str:
    """Where width and height changed places, that is the reason."""
    return " (it is stored on its side)" if picture == labels[::-1] and picture != labels else ""
