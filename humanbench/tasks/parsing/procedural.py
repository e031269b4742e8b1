"""Part maps of procedural pictures."""

from __future__ import annotations

from typing import ClassVar

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.part_rules import check_classes, part_map
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes
from humanbench.errors import CardError


class ParsingScenes(TaskScenes):
    """Crops whose pixels are labelled with garments and skin, or with parts of the body."""

    style: ClassVar = {
        "shot": "crop",
        "frame": (640, 480),
        "size": ((96, 150), (150, 220)),
        "supersample": 2,
        "places": 24,
        "height": (1.2, 2.2),
        "distance": (2.5, 7),
        "poses": {"standing": 5, "walking": 3, "running": 0.7, "sitting": 0.7, "reaching": 0.8, "dancing": 0.4},
        "images": 300,
        "chance": {"glasses": 0.3, "hat": 0.25, "scarf": 0.2, "gloves": 0.2},
    }

    def check(self, card: DatasetCard, world: DatasetWorld) -> None:
        """Every class of the card is a garment or a part of the body that procedural people have or lack."""
        try:
            check_classes(card.labels)
        except CardError as error:
            raise CardError(f"{card.id}: {error}") from error

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """One row: `label`, H x W uint8 class indices."""
        return [{"label": part_map(scene, card.labels)}]


procedural = ParsingScenes()
