"""Caltech Pedestrian: the 1x frames with the new annotations (bbGt text), the original ones (vbb), or an odgt list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.boxes import box_array, detection_table, visible_ratios
from humanbench.data.readers import need, picture_finder
from humanbench.data.readers.coco_boxes import numbered
from humanbench.data.readers.files import expecting_structure, load_mat, read_lines
from humanbench.data.readers.odgt import odgt_rows
from humanbench.data.readers.options import BySplit, Choices, ReaderOptions
from humanbench.errors import DataError
from humanbench.leftovers import files_in
from humanbench.schema import Record
from humanbench.text import decimal, digits

SIZE = (640, 480)
FIELDS = {0: 10, 1: 10, 2: 11, 3: 12}
"""Fields of a line by version of the text format (bbGt.m of the authors' toolbox)."""

_FRAME = re.compile(r"^(set\d\d)_(V\d\d\d)_I(\d{5})$")
Object = tuple[str, list[float], bool, list[float], bool]
"""Label, box, occluded, visible box, ignore flag."""


class LabelNames(Record):
    """Labels of people, and labels of boxes to ignore; boxes of other labels are left out."""

    person: tuple[str, ...]
    ignore: tuple[str, ...]


class CaltechOptions(ReaderOptions):
    """The form (`kinds`), the folders and the recording days (`sets`) of each split.

    `step`: every how many frames one is taken. `new_labels` are those of the text form, `old_labels` of the videos.
    `numbers`: COCO-form conversions whose image numbers results may be given by.
    """

    kinds: BySplit[Literal["text", "video", "list"]]
    folders: BySplit[Choices]
    sets: BySplit[tuple[str, ...]]
    images: Choices
    step: int
    new_labels: LabelNames
    old_labels: LabelNames
    numbers: BySplit[Choices] = Field(default_factory=dict)


OPTIONS = CaltechOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """Table `id, image, boxes, ignore, visible (M ratios), labels, size`; the id is like `set06_V000_I00029`.

    Frames are counted from 0: 29, 59, 89 ... `ignore` holds for the label `ignore` and for flagged boxes only: what a
    subset's height, visibility and border rules ignore is the metric's business. Labels outside the card's are left
    out. `labels` are class indices of the card (-1 in the odgt list, which has none).
    """
    options = CaltechOptions.of(card)
    kind = options.kinds[split]
    find = picture_finder(card, root, options.images, listed=True)
    rows = []
    for name, content in _FRAMES[kind](card, split, root):
        row = dict(content) | {"id": name, "image": find(*_spellings(card, name)), "size": SIZE}
        rows.append(row)
    if not rows:
        raise DataError(f"{card.id}: no annotated frame of split {split!r} under {root}")
    table = detection_table(rows, ("labels", "size"))
    numbered(table, root, options.numbers.get(split, ()))
    return table


def image_name(file_name: str) -> str:
    """The toolbox's name of a frame, whose number a common extractor writes without zeros.

    >>> image_name("set06_V000_29.png"), image_name("images/set06_V000_I00029.jpg")
    ('set06_V000_I00029', 'set06_V000_I00029')
    """
    day, video, number = PurePosixPath(file_name).stem.split("_")
    return f"{day}_{video}_I{digits(number.removeprefix('I')):05d}"


def _spellings(card: DatasetCard, name: str) -> list[str]:
    """File names of a frame: the toolbox's with five digits, and a common extractor's with the plain number."""
    match = _FRAME.match(name)
    if match is None:
        raise DataError(f"{card.id}: {name!r} is not the name of a frame (set06_V000_I00029)")
    plain = f"{match[1]}_{match[2]}_{digits(match[3])}"
    return [f"{stem}.{suffix}" for stem in (name, plain) for suffix in ("jpg", "png")]


def _text_frames(card: DatasetCard, split: str, root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    options = CaltechOptions.of(card)
    folder = need(card, root, *options.folders[split])
    for path in files_in(folder, "set*.txt"):
        name = path.name.removesuffix(".txt").removesuffix(".jpg")
        yield name, _row(card, _text_objects(card, path), options.new_labels)


def _text_objects(card: DatasetCard, path: Path) -> list[Object]:
    """The objects of a bbGt file: `label x y w h occluded xv yv wv hv ignore angle` under a version line."""
    lines = read_lines(card, path)
    version = re.match(r"^%\s*bbGt version=(\d+)", lines[0]) if lines else None
    if lines and (version is None or digits(version[1]) not in FIELDS):
        raise DataError(f"{card.id}: {path}, line 1: expected '% bbGt version=3', found {lines[0]!r}")
    count = FIELDS[digits(version[1])] if version else 0
    objects: list[Object] = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        label, *fields = line.split()
        try:
            values = [decimal(v) for v in fields]
        except ValueError:
            values = []
        if len(values) != count - 1:
            raise DataError(f"{card.id}: {path}, line {number}: expected a label and {count - 1} numbers: {line!r}")
        flagged = len(values) > 9 and bool(values[9])
        objects.append((label, values[:4], bool(values[4]), values[5:9], flagged))
    return objects


def _video_frames(card: DatasetCard, split: str, root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    options = CaltechOptions.of(card)
    folder = need(card, root, *options.folders[split])
    for name in options.sets[split]:
        for path in files_in(folder / name, "V*.vbb"):
            for frame, objects in _vbb_objects(card, path, options.step):
                yield f"{name}_{path.stem}_I{frame:05d}", _row(card, objects, options.old_labels)


def _vbb_objects(card: DatasetCard, path: Path, step: int) -> Iterator[tuple[int, list[Object]]]:
    """`(frame, objects)` for the frames step-1, 2 step-1, ... (from 0) of a video, also those without objects.

    A .vbb file is a MATLAB struct with an object list per frame, which counts objects from 1. A missing visible box is
    stored as a single 0 and comes out as four; no flag is set.
    """
    content = load_mat(card, path)
    with expecting_structure(card, path, "a struct A of nFrame, objLists and objLbl as the vbb toolbox saves it"):
        video = content["A"][0, 0]
        frames = video["objLists"].ravel()
        names = [str(cell[0]) if len(cell) else "" for cell in video["objLbl"].ravel()]
        for frame in range(step - 1, int(np.ravel(video["nFrame"])[0]), step):
            yield frame, [_object(thing, names) for thing in np.ravel(frames[frame]) if frames[frame].dtype.names]


def _object(thing: Any, names: list[str]) -> Object:
    visible = np.ravel(thing["posv"]).astype(float)
    if len(visible) != 4:
        visible = np.zeros(4)
    box = np.ravel(thing["pos"]).astype(float)
    if len(box) != 4:
        raise ValueError(f"a box of {len(box)} numbers")
    label = names[int(np.ravel(thing["id"])[0]) - 1]
    return label, box.tolist(), bool(np.ravel(thing["occl"])[0]), visible.tolist(), False


def _list_frames(card: DatasetCard, split: str, root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for row in odgt_rows(card, need(card, root, *CaltechOptions.of(card).folders[split])):
        ratios = visible_ratios(row["boxes"], row["visible"])
        yield row["id"], row | {"visible": ratios, "labels": np.full(len(ratios), -1, np.int64)}


_FRAMES = {"text": _text_frames, "video": _video_frames, "list": _list_frames}


def _row(card: DatasetCard, objects: list[Object], labels: LabelNames) -> Mapping[str, Any]:
    objects = [o for o in objects if o[0] in (*labels.person, *labels.ignore)]
    boxes = box_array([o[1] for o in objects])
    occluded = np.array([o[2] for o in objects], bool)
    return {
        "boxes": boxes,
        "ignore": [o[0] in labels.ignore or o[4] for o in objects],
        "visible": _visible(boxes, occluded, box_array([o[3] for o in objects])),
        "labels": np.array([card.labels.classes.index(o[0]) for o in objects], np.int64),
    }


def _visible(boxes: Floats, occluded: Any, visible: Floats) -> Floats:
    """Visible share as the toolbox counts it.

    1 when not occluded or without a visible box; 0 when the visible box is the whole box although the object is
    occluded (its visible part was never drawn); else the ratio of the areas.
    """
    whole = ~occluded | (visible == 0).all(axis=1)
    hidden = ~whole & (visible == boxes).all(axis=1)
    area = boxes[:, 2] * boxes[:, 3]
    ratio = np.divide(visible[:, 2] * visible[:, 3], area, out=np.zeros(len(boxes)), where=area > 0)
    return np.select([whole, hidden], [1.0, 0.0], ratio)
