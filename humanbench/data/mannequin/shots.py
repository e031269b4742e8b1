"""A shot, and the two plain ways of planning them: people in crops, and scenes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from humanbench.data.mannequin.sampling import DatasetWorld
    from humanbench.data.mannequin.styles import Style

STRANGERS = 1 << 32
"""Numbers of people from here on are people of their own, apart from everybody who is counted."""


@dataclass(frozen=True)
class Shot:
    """Picture `number` of a split, by the camera of place `where`.

    Of a crop: whom it is of (`who` is the number of an identity of the world), in which clothes (`outfit` 0 are the
    usual ones) and the label of that identity (`pid`, 0 where it is nobody's). Scenes have people of their own.
    """

    split: str
    number: int
    where: int = 0
    who: int = 0
    outfit: int = 0
    pid: int = 0


def scenes(world: DatasetWorld, counts: Mapping[str, int]) -> dict[str, list[Shot]]:
    """Scenes, each at a place of its own choice."""
    shots, number = {}, 0
    for split, count in counts.items():
        shots[split] = [Shot(split, n, where=world.where(n)) for n in range(number, number + count)]
        number += count
    return shots


def crops(style: Style, counts: Mapping[str, int]) -> dict[str, list[Shot]]:
    """`views` pictures in a row of each person, before different cameras; no person in two splits."""
    shots, who, number = {}, 0, 0
    for split, count in counts.items():
        listed = []
        for i in range(count):
            person = who + i // style.views
            listed.append(Shot(split, number + i, where=(person * 7 + i) % style.places, who=person, pid=person + 1))
        shots[split], who, number = listed, who + count // style.views + 1, number + count
    return shots
