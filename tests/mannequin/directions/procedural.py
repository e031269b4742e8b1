"""Directions of heads in procedural pictures."""

from __future__ import annotations

from typing import ClassVar

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.geometry import heading_sector
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes


class DirectionScenes(TaskScenes):
    """A crop of another person in every picture."""

    style: ClassVar = {"shot": "crop", "frame": (320, 240), "places": 2, "views": 1, "images": 40}

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """One row: `direction`, 0 .. 7."""
        return [{"direction": heading_sector(scene.people[0].head_heading, 8)}]


procedural = DirectionScenes()
