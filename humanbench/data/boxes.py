"""Boxes as detection tables hold them: [x, y, w, h] in pixels, with what is visible as boxes or as ratios."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from humanbench.arrays import Bools, Floats, Ints, real_numbers
from humanbench.cards import DatasetCard
from humanbench.data import Table


def box_array(rows: ArrayLike) -> Floats:
    """Any sequence of four-number rows as an M x 4 float array; none gives 0 x 4."""
    return real_numbers(rows).reshape(-1, 4)


def visible_ratios(boxes: Floats, visible: ArrayLike | None) -> Floats:
    """Visible share per box (M, 0..1) from visible boxes (M x 4), ratios (M) or nothing (all visible)."""
    if visible is None:
        return np.ones(len(boxes))
    shown = np.asarray(visible, np.float64)
    if shown.ndim == 1:
        return shown
    area = boxes[:, 2] * boxes[:, 3]
    return np.divide(shown[:, 2] * shown[:, 3], area, out=np.zeros(len(boxes)), where=area > 0)


def visible_boxes(boxes: Floats, visible: ArrayLike | None) -> Floats:
    """Visible boxes (M x 4) from visible boxes, ratios (the top of the box: legs are hidden first) or nothing."""
    if visible is not None and np.ndim(visible) == 2:
        return box_array(visible)
    shown = boxes.copy()
    shown[:, 3] *= visible_ratios(boxes, visible)
    return shown


def class_indices(card: DatasetCard, person: Sequence[str], row: Mapping[str, Any]) -> tuple[Ints, Bools]:
    """`labels` and the `ignore` that follows from them, for a table row.

    Without a `labels` cell, people get the first class of `person` and ignored boxes the first other class.
    """
    people = [card.labels.classes.index(name) for name in person]
    if row.get("labels") is not None:
        labels = np.asarray(row["labels"], np.int64).reshape(-1)
    else:
        other = next(i for i in range(len(card.labels.classes)) if i not in people)
        labels = np.where(np.asarray(row["ignore"], bool).reshape(-1), other, people[0]).astype(np.int64)
    return labels, ~np.isin(labels, people)


def object_column(values: Sequence[Any]) -> NDArray[np.object_]:
    """One cell per value, whatever their shapes (numpy and pandas would stack arrays of one shape)."""
    column = np.empty(len(values), object)
    for position, value in enumerate(values):
        column[position] = value
    return column


def detection_row(name: str, image: object, boxes: Floats, ignore: ArrayLike, **more: Any) -> dict[str, Any]:
    """A row for `detection_table`: the id, the path of the picture, and its boxes; `more` are further columns."""
    return {"id": name, "image": str(image), "boxes": boxes, "ignore": ignore, **more}


def detection_table(rows: Iterable[Mapping[str, Any]], extra: Sequence[str] = ()) -> Table:
    """Rows with `id, image, boxes, ignore`, perhaps `visible`, and the `extra` columns as a sample table."""
    import pandas as pd

    listed = list(rows)
    columns: dict[str, Any] = {name: [row[name] for row in listed] for name in ("id", "image")}
    columns["boxes"] = object_column([box_array(row["boxes"]) for row in listed])
    columns["ignore"] = object_column([np.asarray(row["ignore"], bool).reshape(-1) for row in listed])
    columns["visible"] = object_column([row.get("visible") for row in listed])
    for name in extra:
        columns[name] = object_column([row[name] for row in listed])
    return pd.DataFrame(columns)


def records(table: Table) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries by column name."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
