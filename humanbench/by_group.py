"""Metrics by group: whom, and which pictures, predictions fail more often."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import model_validator

from humanbench.arrays import Floats
from humanbench.cards import DatasetCard
from humanbench.data.mannequin.facts import SceneFacts, facts_beside
from humanbench.errors import CardError, HumanbenchError
from humanbench.metrics.groups import Gap as Gap
from humanbench.metrics.groups import Group, Grouping, group_numbers
from humanbench.metrics.groups import GroupValue as GroupValue
from humanbench.metrics.scores import Scores
from humanbench.progress import track
from humanbench.schema import Number, Record
from humanbench.scoring import ScoredPredictions, marks, scored
from humanbench.shown_tables import ShownTable, ShowsTables
from humanbench.stats import RESAMPLES, check_draws
from humanbench.tasks.registry import task_for

LEAST = 30
"""Members from which a group has a value: no proportion on fewer than 30, as in the Data Presentation Standards for
Proportions of the US National Center for Health Statistics (2017)."""


class GroupingReport(Record):
    """One grouping: by what, what its `members` are, how they were told apart (`about`), the groups, the largest gap.

    `best` of a gap is the group with the larger value, which for an error is the one that is served worse.
    """

    name: str
    members: str
    about: str
    groups: tuple[GroupValue, ...]
    gap: Gap | None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        values = {group.name: group.value for group in self.groups}
        gap = self.gap
        if gap is not None and not math.isclose(
            values.get(gap.best, math.nan) - values.get(gap.worst, math.nan), gap.value, abs_tol=1e-6
        ):
            raise ValueError("the gap is not that of its two groups")
        return self


class SubgroupReport(ShowsTables, Record):
    """The main metric of predictions by group.

    `cell`: of a run's cell in words what it is beside its dataset (regime, variant, seed, condition). `least`: members
    without which a group has no value.
    """

    dataset: str
    cell: str = ""
    split: str
    main: str
    value: Number
    least: int
    synthetic: bool
    subset: str | None
    predictions_sha256: str
    groupings: tuple[GroupingReport, ...]

    def to_json(self) -> str:
        """One JSON document; undefined values are null."""
        return self.model_dump_json(indent=2)

    def _heading(self) -> str:
        of = f"{self.dataset} {self.split}" + (f", {self.cell}" if self.cell else "")
        return f"{of}: {self.main} {self.value:.2f}{marks(self.synthetic, self.subset)}"

    def _tables(self) -> list[ShownTable]:
        return [table(grouping, self.main, self.least) for grouping in self.groupings]


def table(grouping: GroupingReport, metric: str, least: int) -> ShownTable:
    """A grouping as rows of text, its largest gap last."""
    rows = [(g.name, str(g.n), *_texts(g.value, g.low, g.high, f"fewer than {least}")) for g in grouping.groups]
    if grouping.gap is not None:
        gap = grouping.gap
        rows.append((f"{gap.best} − {gap.worst}", "", *_texts(gap.value, gap.low, gap.high, "")))
    return ShownTable((f"by {grouping.name}", grouping.members, metric, "95 % interval"), rows)


def _texts(value: float, low: float, high: float, absent: str) -> tuple[str, str]:
    if math.isnan(value):
        return "–", absent
    return f"{value:.2f}", f"{low:.2f} – {high:.2f}" if math.isfinite(low) else ""


def subgroups(
    dataset: str | DatasetCard,
    predictions: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    subset: str | os.PathLike[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    least: int = LEAST,
) -> SubgroupReport:
    """The main metric of a predictions file by every group that the dataset's labels tell apart.

    What this may and may not be read as is said in docs/groups.md.

    Args:
        dataset: The id of a dataset, or its card.
        predictions: A predictions file, or for parsing a folder of label maps.
        data_root: Folder with one folder per dataset id; None is $HUMANBENCH_DATA, else ~/humanbench-data.
        split: None is the card's test split; reid has two, written `query+gallery`.
        subset: The file of sample ids that `load_samples` takes; the predictions must then be those of the subset.
        seed: Seed of the bootstrap intervals.
        resamples: Draws of the bootstrap intervals, the same units for all groups.
        least: Members below which a group is listed without a value.

    Raises what `score` raises, and `CardError` for a dataset whose labels tell no groups apart, or whose terms forbid
    it.
    """
    check_draws(seed, resamples)
    return by_groups(scored(dataset, predictions, data_root, split, subset), seed, resamples, least)


def check_least(least: int) -> None:
    """`HumanbenchError` for a number of members with which no interval means anything."""
    if least < 2:
        raise HumanbenchError(f"least={least}: a group needs 2 members or more for an interval; {LEAST} is the default")


def by_groups(of: ScoredPredictions, seed: int = 0, resamples: int = RESAMPLES, least: int = LEAST) -> SubgroupReport:
    """`subgroups` of predictions that are scored."""
    check_least(least)
    groupings = groupings_of(of)
    return SubgroupReport(
        **of.facts(),
        value=of.scores[of.main],
        least=least,
        groupings=tuple(_report(of, grouping, seed, resamples, least) for grouping in groupings),
    )


def groupings_of(of: ScoredPredictions) -> list[Grouping]:
    """The groups of scored predictions. `CardError` where the labels tell none apart, or the terms forbid it."""
    if of.card.subgroups.forbidden:
        raise CardError(f"{of.card.id}: no metrics by group are computed: {of.card.subgroups.forbidden}")
    groupings = list(task_for(of.card).predictions.groups(of.card, of.tables, of.predictions, of.scores))
    if of.synthetic:
        groupings += _scene_groupings(of)
    if not groupings:
        raise CardError(
            f"{of.card.id}: its labels tell no groups apart (docs/groups.md says which datasets have such labels)"
        )
    return groupings


def _report(of: ScoredPredictions, grouping: Grouping, seed: int, resamples: int, least: int) -> GroupingReport:
    rng = np.random.default_rng(seed)
    progress = partial(track, text=f"by {grouping.name}")
    numbers, gap = group_numbers(grouping, of.main, of.scores.n, rng, resamples, least, progress)
    return GroupingReport(
        name=grouping.name,
        members=grouping.members,
        about=grouping.about,
        groups=tuple(numbers),
        gap=gap,
    )


_KINDS: Mapping[str, tuple[str, Callable[[SceneFacts], str | None]]] = {
    "skin tone": ("the tone that the person is drawn with, of five", lambda facts: _TONES.get(facts.skin)),
    "clothing": ("what the person wears below the waist", lambda facts: facts.clothing),
}
_MEASURES: Mapping[str, tuple[str, str, Callable[[SceneFacts], float | None]]] = {
    "light": ("of the place, 1 where a surface that faces it shows its own colour", "", lambda facts: facts.light),
    "distance": ("of the person, or the mean over those of the picture", " m", lambda facts: facts.distance),
    "share that shows": ("of the person, or the mean over those of the picture", "", lambda facts: facts.visible),
}
_TONES: Mapping[int | None, str] = {
    1: "1 and 2 (light)", 2: "1 and 2 (light)", 3: "3", 4: "4 and 5 (dark)", 5: "4 and 5 (dark)"
}  # fmt: skip


def _scene_groupings(of: ScoredPredictions) -> Iterator[Grouping]:
    """Groups of test units by what the scene of their picture knows: for procedural data, of which all is known.

    Skin tone and clothing of people in crops; light, distance, and how much of people shows, in thirds.

    Groups are those of the units' pictures; nothing where the copy has no facts (`facts_beside`).
    """
    images = list(next(iter(of.tables.values()))["image"])
    known = facts_beside(Path(images[0])) if images else {}
    rows = task_for(of.card).predictions.rows(of.card, of.tables, of.scores)
    facts = [known.get(Path(images[row])) if row >= 0 else None for row in rows]
    members = {"image": "pictures", "query": "queries", "person": "people"}.get(of.scores.unit, f"{of.scores.unit}s")
    for name, (criterion, kind) in _KINDS.items():
        kinds = [kind(one) if one is not None else None for one in facts]
        labels = sorted({kind for kind in kinds if kind is not None})
        parts = {label: [k == label for k in kinds] for label in labels}
        yield from _grouping(name, members, criterion, of.scores, parts)
    for name, (criterion, unit, measure) in _MEASURES.items():
        measured = [measure(one) if one is not None else None for one in facts]
        values = np.array([math.nan if value is None else value for value in measured])
        yield from _grouping(name, members, f"{criterion}; thirds of what was tested", of.scores, _thirds(values, unit))


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
    name: str, members: str, criterion: str, scores: Scores, parts: Mapping[str, Sequence[bool]]
) -> Iterator[Grouping]:
    """The groups that anybody is in, where there are several."""
    groups = [Group.part(label, scores, np.array(chosen, bool)) for label, chosen in parts.items() if any(chosen)]
    if len(groups) > 1:
        yield Grouping(name, members, criterion, tuple(groups))
