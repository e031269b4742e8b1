"""COCO-form keypoint files as columns, decoded with types where all is as it should be."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from humanbench.arrays import Floats, Ints

LARGEST = 1 << 63
"""Numbers from here on are left to the reading that says what is wrong with them."""

_BLOCK = 1000
"""People decoded at a time: as many small objects of Python's are alive at once."""

_PART = 16 << 20
"""Bytes of the file that are handed back to the system at a time once they are decoded."""

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST - 1)]


class CocoImage(msgspec.Struct, gc=False):
    """An image of the file."""

    id: int | str
    file_name: str
    width: Count | msgspec.UnsetType = msgspec.UNSET
    height: Count | msgspec.UnsetType = msgspec.UNSET
    is_labeled: bool | int = True

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) where both are stated."""
        if self.width is msgspec.UNSET or self.height is msgspec.UNSET:
            return None
        return self.width, self.height


@dataclass(frozen=True)
class CocoPeople:
    """The people of a file as columns, and its images by id.

    `keypoints` N x 3 * slots, `bbox` N x 4 with rows of `nan` where none is stated, `area` with `nan` likewise;
    `num_keypoints` is None where no annotation states it, -1 where this one does not.
    """

    images: dict[Any, CocoImage]
    image_id: list[Any]
    annotation_id: list[Any]
    keypoints: Floats
    bbox: Floats
    area: Floats
    iscrowd: Ints
    num_keypoints: Ints | None


class _Category(msgspec.Struct, gc=False):
    id: int | str
    name: str = ""


_NONE = (np.nan,) * 4


class _Person(msgspec.Struct, gc=False):
    id: int | str
    image_id: int | str
    keypoints: list[float]
    bbox: tuple[float, float, float, float] = _NONE
    area: float = np.nan
    iscrowd: Count = 0
    num_keypoints: Count | msgspec.UnsetType = msgspec.UNSET
    category_id: int | str | None = None


class _File(msgspec.Struct, gc=False):
    images: list[CocoImage]
    annotations: list[msgspec.Raw]
    categories: list[_Category] = []


def typed_people(path: Path, person: str) -> CocoPeople | None:
    """The people of a COCO-form file, those of the category `person` where it has others too.

    None for a file in which something is not as it should be; another reading says what. Outlines are skipped, the
    objects of Python's of a thousand people are there at a time, and the text is given back as columns take its place.
    """
    try:
        with path.open("rb") as file:
            content = mmap.mmap(-1, path.stat().st_size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            file.readinto(content)
        coco_file = msgspec.json.decode(content, type=_File)
        return _columns(coco_file, content, wanted_categories(coco_file.categories, person))
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def wanted_categories(categories: list[_Category], person: str) -> set[Any]:
    """Ids of the categories of people; none where all annotations are of people."""
    people: set[Any] = {category.id for category in categories if category.name == person}
    return set() if len(categories) == 1 else people


def _columns(coco_file: _File, content: mmap.mmap, wanted: set[Any]) -> CocoPeople | None:
    images = {image.id: image for image in coco_file.images}
    raw = coco_file.annotations
    decode = msgspec.json.Decoder(list[_Person]).decode
    slots = len(decode(b"[" + bytes(raw[0]) + b"]")[0].keypoints) if raw else 0
    image_id: list[Any] = []
    annotation_id: list[Any] = []
    keypoints, bbox, area = np.empty((len(raw), slots)), np.empty((len(raw), 4)), np.empty(len(raw))
    flags = np.empty((2, len(raw)), np.int64)
    given_back = passed = start = 0
    for first in range(0, len(raw), _BLOCK):
        text = b"[" + b",".join(raw[first : first + _BLOCK]) + b"]"
        block = decode(text)
        if wanted:
            block = [one for one in block if one.category_id in wanted]
        rows = slice(start, start + len(block))
        points = [one.keypoints for one in block]
        if any(len(one) != slots for one in points):
            return None
        keypoints[rows] = np.fromiter(chain.from_iterable(points), np.float64, len(block) * slots).reshape(-1, slots)
        boxes = chain.from_iterable([one.bbox for one in block])
        bbox[rows] = np.fromiter(boxes, np.float64, 4 * len(block)).reshape(-1, 4)
        area[rows] = [one.area for one in block]
        flags[0, rows] = [one.iscrowd for one in block]
        flags[1, rows] = [-1 if one.num_keypoints is msgspec.UNSET else one.num_keypoints for one in block]
        image_id += [one.image_id for one in block]
        annotation_id += [one.id for one in block]
        start, passed = rows.stop, passed + len(text) - 2
        if passed - given_back > _PART:  # whoever comes next stands beyond so many bytes
            given_back = passed // mmap.PAGESIZE * mmap.PAGESIZE
            content.madvise(mmap.MADV_DONTNEED, 0, given_back)
    if len(images) != len(coco_file.images) or not images.keys() >= set(image_id):
        return None
    people = slice(start)
    stated = None if (flags[1, people] < 0).all() else flags[1, people].copy()
    columns = (keypoints[people], bbox[people], area[people])
    if np.isinf(columns[0]).any() or np.isinf(columns[1]).any() or (np.abs(columns[2]) >= LARGEST).any():
        return None
    return CocoPeople(images, image_id, annotation_id, *columns, flags[0, people].copy(), stated)
