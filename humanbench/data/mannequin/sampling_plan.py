"""Which pictures the procedural copy of a dataset holds: a list of shots per split, in the official ratio of splits."""

from __future__ import annotations

from dataclasses import replace

from humanbench.cards import DatasetCard
from humanbench.data.mannequin.sampling import DatasetWorld
from humanbench.data.mannequin.shots import Shot
from humanbench.data.mannequin.styles import Style
from humanbench.data.mannequin.task_scenes import scenes_of
from humanbench.data.samples import used_splits

_LEAST = 12  # pictures of the smallest split
_WITHOUT_COUNT = 0.15  # share of a split whose size no source states, of the largest


def sizes(card: DatasetCard, style: Style, scale: float) -> dict[str, int]:
    """Pictures per split that has labels: `style.images` x scale in the official ratio, at most the real number.

    Splits that results are measured on have at least `style.tested` x scale.
    """
    real = {name: _official(card, name) for name, split in card.splits.items() if split.labels != "withheld"}
    largest = max((n for n in real.values() if n), default=style.images)
    weight = {name: n or _WITHOUT_COUNT * largest for name, n in real.items()}
    used = used_splits(card)
    total = sum(w for name, w in weight.items() if name in used)
    tested = card.evaluation.test if card.evaluation else ()
    least = {name: max(_LEAST, round(style.tested * scale)) if name in tested else _LEAST for name in weight}
    wanted = {name: max(least[name], round(style.images * scale * w / total)) for name, w in weight.items()}
    return {name: min(n, real[name] or n) for name, n in wanted.items()}


def _official(card: DatasetCard, name: str) -> int:
    """The real number of pictures (where only that is known: of samples), 0 if no source states it."""
    split, paper = card.splits[name], card.pretraining
    alone = paper.images if paper and paper.splits == (name,) else 0
    return split.images or split.samples or alone


def plan(card: DatasetCard, world: DatasetWorld, scale: float) -> dict[str, list[Shot]]:
    """The shots of every split; shots of one number are one picture (splits that annotate the same pictures)."""
    style, counts = world.style, sizes(card, world.style, scale)
    pictured = {name: n for name, n in counts.items() if name not in style.same}
    shots = scenes_of(card).plan(card, world, pictured)
    for name, others in style.same.items():
        shots[name] = [replace(s, split=name) for other in others for s in shots[other]][: counts[name]]
    return {name: shots[name] for name in counts}
