"""Detection by group of people: their size, how much of them shows, how close others stand, the picture's edge.

A group is scored on all pictures; the people of others become boxes to ignore. So a detection of somebody else is
neither right nor wrong, and one of nobody is false in every group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from humanbench.arrays import Bools, Floats, ratio
from humanbench.data.boxes import visible_ratios
from humanbench.data.images import image_size

SMALL, LARGE = 32.0**2, 96.0**2
"""Areas in pixels between COCO's small, medium and large.   cocodataset/cocoapi, cocoeval.py, `areaRng`"""

People = list[Bools]
"""Per picture, which of its boxes belong to a group."""


def groupings(table: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, People]]]:
    """Name, how it was told, and by group who belongs to it; boxes to ignore belong to none."""
    boxes = [np.asarray(b, np.float64).reshape(-1, 4) for b in table["boxes"]]
    real = [~np.asarray(i, bool) for i in table["ignore"]]
    area = [b[:, 2] * b[:, 3] for b in boxes]
    bands = {"small (under 32²)": (-np.inf, SMALL), "medium": (SMALL, LARGE), "large (from 96²)": (LARGE, np.inf)}
    yield "size", "area of the annotated box, COCO's bounds", _bands(area, real, bands)
    shown = [visible_ratios(b, v) for b, v in zip(boxes, table["visible"], strict=True)]
    if any((s < 1).any() for s in shown):
        bands = {"heavy (under 65 % shows)": (-np.inf, 0.65), "partial": (0.65, 0.9), "bare (from 90 %)": (0.9, np.inf)}
        yield "occlusion", "the visible box's share of the whole box, CityPersons' bounds", _bands(shown, real, bands)
    close = [nearest_overlap(b, r) for b, r in zip(boxes, real, strict=True)]
    bands = {"alone (IoU under 0.1)": (-np.inf, 0.1), "close": (0.1, 0.5), "crowded (from 0.5)": (0.5, np.inf)}
    yield "crowding", "largest IoU with the box of another person", _bands(close, real, bands)
    cut = [outside_share(b, size) for b, size in zip(boxes, picture_sizes(table), strict=True)]
    if any((c > 0).any() for c in cut):
        bands = {"whole": (-np.inf, 1e-9), "cut by the edge": (1e-9, np.inf)}
        yield "truncation", "whether the whole box leaves the picture", _bands(cut, real, bands)


def nearest_overlap(boxes: Floats, real: Bools) -> Floats:
    """Of each box (N x 4: x, y, w, h) the largest IoU with another one that is `real`."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    common = sides.clip(min=0).prod(axis=2)
    area = boxes[:, 2:].prod(axis=1)
    overlap = np.divide(common, area[:, None] + area[None] - common, out=np.zeros_like(common), where=common > 0)
    np.fill_diagonal(overlap, 0)
    return np.asarray((overlap * real[None]).max(axis=1, initial=0))


def outside_share(boxes: Floats, size: tuple[float, float]) -> Floats:
    """Of each box the share of its area outside a picture of this width and height."""
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)
    area = boxes[:, 2:].prod(axis=1)
    return np.asarray(np.clip(1 - ratio((high - low).prod(axis=1), area, nothing=1.0), 0, 1))


def picture_sizes(table: pd.DataFrame) -> Sequence[tuple[float, float]]:
    """Width and height of each picture of a table."""
    return list(table["size"]) if "size" in table else [image_size(Path(p)) for p in table["image"]]


def _bands(
    values: Sequence[Floats], real: Sequence[Bools], bands: Mapping[str, tuple[float, float]]
) -> dict[str, People]:
    """Who lies from the lower bound up to, and without, the upper one."""
    return {
        name: [r & (v >= low) & (v < high) for v, r in zip(values, real, strict=True)]
        for name, (low, high) in bands.items()
    }
