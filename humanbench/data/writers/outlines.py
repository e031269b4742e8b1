"""Regions of a label map as polygons that COCO's rasteriser turns back into exactly the same pixels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import scipy.ndimage

from humanbench.arrays import Bools

Point = tuple[int, int]


def outlines(mask: Bools) -> list[list[int]]:
    """The regions (pixels joined by edges) of an H x W mask, each as a polygon [x1, y1, x2, y2, ...].

    Polygons run along pixel edges, pixel i from i to i + 1, so nothing is lost. COCO has no holes: the outline of a
    hole is joined to the outer one by a seam that is walked to and fro.

    >>> outlines(np.array([[0, 0, 0], [0, 1, 1]], bool))
    [[1, 1, 3, 1, 3, 2, 1, 2]]
    """
    regions, _ = scipy.ndimage.label(mask)
    polygons = []
    for number, (rows, columns) in enumerate(scipy.ndimage.find_objects(regions), 1):
        walk, *others = _loops(regions[rows, columns] == number)
        for loop in others:
            walk = _with_seam(walk, loop)
        polygons.append([n for x, y in _corners(walk) for n in (x + columns.start, y + rows.start)])
    return polygons


def _loops(region: Bools) -> list[list[Point]]:
    """Closed walks over all pixel edges between region and rest, every vertex listed; the region lies to the right."""
    padded = np.pad(region, 1).astype(np.int8)
    horizontal, vertical = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    onward: dict[Point, list[Point]] = defaultdict(list)
    for y, x in np.argwhere(horizontal).tolist():
        ends = (x, y), (x + 1, y)
        start, end = ends if horizontal[y, x] > 0 else ends[::-1]
        onward[start].append(end)
    for y, x in np.argwhere(vertical).tolist():
        ends = (x, y + 1), (x, y)
        start, end = ends if vertical[y, x] > 0 else ends[::-1]
        onward[start].append(end)
    loops = []
    for first in list(onward):
        while onward[first]:
            loop, here = [first], onward[first].pop()
            while here != first:
                loop.append(here)
                here = onward[here].pop()
            loops.append(loop)
    return loops


def _with_seam(walk: list[Point], loop: list[Point]) -> list[Point]:
    """One closed walk over both: around the first, across to the second, around it, and back the same way."""
    across = (loop[0][0], walk[0][1])
    return [*walk, walk[0], across, *loop, loop[0], across]


def _corners(walk: list[Point]) -> list[Point]:
    """The closed walk without repeated vertices and those at which it goes straight on."""
    distinct = [p for p, after in zip(walk, walk[1:] + walk[:1], strict=True) if p != after]
    before, after = distinct[-1:] + distinct[:-1], distinct[1:] + distinct[:1]
    return [p for b, p, a in zip(before, distinct, after, strict=True) if _direction(b, p) != _direction(p, a)]


def _direction(start: Point, end: Point) -> tuple[int, int]:
    return (end[0] > start[0]) - (end[0] < start[0]), (end[1] > start[1]) - (end[1] < start[1])
