"""Keypoint annotations in COCO's JSON form, one file per split; other formats reuse its parsing.

For datasets with a format of their own, a well-known toolchain's file in this form may stand in for it
(`MergedKeypoints`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET, UnsetType

from humanbench.arrays import Bools, Floats, Ints, real_numbers, whole_number
from humanbench.cards import DatasetCard
from humanbench.data import Table
from humanbench.data.readers import first_file, first_present, need
from humanbench.data.readers.coco_columns import CocoImage, CocoPeople, typed_people
from humanbench.data.readers.files import collector_paused, converted, existing, load_json
from humanbench.data.readers.options import BySplit, Choices, MergedOptions, ReaderOptions
from humanbench.data.readers.people import box_around, person_table
from humanbench.errors import DataError

Record = dict[str, Any]
Place = Callable[[str], str]
ImageKey = Callable[[str], Any] | None

PERSON = "person"
"""The category of people."""


class Keypoints(ReaderOptions):
    """`select` lists the slots of `keypoints` to keep where the file holds more than the card names."""

    select: tuple[int, ...] = ()


class MergedKeypoints(Keypoints, MergedOptions):
    """Of a COCO-form file that stands in for the official ones too."""


class CocoKeypointsOptions(Keypoints):
    """The annotation files of each split, and the folders of its pictures."""

    files: BySplit[Choices]
    images: BySplit[Choices]


OPTIONS = CocoKeypointsOptions


def read(card: DatasetCard, split: str, root: Path) -> Table:
    """All annotated people, crowds and people without keypoints included; `size` is (width, height)."""
    options = CocoKeypointsOptions.of(card)
    path = need(card, root, *options.files[split])
    return coco_table(card, path, first_present(root, options.images[split]))


def merged_table(card: DatasetCard, options: MergedKeypoints, split: str, root: Path) -> Table | None:
    """The people of this split in the COCO-form file of the paper's toolchain; None where there is no such file."""
    path = first_file(root, options.merged.get(split, ()))
    if path is None:
        return None
    table = coco_table(card, path, first_present(root, options.merged_images[split]))
    return converted(card, split, table, path)


def coco_table(card: DatasetCard, path: Path, images: Path, place: Place = str, image_key: ImageKey = None) -> Table:
    """The sample table of one COCO-form file.

    `place` turns a `file_name` into a path below the folder `images`; `image_key` gives an image's id by its
    `file_name` where the stored one is not used. A missing `area` is w * h, a missing `iscrowd` 0, a missing `bbox` the
    box around the keypoints. `num_keypoints` is there where the file states it, because COCO's evaluation takes it
    before the flags. Visibility stays as stored (a file may use 1 for every labelled point). Raises `DataError` naming
    the annotation.
    """
    try:
        with collector_paused():
            people = typed_people(existing(card, path), PERSON) or _people(card, path)
            return _table(card, path, people, images, place, image_key)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{card.id}: {path} is not a COCO-form file: a value in it has the wrong type ({error})"
        ) from error


def _table(card: DatasetCard, path: Path, people: CocoPeople, images: Path, place: Place, image_key: ImageKey) -> Table:
    known = people.images
    names = {k: f"{images}/{place(im.file_name)}" for k, im in known.items()}
    keys = {k: image_key(im.file_name) for k, im in known.items()} if image_key else {k: k for k in known}
    keypoints = select_keypoints(card, path, people.keypoints)
    bbox, unboxed = people.bbox, np.isnan(people.bbox[:, 0])
    if unboxed.any():
        bbox[unboxed] = box_around(keypoints[unboxed])
    unmeasured = np.isnan(people.area)
    more: dict[str, Any] = {}
    if people.num_keypoints is not None:
        labelled = (keypoints[..., 2] > 0).sum(axis=1)
        more["num_keypoints"] = np.where(people.num_keypoints < 0, labelled, people.num_keypoints).tolist()
    sizes = {k: im.size for k, im in known.items()}
    if None not in sizes.values():
        more["size"] = [sizes[k] for k in people.image_id]
    table = person_table(
        image=[names[k] for k in people.image_id],
        image_id=[keys[k] for k in people.image_id],
        annotation_id=people.annotation_id,
        keypoints=keypoints,
        bbox=bbox,
        area=np.where(unmeasured, bbox[:, 2] * bbox[:, 3], people.area),
        iscrowd=people.iscrowd,
        image_ids=[keys[k] for k, im in known.items() if im.is_labeled],
        **more,
    )
    remarks = (_without_area(card, path, unmeasured), _repeated(card, path, people.annotation_id))
    table.attrs["remarks"] = [text for text in remarks if text]
    return table


def _people(card: DatasetCard, path: Path) -> CocoPeople:
    """The people of a file in which something may be wrong: `DataError` where it is."""
    known, people = load_coco(card, path)
    images = {
        k: CocoImage(k, str(_entry(card, path, im, "image", "file_name")), *_size(im), bool(im.get("is_labeled", True)))
        for k, im in known.items()
    }
    stored = [_entry(card, path, a, "annotation", "image_id") for a in people]
    for annotation, key in zip(people, stored, strict=True):
        if key not in known:
            raise DataError(
                f"{card.id}: {path}: annotation {annotation.get('id')} is of image {key}, which is not there"
            )
    keypoints = _numbers(card, path, people, "keypoints", None)
    bbox = np.full((len(people), 4), np.nan)
    stated = [i for i, a in enumerate(people) if "bbox" in a]
    bbox[stated] = _numbers(card, path, [people[i] for i in stated], "bbox", 4)
    labelled = None
    if any("num_keypoints" in a for a in people):
        labelled = _integers(card, path, people, "num_keypoints", -1)
    return CocoPeople(
        images,
        stored,
        [_entry(card, path, a, "annotation", "id") for a in people],
        keypoints,
        bbox,
        _areas(card, path, people),
        _integers(card, path, people, "iscrowd", 0),
        labelled,
    )


def _size(image: Record) -> tuple[int | UnsetType, int | UnsetType]:
    if "width" not in image or "height" not in image:
        return UNSET, UNSET
    return whole_number(image["width"]), whole_number(image["height"])


def _repeated(card: DatasetCard, path: Path, ids: Sequence[Any]) -> str:
    """What is to be said of people in several images under one annotation id."""
    surplus = len(ids) - len(set(ids))
    if not surplus:
        return ""
    times = Counter(ids)
    return (
        f"{card.id}: {path}: {surplus:,} of {len(ids):,} people have the annotation id of another one, the first is "
        f"{next(i for i, n in times.items() if n > 1)}; each counts once here, while pycocotools loses the earlier and "
        "counts the later twice, so its AP is another"
    )


def _without_area(card: DatasetCard, path: Path, lacking: Bools) -> str:
    """What is to be said of people without an area where their similarity is measured by it."""
    options = card.evaluation.options if card.evaluation else {}
    if not lacking.any() or options.get("metric") != "keypoint_ap" or options.get("area") == "box":
        return ""
    return (
        f"{card.id}: {path}: {lacking.sum():,} of {len(lacking):,} people have no 'area'; width x height of their box "
        "is taken for it, which is more than the area of a body and makes AP higher"
    )


def load_coco(card: DatasetCard, path: Path) -> tuple[dict[Any, Record], list[Record]]:
    """Images by id, and annotations, of a COCO-form file; those of people, where it has other categories too."""
    content = load_json(card, path, without="segmentation")
    for part in ("images", "annotations"):
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{card.id}: {path} is not a COCO-form file: it has no list {part!r}")
    images = {_entry(card, path, im, "image", "id"): im for im in content["images"]}
    if len(images) != len(content["images"]):
        raise DataError(f"{card.id}: {path} describes {len(content['images']) - len(images)} images twice")
    return images, _of_people(content)


def _of_people(content: Record) -> list[Record]:
    """The annotations of the category `person`; all of them where the file has one category or none of that name."""
    annotations: list[Record] = content["annotations"]
    categories = [c for c in content.get("categories") or () if isinstance(c, dict)]
    people = {c.get("id") for c in categories if c.get("name") == PERSON}
    if not people or len(categories) == 1:
        return annotations
    return [a for a in annotations if a.get("category_id") in people]


def select_keypoints(card: DatasetCard, path: Path, stored: Floats) -> Floats:
    """Rows of 3 * slots numbers as N x K x 3 in the card's order, dropping the slots the card does not keep."""
    wanted = len(card.labels.keypoints)
    if len(stored) == 0:
        return np.zeros((0, wanted, 3))
    keep = list(card.reader.options.get("select", ()))
    slots = stored.shape[1] // 3
    if stored.shape[1] % 3 or (slots != wanted and (not keep or slots <= max(keep))):
        raise DataError(
            f"{card.id}: {path}: the annotations hold {stored.shape[1]} keypoint numbers each, "
            f"expected {3 * wanted} (x, y, v for {wanted} keypoints)"
        )
    points = stored.reshape(len(stored), slots, 3)
    points = points if slots == wanted else points[:, keep]
    odd = ~np.isin(points[..., 2], (0, 1, 2))
    if odd.any():
        raise DataError(
            f"{card.id}: {path}: annotation number {int(odd.any(axis=1).argmax()) + 1} has the visibility "
            f"{points[..., 2][odd][0]:g}, expected 0, 1 or 2"
        )
    return points


def _entry(card: DatasetCard, path: Path, record: Record, what: str, key: str) -> Any:
    if key not in record:
        raise DataError(f"{card.id}: {path}: {what} {record.get('id', '?')} has no {key!r}")
    return record[key]


def _numbers(card: DatasetCard, path: Path, people: Sequence[Record], key: str, width: int | None) -> Floats:
    """The number lists under `key` as a matrix; when they do not fit, a `DataError` that names the first offender."""
    try:
        numbers = real_numbers([a[key] for a in people])
        fits = numbers.ndim == 2 and width in (None, numbers.shape[1]) and bool(np.isfinite(numbers).all())
    except (KeyError, TypeError, ValueError):
        fits = False
    if fits or not people:
        return numbers if people else np.zeros((0, width or 0))
    lengths = [len(a[key]) if isinstance(a.get(key), list) else 0 for a in people]
    common = width or 3 * len(card.labels.keypoints)
    if common not in lengths and any(lengths):
        common = max(filter(None, lengths), key=lengths.count)
    for annotation, length in zip(people, lengths, strict=True):
        if length != common or not all(map(_is_number, annotation[key])):
            break
    raise DataError(
        f"{card.id}: {path}: {key!r} of annotation {annotation.get('id')} is not a list of {common} finite numbers"
    )


def _areas(card: DatasetCard, path: Path, people: Sequence[Record]) -> Floats:
    """Those stated, `nan` for the others."""
    for annotation in people:
        if "area" in annotation and not _is_number(area := annotation["area"]):
            raise _unfit(card, path, annotation, "area", area, "a finite number")
    return np.array([a.get("area", np.nan) for a in people], np.float64)


def _integers(card: DatasetCard, path: Path, annotations: Sequence[Record], key: str, absent: int) -> Ints:
    """The whole numbers (or booleans) under `key`, `absent` where an annotation lacks it.

    Raises `DataError` naming the annotation for anything else, null too.
    """
    values = [a.get(key, absent) for a in annotations]
    for annotation, value in zip(annotations, values, strict=True):
        if not (isinstance(value, bool) or _is_number(value)) or value != int(value):
            raise _unfit(card, path, annotation, key, value, "a whole number")
    return np.array([int(value) for value in values], np.int64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 63  # not NaN


def _unfit(card: DatasetCard, path: Path, annotation: Record, key: str, value: Any, expected: str) -> DataError:
    shown = "null" if value is None else repr(value)
    return DataError(
        f"{card.id}: {path}: {key!r} of annotation {annotation.get('id')} (image {annotation.get('image_id')}) is "
        f"{shown}, expected {expected}"
    )
