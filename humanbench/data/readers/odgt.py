"""CrowdHuman's odgt: one JSON object a line and image, each person with a full, a visible and a head box."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec
import numpy as np
from pydantic import Field

from humanbench.arrays import flag, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_table
from humanbench.data.readers import need, picture_finder
from humanbench.data.readers.coco_boxes import merged_boxes, numbered
from humanbench.data.readers.coco_columns import LARGEST, Count
from humanbench.data.readers.files import expecting, read_lines
from humanbench.data.readers.options import BySplit, Choices, MergedOptions
from humanbench.documents import from_json
from humanbench.errors import DataError

Box = tuple[float, float, float, float]

ABSENT: Box = (np.nan, np.nan, np.nan, np.nan)


class OdgtOptions(MergedOptions):
    """The annotation files and picture folders of each split.

    `numbers`: COCO-form conversions whose image numbers results may be given by.
    """

    files: BySplit[Choices]
    images: BySplit[Choices]
    numbers: BySplit[Choices] = Field(default_factory=dict)


OPTIONS = OdgtOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (M x 4), head (M x 4)`; the id is the record's ID.

    A box is ignored when its tag is not `person` or its `extra.ignore` is not 0. Boxes reach outside the picture as
    annotated. Some conversions also state the picture's `size` (width, height): then that column is there too.
    """
    options = OdgtOptions.of(card)
    official = any((root / name).is_file() for name in options.files[split])
    if not official and (merged := merged_boxes(card, options, split, root, image_name)) is not None:
        return merged
    path = need(card, root, *options.files[split])
    find = picture_finder(card, root, options.images[split])
    rows = [row | {"image": find(f"{row['id']}.jpg")} for row in odgt_rows(card, path)]
    sized = bool(rows) and all(row["size"] is not None for row in rows)
    table = detection_table(rows, ("head", "size") if sized else ("head",))
    numbered(table, root, options.numbers.get(split, ()))
    return table


def image_name(file_name: str) -> str:
    """The record's ID of an image file.

    >>> image_name("Images/273271,1a02900084ed5ae8.jpg")
    '273271,1a02900084ed5ae8'
    """
    return PurePosixPath(file_name).stem


def odgt_rows(card: DatasetCard, path: Path) -> Iterator[dict[str, Any]]:
    """`id, size, boxes, ignore, visible, head` per image of an odgt file.

    Reads the official form and the one where the whole file is one line holding a list of the same records. A line
    that is not such a record is a `DataError` naming it.
    """
    for number, line in enumerate(read_lines(card, path), start=1):
        if (typed := _typed(line)) is not None:
            yield typed
            continue
        where = f"{card.id}: {path}, line {number}"
        try:
            record = from_json(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}: not valid JSON ({error.msg} at character {error.pos + 1})") from error
        except (RecursionError, ValueError) as error:
            raise DataError(f"{where}: not valid JSON ({error})") from error
        for one in record if isinstance(record, list) else (record,):
            yield _row(one, where)


class _Extra(msgspec.Struct, gc=False, frozen=True):
    ignore: Literal[0, 1] | bool = 0


class _Person(msgspec.Struct, gc=False):
    tag: str
    fbox: Box
    vbox: Box = ABSENT
    hbox: Box = ABSENT
    extra: _Extra = _Extra()


class _Record(msgspec.Struct, gc=False):
    ID: str | int
    gtboxes: list[_Person]
    width: Count | msgspec.UnsetType = msgspec.UNSET
    height: Count | msgspec.UnsetType = msgspec.UNSET


def _typed(line: str) -> dict[str, Any] | None:
    """The row of a record in which all is as it should be, without an object of Python's for every field; else None."""
    try:
        record = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    people = record.gtboxes
    boxes = np.array([(*p.fbox, *p.vbox, *p.hbox) for p in people], np.float64).reshape(-1, 12)
    size = (record.width, record.height)
    unset = size.count(msgspec.UNSET)
    if unset == 1 or (np.abs(boxes) >= LARGEST).any():
        return None
    return {
        "id": str(record.ID),
        "size": None if unset else size,
        "boxes": boxes[:, :4].copy(),
        "ignore": [p.tag != "person" or bool(p.extra.ignore) for p in people],
        "visible": boxes[:, 4:8].copy(),
        "head": boxes[:, 8:].copy(),
    }


_DECODER = msgspec.json.Decoder(_Record)


def _row(record: Any, where: str) -> dict[str, Any]:
    form = "an object with ID and gtboxes, each of them with tag and fbox of four numbers"
    with expecting(f"{where}: a record is {form} (", ")"):
        people = record["gtboxes"]
        full = box_array([p["fbox"] for p in people])
        visible = box_array([p.get("vbox", ABSENT) for p in people])
        head = box_array([p.get("hbox", ABSENT) for p in people])
        ignore = [p["tag"] != "person" or flag(p.get("extra", {}).get("ignore", 0)) for p in people]
        size = (whole_number(record["width"]), whole_number(record["height"])) if "width" in record else None
        name = str(record["ID"])
    if not len(full) == len(visible) == len(head) == len(people):
        raise DataError(f"{where}: {name} has a box that is not four numbers")
    return {"id": name, "size": size, "boxes": full, "ignore": ignore, "visible": visible, "head": head}
