"""Head orientation of procedural people."""

from __future__ import annotations

from typing import ClassVar

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.geometry import heading_sector
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes
from humanbench.errors import CardError


class HeadingScenes(TaskScenes):
    """A crop of another person in every picture."""

    style: ClassVar = {
        "shot": "crop",
        "frame": (320, 240),
        "size": ((32, 64), (48, 96)),
        "places": 3,
        "views": 1,
        "images": 60,
    }

    def check(self, card: DatasetCard, world: DatasetWorld) -> None:
        """The classes are equal sectors, the first of which faces the viewer."""
        if len(card.labels.classes) != 8:
            raise CardError(
                f"{card.id}: procedural heads are told apart in 8 directions, not {len(card.labels.classes)}"
            )

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """One row: `heading`, the sector in which the head of the person faces."""
        return [{"heading": heading_sector(scene.people[0].head_heading, len(card.labels.classes))}]


procedural = HeadingScenes()
