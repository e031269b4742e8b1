"""The learners on the datasets: fitted on the training splits, scored by `humanbench.score` on the test splits."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from humanbench.cards import DatasetCard, load_card
from humanbench.data.samples import MARKER, load_samples
from humanbench.errors import DataError
from humanbench.metrics.directions import direction
from humanbench.scoring import Metric, score
from humanbench.tasks.registry import task_for
from tools.sanity.jobs import JOBS, Floats, Job
from tools.sanity.learners import WORK, Net, Pictures, estimates, ridge_on_features, ridge_on_pixels, trained, untrained

NEIGHBOURS = {
    "market1501": "msmt17",
    "msmt17": "market1501",
    "cuhk03": "market1501",
    "sensereid": "market1501",
    "coco_pose": "aic",
    "aic": "mpii",
    "mpii": "aic",
    "human36m_pose": "coco_pose",
    "lip": "cihp",
    "cihp": "lip",
    "atr": "lip",
    "human36m_parsing": "lip",
    "pa100k": "rapv2",
    "rapv2": "pa100k",
    "peta": "pa100k",
    "crowdhuman": "caltech",
    "caltech": "crowdhuman",
    "shanghaitech_a": "shanghaitech_b",
    "shanghaitech_b": "shanghaitech_a",
}
"""Another dataset of the same task, whose network is tried here."""

UNDERSTOOD = {"aic", "mpii", "lip", "cihp", "atr"}
"""Datasets whose joints or classes their neighbour has too, but for a few that hardly count. Where a task has no names
(ReID, detection, counting) every neighbour is understood; elsewhere a neighbour's answers mean something else."""

_SAME = {"upper_neck": "neck"}


@dataclass(frozen=True)
class Lesson:
    """A training set as a learner sees it, and the network trained on it."""

    job: Job
    pictures: Pictures
    targets: Floats
    seed: int
    work: float

    @cached_property
    def net(self) -> Net:
        """The network trained on this; trained when first asked for."""
        return trained(self.job, self.pictures, self.targets, self.seed, self.work)


@dataclass(frozen=True)
class Row:
    """A dataset's main metric for each learner, by column title; None where the learner does not apply."""

    card: DatasetCard
    metric: str
    cells: dict[str, Metric | None]

    def beats(self, better: str, worse: str, clearly: bool = False) -> bool:
        """Whether one learner is better than another (both must apply); clearly: their intervals do not even touch."""
        a, b = self.cells[better], self.cells[worse]
        if a is None or b is None:
            return False
        if not clearly:
            return direction(self.metric).gain(b.value, a.value) > 0
        return a.low > b.high if direction(self.metric).higher_is_better else a.high < b.low

    def brief(self) -> str:
        """One line for the progress."""
        return ", ".join(f"{k} {c.value:.1f} [{c.low:.1f}, {c.high:.1f}]" for k, c in self.cells.items() if c)


class Suite:
    """The procedural datasets under a data root, with what was learnt from each.

    `work` is how many pixels a network sees in training, `learners` are titles of `LEARNERS` (all by default).
    """

    def __init__(self, data_root: Path, seed: int = 0, work: float = WORK, learners: Sequence[str] = ()) -> None:
        self.root = data_root
        self.seed = seed
        self.work = work
        self.learners = list(learners) or list(LEARNERS)
        self._lessons: dict[str, Lesson] = {}

    def marker(self, name: str) -> dict[str, Any]:
        """What the procedural copy says of itself; a `DataError` where there is none."""
        path = self.root / name / MARKER
        if not path.is_file():
            raise DataError(
                f"{path}: there is no procedural copy of {name}; "
                f"`humanbench datasets synthesize --evaluated --out {self.root}` writes it"
            )
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def lesson(self, card: DatasetCard) -> Lesson:
        """The training set of a dataset; of its neighbour where it has none (SenseReID)."""
        assert card.evaluation is not None
        if not card.evaluation.train:
            return self.lesson(load_card(NEIGHBOURS[card.id]))
        if card.id not in self._lessons:
            self.marker(card.id)
            tables = [load_samples(card, split, self.root) for split in card.evaluation.train]
            table = pd.concat(tables, ignore_index=True)
            job = JOBS[card.task](card, table)
            self._lessons[card.id] = Lesson(job, job.pictures(table), job.targets(table), self.seed, self.work)
        return self._lessons[card.id]

    def row(self, card: DatasetCard) -> Row:
        """All learners on one dataset."""
        self.marker(card.id)
        assert card.evaluation is not None
        tables = {split: load_samples(card, split, self.root) for split in card.evaluation.test}
        test = pd.concat(tables.values(), ignore_index=True)
        cells: dict[str, Metric | None] = dict.fromkeys(LEARNERS)
        for title in self.learners:
            answer = LEARNERS[title](self, card, test)
            cells[title] = None if answer is None else self._scored(card, tables, *answer)
        return Row(card, card.evaluation.main, cells)

    def _scored(self, card: DatasetCard, tables: dict[str, pd.DataFrame], job: Job, found: Floats) -> Metric:
        """The main metric of a predictions file written from these estimates."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"predictions{task_for(card).predictions.suffix}"
            task_for(card).predictions.write(card, tables, job.predictions(card, tables, found), path)
            report = score(card, path, data_root=self.root, seed=self.seed)
        return report.metrics[report.main]


def rows_of(names: Sequence[str], data_root: str, seed: int) -> list[Row]:
    """Work of one process, on one core: datasets of one task, which share their networks."""
    torch.set_num_threads(1)
    suite, rows = Suite(Path(data_root), seed), []
    with threadpool_limits(1):
        for name in names:
            rows.append(suite.row(load_card(name)))
            print(f"{name}: {rows[-1].brief()}", file=sys.stderr, flush=True)
    return rows


Answer = tuple[Job, Floats] | None


def _chance(suite: Suite, card: DatasetCard, test: pd.DataFrame) -> Answer:
    """The mean target for every picture; where equal answers would keep an order that helps (ReID), random ones."""
    lesson = suite.lesson(card)
    if card.task == "reid":
        rng = np.random.default_rng(suite.seed)
        return lesson.job, rng.standard_normal((len(test), *lesson.targets.shape[1:]))
    return lesson.job, np.repeat(lesson.targets.mean(axis=0, keepdims=True), len(test), axis=0)


def _pixels(suite: Suite, card: DatasetCard, test: pd.DataFrame) -> Answer:
    lesson = suite.lesson(card)
    return lesson.job, ridge_on_pixels(lesson.pictures, lesson.targets, lesson.job.pictures(test))


def _random(suite: Suite, card: DatasetCard, test: pd.DataFrame) -> Answer:
    lesson = suite.lesson(card)
    return _probed(lesson, untrained(lesson.job, lesson.pictures, lesson.targets, suite.seed), test)


def _trained(suite: Suite, card: DatasetCard, test: pd.DataFrame) -> Answer:
    lesson = suite.lesson(card)
    return lesson.job, estimates(lesson.job, lesson.net, lesson.job.pictures(test))


def _neighbour(suite: Suite, card: DatasetCard, test: pd.DataFrame) -> Answer:
    """The features of a network trained on the neighbour, and ridge regression here."""
    assert card.evaluation is not None
    if not card.evaluation.train:
        return None
    return _probed(suite.lesson(card), suite.lesson(load_card(NEIGHBOURS[card.id])).net, test)


def _untouched(suite: Suite, card: DatasetCard, test: pd.DataFrame) -> Answer:
    """A network trained on the neighbour and nothing else."""
    assert card.evaluation is not None
    lesson = suite.lesson(load_card(NEIGHBOURS[card.id]))
    if not card.evaluation.train or (lesson.job.names and card.id not in UNDERSTOOD):
        return None
    found = estimates(lesson.job, lesson.net, lesson.job.pictures(test))
    names = lesson.job.named(card)
    if not names:
        return lesson.job, found
    answers = np.zeros((len(found), len(names), *found.shape[2:]), found.dtype)
    for channel, name in enumerate(names):
        same = [i for i, n in enumerate(lesson.job.names) if _SAME.get(n, n) == _SAME.get(name, name)]
        if same:
            answers[:, channel] = found[:, same[0]]
    return lesson.job, answers


def _probed(lesson: Lesson, net: Net, test: pd.DataFrame) -> Answer:
    asked = lesson.job.pictures(test)
    return lesson.job, ridge_on_features(net, lesson.pictures, lesson.targets, asked, lesson.seed)


LEARNERS: dict[str, Callable[[Suite, DatasetCard, pd.DataFrame], Answer]] = {
    "chance": _chance,
    "pixels": _pixels,
    "random": _random,
    "neighbour": _neighbour,
    "trained": _trained,
    "untouched": _untouched,
}
