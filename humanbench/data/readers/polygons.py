"""Label maps from polygon annotations, rasterised as COCO's own tools do it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from humanbench.arrays import Bools, Floats, real_numbers
from humanbench.cards import DatasetCard
from humanbench.data.labels import Map
from humanbench.errors import DataError

Polygons = list[Floats]
Shape = tuple[int, Polygons]

_FAR = 10
"""A polygon may leave the image, but not by this many image sizes: the rasteriser's memory grows with its length."""


def shape(card: DatasetCard, annotation: Any, size: tuple[int, int], where: str) -> Shape:
    """`(class index, polygons)` of an annotation with `category_id` (1 is the first class after background) and
    `segmentation` (a list of polygons [x1, y1, x2, y2, ...], whose union is meant); `size` is (width, height).

    Polygons of fewer than three points enclose nothing and are left out. Raises a `DataError` that begins with `where`.
    """
    try:
        category, segmentation = annotation["category_id"], annotation["segmentation"]
    except (KeyError, TypeError) as error:
        raise DataError(f"{where}: an annotation needs category_id and segmentation") from error
    if category not in range(1, len(card.labels.classes)):
        last = len(card.labels.classes) - 1
        raise DataError(f"{where}: the category_id {category!r} is not one of 1..{last}, the classes of {card.id}")
    if not isinstance(segmentation, list):
        raise DataError(f"{where}: a segmentation is a list of polygons, found {str(segmentation)[:40]!r}")
    parts = [_points(p, _FAR * max(size), where) for p in segmentation]
    return int(category), [p for p in parts if len(p) >= 6]


def _points(polygon: Any, limit: int, where: str) -> Floats:
    try:
        numbers = real_numbers(polygon)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: {str(polygon)[:40]!r} is not a polygon [x1, y1, x2, y2, ...]") from error
    if numbers.ndim != 1 or len(numbers) % 2:
        raise DataError(f"{where}: a polygon is a row of pairs x, y, found {str(polygon)[:40]!r}")
    far = ~(np.abs(numbers) < limit)
    if far.any():
        raise DataError(f"{where}: a polygon goes to {numbers[far][0]}, far outside the image")
    return numbers


def paint(size: tuple[int, int], shapes: Iterable[Shape]) -> Map:
    """Draw shapes on background 0 of this (width, height), the smallest on top; pixel i spans i to i + 1.

    The datasets say nothing of overlaps: drawing large shapes first keeps a belt on a dress and a bag before a coat,
    whatever the order of annotation (of equal areas the later one is on top).
    """
    masks = [(number, mask(size, polygons)) for number, polygons in shapes if polygons]
    label = np.zeros(size[::-1], np.uint8)
    for number, region in sorted(masks, key=lambda m: -int(m[1].sum())):
        label[region] = number
    return label


def mask(size: tuple[int, int], polygons: Polygons) -> Bools:
    """The union of polygons as an H x W bool mask."""
    from pycocotools import mask as coco

    width, height = size
    runs = coco.frPyObjects([p.tolist() for p in polygons], height, width)
    region: Bools = coco.decode(coco.merge(runs)).astype(bool)
    return region
