"""The video annotations of Caltech Pedestrian (.vbb): a MATLAB struct with an object list per frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.readers.files import foreign_structure, load_mat

VideoObject = tuple[str, list[float], bool, list[float], bool]


def vbb_objects(card: DatasetCard, path: Path, step: int) -> Iterator[tuple[int, list[VideoObject]]]:
    """`(frame, objects)` for the frames step-1, 2 step-1, ... (from 0) of a video, also those without objects.

    An object is (label, box, occluded, visible box, False); the struct counts objects from 1. A missing visible box
    is stored as a single 0 and comes out as four.
    """
    content = load_mat(card, path)
    try:
        video = content["A"][0, 0]
        frames = video["objLists"].ravel()
        names = [str(cell[0]) if len(cell) else "" for cell in video["objLbl"].ravel()]
        for frame in range(step - 1, int(np.ravel(video["nFrame"])[0]), step):
            yield frame, [_object(thing, names) for thing in np.ravel(frames[frame]) if frames[frame].dtype.names]
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        expected = "a struct A of nFrame, objLists and objLbl as the vbb toolbox saves it"
        raise foreign_structure(card, path, expected, error) from error


def _object(thing: Any, names: list[str]) -> VideoObject:
    visible = np.ravel(thing["posv"]).astype(float)
    if len(visible) != 4:
        visible = np.zeros(4)
    box = np.ravel(thing["pos"]).astype(float)
    if len(box) != 4:
        raise ValueError(f"a box of {len(box)} numbers")
    label = names[int(np.ravel(thing["id"])[0]) - 1]
    return label, box.tolist(), bool(np.ravel(thing["occl"])[0]), visible.tolist(), False
