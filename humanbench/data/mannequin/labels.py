"""Pictures with their labels, and what the labels of several tasks share."""

from __future__ import annotations

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.sampling import DatasetWorld, Photograph, identity, photograph_crop, photograph_scene
from humanbench.data.mannequin.scene import Person, Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.task_scenes import LabelRow, scenes_of

FAINT = 30
"""Pixels: who shows less is not annotated."""


def shoot(card: DatasetCard, world: DatasetWorld, shot: Shot) -> tuple[Photograph, list[LabelRow]]:
    """Take the picture of a shot, and the rows it gives (none, one or one per person, by task)."""
    if world.style.shot == "crop":
        photograph = photograph_crop(world, shot.where, identity(world, shot.who, shot.outfit), shot.number)
    else:
        photograph = photograph_scene(world, shot.where, shot.number)
    return photograph, scenes_of(card).labels(card, world, shot, photograph.scene)


def annotated(scene: Scene) -> list[Person]:
    """People of a scene that an annotator would draw a box around."""
    return [person for person in scene.people if person.pixels >= FAINT and person.visible_share > 0.3]
