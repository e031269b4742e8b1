"""Rows of pose tables: what every keypoint reader ends in, and boxes for formats that state none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from humanbench.arrays import Floats, Ints
from humanbench.data import Table

_GROWTH = 1.2
"""Sides of a box made from keypoints over the keypoints' extent, as mmpose (Human3.6M, MPI-INF-3DHP) and mmhuman3d
(Penn Action, 3DPW) take them in their converters."""


class SharedIds(list[Any]):
    """Ids that stand beside a table: pandas makes a deep copy of what does whenever a column is taken, and there may be
    a hundred thousand of them, which nobody changes in place."""

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedIds:
        return self


def person_table(
    *,
    image: Sequence[str],
    image_id: Sequence[Any],
    keypoints: Floats,
    bbox: Floats,
    annotation_id: Sequence[Any] | None = None,
    area: Floats | None = None,
    iscrowd: Ints | None = None,
    image_ids: Iterable[Any] | None = None,
    **more: Sequence[Any],
) -> Table:
    """The sample table of N people.

    `keypoints` N x K x 3 (x, y, v), `bbox` N x 4 [x, y, w, h]. `annotation_id` is 0 where the format has one person in
    each picture, `area` w * h where it states none, `iscrowd` 0. `image_ids` lists the images of the split in order,
    those without people too; by default the ones that have people. `more` are further columns.
    """
    import pandas as pd

    people = len(image_id)
    annotation_id = [0] * people if annotation_id is None else annotation_id
    columns: dict[str, Any] = {
        "id": [f"{i}/{a}" for i, a in zip(image_id, annotation_id, strict=True)],
        "image": list(image),
        "image_id": list(image_id),
        "annotation_id": list(annotation_id),
        "bbox": list(bbox.reshape(people, 4)),
        "keypoints": list(keypoints),
        "area": bbox.reshape(people, 4)[:, 2:].prod(axis=1) if area is None else area,
        "iscrowd": np.zeros(people, np.int64) if iscrowd is None else iscrowd,
        **{name: list(values) for name, values in more.items()},
    }
    table = pd.DataFrame(columns)
    table.attrs["image_ids"] = SharedIds(dict.fromkeys(image_id if image_ids is None else image_ids))
    return table


def join_tables(tables: Sequence[Table]) -> Table:
    """Tables of several files one below the other; their lists of images too."""
    import pandas as pd

    joined = pd.concat(tables, ignore_index=True)
    joined.attrs = {
        "image_ids": SharedIds(i for t in tables for i in t.attrs["image_ids"]),
        "remarks": [remark for t in tables for remark in t.attrs.get("remarks", ())],
    }
    return joined


def box_around(keypoints: Floats, square: bool = False) -> Floats:
    """Boxes N x 4 [x, y, w, h] about the middle of the labelled points' extent, zeros where no point is labelled.

    The sides are 1.2 times the extent's; `square` takes the longer one for both.
    """
    labelled = keypoints[..., 2] > 0
    xy = keypoints[..., :2]
    low = np.where(labelled[..., None], xy, np.inf).min(axis=1)
    high = np.where(labelled[..., None], xy, -np.inf).max(axis=1)
    some = labelled.any(axis=1)
    low[~some] = high[~some] = 0.0
    sides = _GROWTH * (high - low)
    if square:
        sides = np.repeat(sides.max(axis=1, keepdims=True), 2, axis=1)
    return np.concatenate([(low + high - sides) / 2, sides], axis=1)
