"""What the scene of a procedural picture knows beyond any official label, kept in a file beside the dataset.

The file is the suite's own: official files do not know of it. It names pictures by their place in the dataset's folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from humanbench.data.mannequin.labels import annotated
from humanbench.data.mannequin.looks import skin_tone
from humanbench.data.mannequin.sampling import DatasetWorld, place
from humanbench.data.mannequin.scene import Person, Scene
from humanbench.data.mannequin.shots import Shot
from humanbench.errors import DataError
from humanbench.schema import Record, problem

FILE = "MANNEQUIN-SCENES.json"
"""Beside the marker file of a procedural copy."""

_KEPT = ".facts"
"""Ending of the file that holds the facts of a picture as it was taken, beside it."""

_LOWER = {"trousers": "trousers", "jumpsuit": "trousers", "shorts": "shorts"}
"""What is worn below the waist in a word; everything else is a skirt or a dress."""


class SceneFacts(Record):
    """Of a picture: `light`, the strength of the place's light with what is ambient, 1 where a surface that faces it
    shows its own colour; of the person in a crop, the mean over the annotated people of a scene: `distance` in metres
    and `visible`, the share of the silhouette that shows, 0 to 1; of a crop alone `skin`, the nearest of the five tones
    from which people are drawn, 1 the lightest, and `clothing` below the waist. None where nobody is annotated."""

    light: float
    distance: float | None = None
    visible: float | None = None
    skin: Annotated[int, Field(ge=1, le=5)] | None = None
    clothing: str | None = None


def facts_of(world: DatasetWorld, shot: Shot, scene: Scene) -> SceneFacts:
    """The facts of a picture that was taken."""
    light = place(world, shot.where).light
    crop = world.style.shot == "crop"
    people: Sequence[Person] = scene.people[:1] if crop else annotated(scene)
    facts: dict[str, float | int | str] = {"light": _rounded(light.strength + light.ambient)}
    if people:
        facts["distance"] = _rounded(math.fsum(person.distance for person in people) / len(people))
        facts["visible"] = _rounded(math.fsum(person.visible_share for person in people) / len(people))
    if crop:
        look = people[0].actor.look
        facts |= {"skin": skin_tone(look.skin), "clothing": _LOWER.get(look.lower, "skirt or dress")}
    return SceneFacts.model_validate(facts)


def _rounded(value: float) -> float:
    return round(value, 4)


def keep_facts(picture: Path, facts: SceneFacts) -> None:
    """Lay them beside a picture as it was taken, for `write_facts`."""
    picture.with_suffix(_KEPT).write_text(facts.model_dump_json(exclude_none=True), encoding="utf-8")


def write_facts(folder: Path, saved: Iterable[tuple[Path, Path]]) -> None:
    """Write the facts of a copy in `folder`; `saved`: pictures as they were taken, and where the copy has them."""
    placed = {path.relative_to(folder).as_posix(): key.with_suffix(_KEPT) for key, path in saved if path.is_file()}
    lines = [
        f"{json.dumps(n)}: {file.read_text(encoding='utf-8')}" for n, file in sorted(placed.items()) if file.is_file()
    ]
    (folder / FILE).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def facts_beside(image: Path) -> dict[Path, SceneFacts]:
    """The facts of the copy that a picture lies in, by picture; empty where there is no such file: copies of earlier
    versions have none, nor have pictures that lie in an archive or a video. `DataError` for a damaged one."""
    folder = next((parent for parent in image.parents if (parent / FILE).is_file()), None)
    if folder is None:
        return {}
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return {folder / name: SceneFacts.model_validate(facts) for name, facts in content.items()}
    except (ValueError, AttributeError) as error:
        why = problem(error) if isinstance(error, ValidationError) else str(error)[:200]
        raise DataError(
            f"{folder / FILE}: altered ({why}); write the copy again: humanbench datasets synthesize"
        ) from error
