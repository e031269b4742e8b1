"""What a task says about procedural people: the look of its worlds, which pictures are taken, what is labelled in them.

A task offers an object of a class derived from `TaskScenes` as its part `procedural`; nothing in this package knows a
task by name. Labels are read off a `humanbench.data.mannequin.scene.Scene`, whose docstrings say what every field means
and which way headings turn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.shots import Shot, crops, scenes
from humanbench.errors import CardError
from humanbench.tasks.registry import task_for

if TYPE_CHECKING:
    from humanbench.data.mannequin.sampling import DatasetWorld
    from humanbench.data.mannequin.scene import Scene

LabelRow = dict[str, Any]
"""A row of a split's table without `image` and `size`: what writers take, before any format rounds it."""


class TaskScenes(ABC):
    """How the procedural copies of a task's datasets are made. Objects are made without arguments and hold nothing."""

    style: ClassVar[Mapping[str, Any]] = {}
    """The task's table of `styles.Style` fields, over the defaults and under the dataset's own table."""

    def check(self, card: DatasetCard, world: DatasetWorld) -> None:  # noqa: B027  (may be left as it is)
        """`CardError` where procedural people cannot have the labels that the card asks for.

        Asked before any picture is taken. The default accepts every card.
        """

    def plan(self, card: DatasetCard, world: DatasetWorld, counts: Mapping[str, int]) -> dict[str, list[Shot]]:
        """`counts[split]` shots for every split, whose numbers tell pictures apart.

        By default people in crops (`style.views` pictures of each, nobody in two splits) or whole scenes, as the style
        of the world says. Splits that annotate the pictures of others (`style.same`) are not asked for.
        """
        return crops(world.style, counts) if world.style.shot == "crop" else scenes(world, counts)

    @abstractmethod
    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """The rows that a picture gives in its split's table: none, one, or one per person.

        In a crop, `scene.people[0]` is the person whom the picture is of. Every row has the same columns.
        """


def scenes_of(card: DatasetCard) -> TaskScenes:
    """What the card's task says about procedural people; `CardError` where it says nothing."""
    scenes: TaskScenes | None = task_for(card).part("procedural")
    if scenes is None:
        raise CardError(f"{card.id}: the task {card.task} has no labels for procedural people, so it cannot be written")
    return scenes
