"""Groups of test units by what the scene of their picture knows: for procedural data, of which all is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.mannequin.facts import SceneFacts, facts_beside
from humanbench.metrics.groups import Group, Grouping
from humanbench.tasks.registry import task_for

if TYPE_CHECKING:
    import pandas as pd

    from humanbench.metrics import Scores

_KINDS: Mapping[str, tuple[str, Callable[[SceneFacts], str | None]]] = {
    "skin tone": ("the tone that the person is drawn with, of five", lambda facts: _tone(facts.skin)),
    "clothing": ("what the person wears below the waist", lambda facts: facts.clothing),
}
_MEASURES: Mapping[str, tuple[str, str, Callable[[SceneFacts], float | None]]] = {
    "light": ("of the place, 1 where a surface that faces it shows its own colour", "", lambda facts: facts.light),
    "distance": ("of the person, or the mean over those of the picture", " m", lambda facts: facts.distance),
    "share that shows": ("of the person, or the mean over those of the picture", "", lambda facts: facts.visible),
}
_TONES = {1: "1 and 2 (light)", 2: "1 and 2 (light)", 3: "3", 4: "4 and 5 (dark)", 5: "4 and 5 (dark)"}


def _tone(skin: int | None) -> str | None:
    return None if skin is None else _TONES[skin]


def scene_groupings(card: DatasetCard, tables: Mapping[str, pd.DataFrame], scores: Scores) -> Iterator[Grouping]:
    """Skin tone and clothing of people in crops; light, distance, and how much of people shows, in thirds.

    Groups are those of the units' pictures; nothing where the copy has no facts (`facts_beside`).
    """
    images = list(next(iter(tables.values()))["image"])
    known = facts_beside(Path(images[0])) if images else {}
    rows = task_for(card).predictions.rows(card, dict(tables), scores)
    facts = [known.get(Path(images[row])) if row >= 0 else None for row in rows]
    members = {"image": "pictures", "query": "queries", "person": "people"}.get(scores.unit, f"{scores.unit}s")
    for name, (about, kind) in _KINDS.items():
        kinds = [kind(one) if one is not None else None for one in facts]
        labels = sorted({kind for kind in kinds if kind is not None})
        yield from _grouping(name, members, about, scores, {label: [k == label for k in kinds] for label in labels})
    for name, (about, unit, measure) in _MEASURES.items():
        measured = [measure(one) if one is not None else None for one in facts]
        values = np.array([math.nan if value is None else value for value in measured])
        yield from _grouping(name, members, f"{about}; thirds of what was tested", scores, _thirds(values, unit))


def _thirds(values: Floats, unit: str) -> dict[str, Sequence[bool]]:
    """Thirds of the defined values, at bounds of two digits after the point; two parts where both bounds are alike."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return {}
    low, high = np.round(np.quantile(defined, [1 / 3, 2 / 3], method="inverted_cdf"), 2)
    if low == high:
        return {f"less than {low:.2f}{unit}": list(values < low), f"from {low:.2f}{unit}": list(values >= low)}
    return {
        f"up to {low:.2f}{unit}": list(values <= low),
        f"above {low:.2f} to {high:.2f}{unit}": list((values > low) & (values <= high)),
        f"more than {high:.2f}{unit}": list(values > high),
    }


def _grouping(
    name: str, members: str, about: str, scores: Scores, parts: Mapping[str, Sequence[bool]]
) -> Iterator[Grouping]:
    """The groups that anybody is in, where there are several."""
    groups = [Group.part(label, scores, np.array(chosen, bool)) for label, chosen in parts.items() if any(chosen)]
    if len(groups) > 1:
        yield Grouping(name, members, about, tuple(groups))
