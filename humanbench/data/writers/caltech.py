"""Writes detection tables as Caltech Pedestrian: frames as pictures, bbGt text, vbb structs or an odgt list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.boxes import box_array, detection_table, records, visible_ratios
from humanbench.data.readers.caltech import CaltechOptions, LabelNames
from humanbench.data.readers.matlab import cells
from humanbench.data.writers import Save, Tables
from humanbench.data.writers.files import save_json, save_mat

SIZE = (640, 480)
VIDEOS = {"text": "V000", "video": "V001", "list": "V002"}
"""Splits annotated differently get videos of their own: they share the set names."""
VBB_FIELDS = ("id", "pos", "occl", "lock", "posv")


def write(card: DatasetCard, root: Path, tables: Tables, save: Save) -> Tables:
    """Frames 29, 59, ... of one video per split; boxes become whole pixels.

    Pictures that several splits show are frames of the first one's video. The official archive holds videos; the
    pictures are what extractors make of them. Optional columns: `visible` (boxes or ratios), `labels` (class indices;
    without them the first person label, and the first ignored one).
    """
    options = CaltechOptions.of(card)
    stored: dict[Any, tuple[str, int]] = {}
    written = {}
    for split, table in tables.items():
        kind = options.kinds[split]
        name = options.sets[split][0]
        rows = []
        for number, row in enumerate(records(table)):
            if row["image"] not in stored:
                stored[row["image"]] = (VIDEOS[kind], options.step * (number + 1) - 1)
                save(row["image"], _path(card, root, name, *stored[row["image"]]))
            video, frame = stored[row["image"]]
            path = _path(card, root, name, video, frame)
            more = {"id": path.stem, "image": str(path), "size": SIZE, "video": video, "frame": frame}
            rows.append(_row(card, kind, row) | more)
        target = root / options.folders[split][0]
        _WRITE[kind](card, target, name, rows)
        written[split] = detection_table(rows, ("labels", "size"))
    return written


def _path(card: DatasetCard, root: Path, name: str, video: str, frame: int) -> Path:
    return root / str(CaltechOptions.of(card).images[0]) / f"{name}_{video}_I{frame:05d}.jpg"


def _row(card: DatasetCard, kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Boxes, shown boxes and labels as the format holds them; occlusion cuts the box from below."""
    boxes = np.round(box_array(row["boxes"]))
    ratios = visible_ratios(box_array(row["boxes"]), row.get("visible"))
    shown = boxes.copy()
    shown[:, 3] = np.clip(np.round(boxes[:, 3] * np.minimum(ratios, 1)), 1, None)
    occluded = shown[:, 3] < boxes[:, 3]
    result: dict[str, Any] = {"boxes": boxes, "shown": shown, "occluded": occluded}
    result["visible"] = np.where(occluded, shown[:, 3] / np.maximum(boxes[:, 3], 1), 1.0)
    if kind == "list":  # holds people only, and no labels
        keep = ~np.asarray(row["ignore"], bool)
        result = {key: value[keep] for key, value in result.items()}
        return result | {"ignore": np.zeros(keep.sum(), bool), "labels": np.full(keep.sum(), -1)}
    rules = CaltechOptions.of(card).old_labels if kind == "video" else CaltechOptions.of(card).new_labels
    labels = _labels(card, rules, row)
    return result | {"labels": labels, "ignore": [card.labels.classes[k] in rules.ignore for k in labels]}


def _labels(card: DatasetCard, rules: LabelNames, row: Mapping[str, Any]) -> Any:
    person, other = (card.labels.classes.index(names[0]) for names in (rules.person, rules.ignore))
    labels = np.where(np.asarray(row["ignore"], bool).reshape(-1), other, person)
    if row.get("labels") is None:
        return labels
    allowed = [card.labels.classes.index(name) for name in (*rules.person, *rules.ignore)]
    given = np.asarray(row["labels"], np.int64).reshape(-1)
    return np.where(np.isin(given, allowed), given, labels)


def _write_text(card: DatasetCard, folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        lines = ["% bbGt version=3"]
        for label, box, occluded, shown in zip(row["labels"], row["boxes"], row["occluded"], row["shown"], strict=True):
            seen = shown if occluded else np.zeros(4)
            numbers = [*box, occluded, *seen, 0, 0]
            lines.append(" ".join([card.labels.classes[label], *(str(int(v)) for v in numbers)]))
        (folder / f"{row['id']}.jpg.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_video(card: DatasetCard, folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    videos: dict[str, dict[int, list[tuple[str, Any, Any, Any]]]] = {}
    for row in rows:
        objects = zip(row["labels"], row["boxes"], row["occluded"], row["shown"], strict=True)
        listed = [(card.labels.classes[label], box, occluded, shown) for label, box, occluded, shown in objects]
        videos.setdefault(row["video"], {})[row["frame"]] = listed
    for video, frames in videos.items():
        _save_vbb(folder / name / f"{video}.vbb", max(frames) + 1, frames)


def _save_vbb(path: Path, length: int, frames: Mapping[int, Sequence[tuple[str, Any, Any, Any]]]) -> None:
    """A .vbb of `length` frames; `frames` maps a frame (from 0) to objects (label, box, occluded, visible box).

    Each object of each frame is a track of its own. The struct is version 1.4 of the authors' toolbox (vbb.m).
    """
    lists = np.empty((1, length), object)
    labels: list[str] = []
    seen_in: list[int] = []
    for frame in range(length):
        objects = frames.get(frame, ())
        lists[0, frame] = np.zeros((0, 0))
        if len(objects):
            lists[0, frame] = np.empty((1, len(objects)), [(name, object) for name in VBB_FIELDS])
        for position, (label, box, occluded, shown) in enumerate(objects):
            labels.append(label)
            seen_in.append(frame + 1)
            visible = np.asarray(shown, float)[None] if occluded else np.zeros((1, 4))
            lists[0, frame][0, position] = (len(labels), np.asarray(box, float)[None], int(occluded), 0, visible)
    tracks = np.array(seen_in, float)[None]
    video = {"nFrame": length, "objLists": lists, "maxObj": len(labels), "objInit": np.ones_like(tracks)}
    video |= {"objLbl": cells(labels).T, "objStr": tracks, "objEnd": tracks, "objHide": np.zeros_like(tracks)}
    video |= {"altered": 0, "log": 0.0, "logLen": 0}
    save_mat(path, {"A": video, "vers": 1.4})


def _write_list(card: DatasetCard, path: Path, name: str, rows: list[dict[str, Any]]) -> None:
    records = [
        {
            "ID": row["id"],
            "gtboxes": [
                {"tag": "person", "fbox": box.tolist(), "vbox": shown.tolist()}
                for box, shown in zip(row["boxes"], row["shown"], strict=True)
            ],
            "width": SIZE[0],
            "height": SIZE[1],
        }
        for row in rows
    ]
    save_json(path, records)


_WRITE = {"text": _write_text, "video": _write_video, "list": _write_list}
