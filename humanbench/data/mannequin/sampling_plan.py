"""Which pictures the procedural copy of a dataset holds: a list of shots per split, in the official ratio of splits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.styles import Style

_LEAST = 12  # pictures of the smallest split
_TEST = ("query", "gallery", "test", "val")
_STRANGERS = 1 << 32  # people of their own, apart from everybody who is counted
_WITHOUT_COUNT = 0.15  # share of a split whose size no source states, of the largest


@dataclass(frozen=True)
class Shot:
    """Picture `number`, by the camera of place `where`: of person `who` in clothes `outfit` (crops), or a scene."""

    split: str
    number: int
    where: int = 0
    who: int = 0
    outfit: int = 0
    pid: int = 0


def sizes(card: DatasetCard, style: Style, scale: float) -> dict[str, int]:
    """Pictures per split that has labels: `style.images` x scale in the official ratio, at most the real number."""
    real = {name: _official(card, name) for name, split in card.splits.items() if split.labels != "withheld"}
    largest = max((n for n in real.values() if n), default=style.images)
    weight = {name: n or _WITHOUT_COUNT * largest for name, n in real.items()}
    used = _used(card)
    total = sum(w for name, w in weight.items() if name in used)
    wanted = {name: max(_LEAST, round(style.images * scale * w / total)) for name, w in weight.items()}
    return {name: min(n, real[name] or n) for name, n in wanted.items()}


def _official(card: DatasetCard, name: str) -> int:
    """The real number of pictures (where only that is known: of samples), 0 if no source states it."""
    split, paper = card.splits[name], card.pretraining
    alone = paper.images if paper and paper.splits == (name,) else 0
    return split.images or split.samples or alone


def _used(card: DatasetCard) -> set[str]:
    used = set(card.pretraining.splits) if card.pretraining else set()
    if card.evaluation:
        used |= {*card.evaluation.train, *card.evaluation.test}
    return used & set(card.splits)


def plan(card: DatasetCard, world: DatasetWorld, scale: float) -> dict[str, list[Shot]]:
    """The shots of every split; shots of one number are one picture (splits that annotate the same pictures)."""
    style, counts = world.style, sizes(card, world.style, scale)
    pictured = {name: n for name, n in counts.items() if name not in style.same}
    if card.task == "reid":
        shots = _reid(card, style, pictured)
    elif style.shot == "crop":
        shots = _crops(style, pictured)
    else:
        shots = _scenes(world, pictured)
    for name, others in style.same.items():
        shots[name] = [replace(s, split=name) for other in others for s in shots[other]][: counts[name]]
    return {name: shots[name] for name in counts}


def _scenes(world: DatasetWorld, counts: dict[str, int]) -> dict[str, list[Shot]]:
    shots, number = {}, 0
    for split, count in counts.items():
        shots[split] = [Shot(split, n, where=world.where(n)) for n in range(number, number + count)]
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
        return Shot(split, number, where, who=_STRANGERS + number)
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
