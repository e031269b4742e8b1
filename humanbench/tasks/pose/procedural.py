"""Keypoints of people in procedural pictures."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.keypoint_rules import joint_indices
from humanbench.data.mannequin.labels import FAINT
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Person, Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes
from humanbench.errors import CardError


class PoseScenes(TaskScenes):
    """Scenes with everybody's keypoints."""

    style: ClassVar = {"places": 24}

    def check(self, card: DatasetCard, world: DatasetWorld) -> None:
        """Every keypoint of the card is a joint of our skeleton under that or another name."""
        try:
            joint_indices(card.labels, world.style.joints)
        except CardError as error:
            raise CardError(f"{card.id}: {error}") from error

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """A row per person who shows and has a keypoint in the picture: the task's columns, and what MPII adds."""
        which = joint_indices(card.labels, world.style.joints)
        rows = []
        for person in scene.people:
            keypoints = person.joints[which]
            keypoints[keypoints[:, 2] == 0] = 0
            if person.pixels < FAINT or not keypoints[:, 2].any():
                continue
            row: LabelRow = {"image_id": shot.number, "bbox": scene.clipped(person.box), "keypoints": keypoints}
            rows.append(row | {"area": float(person.pixels), "iscrowd": 0} | _rectangle(person, scene))
        return rows


def _rectangle(person: Person, scene: Scene) -> LabelRow:
    """What MPII adds: centre, scale (upright height / 200 pixels) and the head rectangle's two corners."""
    x, y, w, h = person.box
    left, top, wide, tall = person.head_box
    corners = np.array([[left, top], [left + wide, top + tall]])
    return {
        "center": np.array([x + w / 2, y + h / 2]),
        "scale": scene.upright_height(person) / 200,
        "headbox": corners,
    }


procedural = PoseScenes()
