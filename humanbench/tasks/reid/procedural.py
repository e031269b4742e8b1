"""Re-identification in procedural pictures: who comes before which camera, in which split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.scene import Scene
from humanbench.data.mannequin.shots import STRANGERS, Shot
from humanbench.data.mannequin.styles import Style
from humanbench.data.mannequin.task_scenes import LabelRow, TaskScenes


class ReidScenes(TaskScenes):
    """Crops of people before several cameras; labels are the identity and the camera."""

    style: ClassVar = {
        "shot": "crop",
        "frame": (640, 480),
        "size": ((64, 128), (64, 128)),
        "supersample": 2,
        "places": 6,
        "height": (2.5, 5.0),
        "distance": (4, 12),
        "poses": {"standing": 3, "walking": 6, "phone": 0.3},
        "images": 600,
    }

    def plan(self, card: DatasetCard, world: DatasetWorld, counts: Mapping[str, int]) -> dict[str, list[Shot]]:
        """Training people apart from test people; the test splits of one group share theirs, before other cameras."""
        style = world.style
        shots: dict[str, list[Shot]] = {}
        who, number = 0, 0
        for group in _groups(counts):
            people = max(4, min(sum(counts[s] for s in group) // 6, min(counts[s] for s in group)))
            pictures = dict.fromkeys(range(people), 0)
            for split in group:
                fixed = _camera_of(card, split)
                listed = []
                for i in range(counts[split]):
                    person = i % people
                    where = (person * 7 + pictures[person]) % style.places if fixed is None else fixed
                    pictures[person] += 1
                    distractor = split.endswith("gallery") and (i * style.distractors) % 1 + style.distractors >= 1
                    listed.append(_portrait(style, split, number + i, where, who + person, distractor))
                shots[split] = sorted(listed, key=lambda s: (s.pid, s.number))
                number += counts[split]
            who += people
        return {split: shots[split] for split in counts}

    def labels(self, card: DatasetCard, world: DatasetWorld, shot: Shot, scene: Scene) -> list[LabelRow]:
        """One row: `pid` (0 a distractor) and `camid`."""
        cameras = max((split.cameras or 0 for split in card.splits.values()), default=0)
        return [{"pid": shot.pid, "camid": shot.where % (cameras or world.style.places)}]


def _portrait(style: Style, split: str, number: int, where: int, who: int, distractor: bool) -> Shot:
    changed = split in style.other_clothes or str(where) in style.other_clothes
    drawn = style.redress > 0 and (who * 31 + where * 17) % 100 < 100 * style.redress
    if distractor:  # somebody of their own
        return Shot(split, number, where, who=STRANGERS + number)
    return Shot(split, number, where, who, outfit=int(changed or drawn), pid=who + 1)


def _groups(counts: Mapping[str, int]) -> list[list[str]]:
    """Splits that share people: each training split alone, query and gallery (with the same prefix) together."""
    groups: dict[str, list[str]] = {}
    for split in counts:
        for role in ("query", "gallery"):
            if role in split:
                groups.setdefault(split.split(role)[0] + "test", []).append(split)
                break
        else:
            groups.setdefault(split, []).append(split)
    return list(groups.values())


def _camera_of(card: DatasetCard, split: str) -> int | None:
    """The camera that all pictures of a split come from, where the dataset says so."""
    options = card.reader.options
    name = options.get("camera", {}).get(split)
    return None if name is None else list(options["cameras"]).index(name)


procedural = ReidScenes()
