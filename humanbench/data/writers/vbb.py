"""Writes the video annotations of Caltech Pedestrian (.vbb)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.data.writers.files import save_mat

FIELDS = ("id", "pos", "occl", "lock", "posv")


def save_vbb(path: Path, length: int, frames: Mapping[int, Sequence[tuple[str, Any, Any, Any]]]) -> None:
    """A video of `length` frames; `frames` maps a frame (from 0) to objects (label, box, occluded, visible box).

    Each object of each frame is a track of its own. The struct is version 1.4 of the authors' toolbox (vbb.m).
    """
    lists = np.empty((1, length), object)
    labels: list[str] = []
    seen_in: list[int] = []
    for frame in range(length):
        objects = frames.get(frame, ())
        lists[0, frame] = np.zeros((0, 0))
        if len(objects):
            lists[0, frame] = np.empty((1, len(objects)), [(name, object) for name in FIELDS])
        for position, (label, box, occluded, shown) in enumerate(objects):
            labels.append(label)
            seen_in.append(frame + 1)
            visible = np.asarray(shown, float)[None] if occluded else np.zeros((1, 4))
            lists[0, frame][0, position] = (len(labels), np.asarray(box, float)[None], int(occluded), 0, visible)
    names = np.empty((1, len(labels)), object)
    names[0, :] = labels
    tracks = np.array(seen_in, float)[None]
    video = {"nFrame": length, "objLists": lists, "maxObj": len(labels), "objInit": np.ones_like(tracks)}
    video |= {"objLbl": names, "objStr": tracks, "objEnd": tracks, "objHide": np.zeros_like(tracks)}
    video |= {"altered": 0, "log": 0.0, "logLen": 0}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_mat(path, {"A": video, "vers": 1.4})
