"""Heads in procedural crowds."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes


class CountingScenes(TaskScenes):
    """Crowds with a point on every head that shows."""

    style: ClassVar = {"frame": (384, 288), "places": 10, "gap": 0.35, "images": 160}

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """One row: `points` N x 2 and `count`."""
        width, height = scene.size
        boxes = [person.head_box for person in scene.people if person.head_pixels > 0]
        heads = [(x + w / 2, y + h / 2) for x, y, w, h in boxes]
        points = np.array([(x, y) for x, y in heads if 0 <= x < width and 0 <= y < height]).reshape(-1, 2)
        return [{"points": points, "count": float(len(points))}]


procedural = CountingScenes()
