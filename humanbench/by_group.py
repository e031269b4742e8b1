"""Metrics by group: whom, and which pictures, predictions fail more often."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import Self

import numpy as np
from pydantic import model_validator

from humanbench.by_scene import scene_groupings
from humanbench.cards import DatasetCard
from humanbench.errors import CardError, HumanbenchError
from humanbench.metrics.groups import Gap as Gap
from humanbench.metrics.groups import Grouping, group_numbers
from humanbench.metrics.groups import GroupValue as GroupValue
from humanbench.progress import track
from humanbench.schema import Number, Record
from humanbench.scoring import ScoredPredictions, marks, scored
from humanbench.shown_tables import ShownTable, ShowsTables
from humanbench.stats import RESAMPLES
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
        dataset=of.card.id,
        split=of.split,
        main=of.main,
        value=of.scores[of.main],
        least=least,
        synthetic=of.synthetic,
        subset=of.subset,
        predictions_sha256=of.sha256,
        groupings=tuple(_report(of, grouping, seed, resamples, least) for grouping in groupings),
    )


def groupings_of(of: ScoredPredictions) -> list[Grouping]:
    """The groups of scored predictions. `CardError` where the labels tell none apart, or the terms forbid it."""
    if of.card.subgroups.forbidden:
        raise CardError(f"{of.card.id}: no metrics by group are computed: {of.card.subgroups.forbidden}")
    groupings = list(task_for(of.card).predictions.groups(of.card, of.tables, of.predictions, of.scores))
    if of.synthetic:
        groupings += scene_groupings(of.card, of.tables, of.scores)
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
