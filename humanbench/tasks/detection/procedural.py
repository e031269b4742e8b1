"""Boxes of people in procedural pictures."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.labels import FAINT
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes

_HARD = 0.12  # visible share below which a box is one to ignore


class DetectionScenes(TaskScenes):
    """Scenes with a box around everybody who shows at all."""

    style: ClassVar = {"places": 16}

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """One row: `boxes`, `ignore` (who hardly shows), `visible` and `head` boxes."""
        people = [p for p in scene.people if p.visible_box is not None]
        full = np.array([p.box for p in people]).reshape(-1, 4)
        visible = np.array([p.visible_box for p in people], float).reshape(-1, 4)
        ignore = np.array([p.pixels < FAINT or p.visible_share < _HARD for p in people], bool)
        boxes = full if world.style.boxes == "full" else visible
        head = np.array([p.head_box for p in people]).reshape(-1, 4)
        return [{"boxes": boxes, "ignore": ignore, "visible": visible, "head": head}]


procedural = DetectionScenes()
