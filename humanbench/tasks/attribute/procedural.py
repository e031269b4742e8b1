"""Attributes of people in procedural pictures."""

from __future__ import annotations

from typing import ClassVar

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.attribute_rules import attribute_values, rule_for
from humanbench.data.mannequin.labels import annotated
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes
from humanbench.errors import CardError


class AttributeScenes(TaskScenes):
    """A crop of another person in every picture; labels are what the look, the pose and the heading say."""

    style: ClassVar = {
        "shot": "crop",
        "frame": (640, 480),
        "size": ((56, 130), (90, 200)),
        "supersample": 2,
        "places": 10,
        "height": (2.5, 5.0),
        "distance": (3, 10),
        "poses": {"standing": 3, "walking": 5, "running": 0.4, "phone": 0.5},
        "views": 1,
        "images": 400,
    }

    def check(self, card: DatasetCard, world: DatasetWorld) -> None:
        """Every attribute of the card is one that procedural people have or lack."""
        try:
            for name in card.labels.attributes:
                rule_for(name)
        except CardError as error:
            raise CardError(f"{card.id}: {error}") from error

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """A row per annotated person: 1 or 0 for each attribute of the card, `pid` and `bbox`."""
        names = card.labels.attributes
        people = scene.people[:1] if world.style.shot == "crop" else annotated(scene)
        return [
            dict(zip(names, attribute_values(names, person.actor), strict=True))
            | {"pid": shot.pid, "bbox": scene.clipped(person.box)}
            for person in people
        ]


procedural = AttributeScenes()
