"""Which pictures the procedural copy of a dataset holds: a list of shots per split, in the official ratio of splits."""

from __future__ import annotations

from dataclasses import dataclass

from humanbench.cards import DatasetCard, Split
from humanbench.data.mannequin.shots import World
from humanbench.data.mannequin.styles import Style

_LEAST = 12  # pictures of the smallest split
_TEST = ("query", "gallery", "test", "val")
_WITHOUT_COUNT = 0.15  # share of a split whose size no source states, of the largest


@dataclass(frozen=True)
class Shot:
    """One picture: of person `who` (crops) by the camera of place `where` in clothes `outfit`, or scene `number`."""

    split: str
    number: int
    where: int = 0
    who: int = 0
    outfit: int = 0
    pid: int = 0


def sizes(card: DatasetCard, style: Style, scale: float) -> dict[str, int]:
    """Pictures per split that has labels: `style.images` x scale in the official ratio, at most the real number."""
    splits = {name: split for name, split in card.splits.items() if split.labels != "withheld"}
    real = {name: _official(split) for name, split in splits.items()}
    largest = max((n for n in real.values() if n), default=style.images)
    weight = {name: n or _WITHOUT_COUNT * largest for name, n in real.items()}
    used = _used(card)
    total = sum(w for name, w in weight.items() if name in used)
    wanted = {name: max(_LEAST, round(style.images * scale * w / total)) for name, w in weight.items()}
    return {name: min(n, real[name] or n) for name, n in wanted.items()}


def _official(split: Split) -> int:
    return split.images or split.samples or 0


def _used(card: DatasetCard) -> set[str]:
    used = set(card.pretraining.splits) if card.pretraining else set()
    if card.evaluation:
        used |= {*card.evaluation.train, *card.evaluation.test}
    return used & set(card.splits)


def plan(card: DatasetCard, world: World, scale: float) -> dict[str, list[Shot]]:
    """The shots of every split."""
    counts = sizes(card, world.style, scale)
    if card.task == "reid":
        return _reid(card, world.style, counts)
    if world.style.shot == "crop":
        return _crops(world.style, counts)
    shots, number = {}, 0
    for split, count in counts.items():
        shots[split] = [Shot(split, number + i) for i in range(count)]
        number += count
    return shots


def _crops(style: Style, counts: dict[str, int]) -> dict[str, list[Shot]]:
    """`views` pictures in a row of each person, before different cameras; no person in two splits."""
    shots, who, number = {}, 0, 0
    for split, count in counts.items():
        listed = []
        for i in range(count):
            person = who + i // style.views
            listed.append(Shot(split, number + i, where=(person * 7 + i) % style.places, who=person, pid=person + 1))
        shots[split], who, number = listed, who + count // style.views + 1, number + count
    return shots


def _reid(card: DatasetCard, style: Style, counts: dict[str, int]) -> dict[str, list[Shot]]:
    """Training people apart from test people; the test splits of one group share theirs, before other cameras."""
    shots: dict[str, list[Shot]] = {}
    who, number = 0, 0
    for group in _groups(counts):
        people = max(4, min(sum(counts[s] for s in group) // 6, min(counts[s] for s in group)))
        taken = dict.fromkeys(range(people), 0)
        for split in group:
            fixed = _camera_of(card, split)
            listed = []
            for i in range(counts[split]):
                person = i % people
                where = (person * 7 + taken[person]) % style.places if fixed is None else fixed
                taken[person] += 1
                distractor = split.endswith("gallery") and (i * style.distractors) % 1 + style.distractors >= 1
                listed.append(_portrait(style, split, number + i, where, who + person, distractor))
            shots[split] = sorted(listed, key=lambda s: (s.pid, s.number))
            number += counts[split]
        who += people
    return {split: shots[split] for split in counts}


def _portrait(style: Style, split: str, number: int, where: int, who: int, distractor: bool) -> Shot:
    changed = split in style.other_clothes or str(where) in style.other_clothes
    drawn = style.redress > 0 and (who * 31 + where * 17) % 100 < 100 * style.redress
    if distractor:  # somebody of their own
        return Shot(split, number, where, who=100_000 + number)
    return Shot(split, number, where, who, outfit=int(changed or drawn), pid=who + 1)


def _groups(counts: dict[str, int]) -> list[list[str]]:
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
