"""From a shot to the rows of a sample table, as the writers take them; one function per task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.attribute_rules import attribute_values
from humanbench.data.mannequin.parts import joint_indices, part_map
from humanbench.data.mannequin.sampling import DatasetWorld, Photograph, identity, photograph_crop, photograph_scene
from humanbench.data.mannequin.sampling_plan import Shot
from humanbench.data.mannequin.scene import Person

LabelRow = dict[str, Any]
_FAINT = 30  # pixels: who shows less is not annotated
_HARD = 0.12  # visible share below which a detection box is one to ignore


def shoot(card: DatasetCard, world: DatasetWorld, shot: Shot) -> tuple[Photograph, list[LabelRow]]:
    """Take the picture of a shot, and the rows it gives (none, one or one per person, by task)."""
    if world.style.shot == "crop":
        taken = photograph_crop(world, shot.where, identity(world, shot.who, shot.outfit), shot.number)
    else:
        taken = photograph_scene(world, shot.where, shot.number)
    return taken, _ROWS[card.task](card, world, shot, taken)


def _size(taken: Photograph) -> tuple[int, int]:
    height, width = taken.pixels.shape[:2]
    return width, height


def _clipped(box: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """The part of (x, y, w, h) inside the picture, where pixels reach from -0.5 to size - 0.5."""
    low = np.clip(box[:2], -0.5, np.array(size) - 0.5)
    high = np.clip(box[:2] + box[2:], -0.5, np.array(size) - 0.5)
    return np.concatenate([low, high - low])


def _reid(card: DatasetCard, world: DatasetWorld, shot: Shot, taken: Photograph) -> list[LabelRow]:
    cameras = max((split.cameras or 0 for split in card.splits.values()), default=0)
    return [{"pid": shot.pid, "camid": shot.where % (cameras or world.style.places)}]


def _attribute(card: DatasetCard, world: DatasetWorld, shot: Shot, taken: Photograph) -> list[LabelRow]:
    names = card.labels.attributes
    shown = [0] if world.style.shot == "crop" else _annotated(taken)
    rows = []
    for i in shown:
        row: LabelRow = dict(zip(names, attribute_values(names, taken.actors[i]), strict=True))
        rows.append(row | {"pid": shot.pid, "bbox": _clipped(taken.picture.people[i].full, _size(taken))})
    return rows


def _annotated(taken: Photograph) -> list[int]:
    """People of a scene that an annotator would draw a box around."""
    return [i for i, p in enumerate(taken.picture.people) if p.pixels >= _FAINT and p.seen > 0.3]


def _pose(card: DatasetCard, world: DatasetWorld, shot: Shot, taken: Photograph) -> list[LabelRow]:
    which = joint_indices(card.labels, world.style.joints)
    rows = []
    for i, person in enumerate(taken.picture.people):
        keypoints = person.joints[which]
        keypoints[keypoints[:, 2] == 0] = 0
        if person.pixels < _FAINT or not keypoints[:, 2].any():
            continue
        bbox = _clipped(person.full, _size(taken))
        rows.append(
            {"image_id": shot.number, "bbox": bbox, "keypoints": keypoints, "area": float(person.pixels), "iscrowd": 0}
            | _rectangle(person, taken.actors[i].look.height, taken)
        )
    return rows


def _rectangle(person: Person, metres: float, taken: Photograph) -> LabelRow:
    """What MPII adds: centre, scale (upright height / 200 pixels) and the head rectangle's two corners."""
    x, y, w, h = person.full
    upright = metres * taken.camera.focal / max(person.distance, 0.3)
    left, top, wide, tall = person.head
    corners = np.array([[left, top], [left + wide, top + tall]])
    return {"center": np.array([x + w / 2, y + h / 2]), "scale": upright / 200, "headbox": corners}


def _parsing(card: DatasetCard, world: DatasetWorld, shot: Shot, taken: Photograph) -> list[LabelRow]:
    looks = [a.look for a in taken.actors]
    return [{"label": part_map(taken.picture, looks, taken.heights(), card.labels)}]


def _detection(card: DatasetCard, world: DatasetWorld, shot: Shot, taken: Photograph) -> list[LabelRow]:
    people = [p for p in taken.picture.people if p.visible is not None]
    full = np.array([p.full for p in people]).reshape(-1, 4)
    visible = np.array([p.visible for p in people], float).reshape(-1, 4)
    ignore = np.array([p.pixels < _FAINT or p.seen < _HARD for p in people], bool)
    boxes = full if world.style.boxes == "full" else visible
    head = np.array([p.head for p in people]).reshape(-1, 4)
    return [{"boxes": boxes, "ignore": ignore, "visible": visible, "head": head}]


def _counting(card: DatasetCard, world: DatasetWorld, shot: Shot, taken: Photograph) -> list[LabelRow]:
    width, height = _size(taken)
    heads = [(p.head[0] + p.head[2] / 2, p.head[1] + p.head[3] / 2) for p in taken.picture.people if p.head_pixels > 0]
    points = np.array([(x, y) for x, y in heads if 0 <= x < width and 0 <= y < height]).reshape(-1, 2)
    return [{"points": points, "count": float(len(points))}]


_ROWS: dict[str, Callable[[DatasetCard, DatasetWorld, Shot, Photograph], list[LabelRow]]] = {
    "reid": _reid,
    "attribute": _attribute,
    "pose": _pose,
    "parsing": _parsing,
    "detection": _detection,
    "counting": _counting,
}
