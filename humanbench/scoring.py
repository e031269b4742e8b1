"""`score`: the metrics of a predictions file against the ground truth on disk. The only source of numbers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from humanbench._version import __version__
from humanbench.cards import DatasetCard, Evaluation, evaluated, load_card
from humanbench.data.samples import load_samples
from humanbench.errors import CardError, DataError, HumanbenchError, PredictionError, WithheldError
from humanbench.hashing import content_sha256
from humanbench.metrics.scores import ALL, ReliabilityBins, Scores
from humanbench.predictions.files import existing
from humanbench.progress import track
from humanbench.schema import Number as Number
from humanbench.schema import Record
from humanbench.shown_tables import ShownTable, ShowsTables
from humanbench.stats import RESAMPLES, bootstrap, check_draws
from humanbench.stats import Metric as Metric
from humanbench.tasks.registry import task_for
from humanbench.text import nearest

if TYPE_CHECKING:
    import pandas as pd


Percent = Annotated[float, Field(ge=0, le=100)]


class Reliability(Record):
    """A reliability curve: of the filled bins of equal width (numbered from 0) how many cases they hold, and in percent
    what was predicted there on average and what was observed. `width` is that of a bin, in percent."""

    width: Annotated[float, Field(gt=0, le=100)]
    bins: tuple[Annotated[int, Field(ge=0, lt=1000)], ...]
    n: tuple[Annotated[int, Field(ge=1, le=10**12)], ...]
    predicted: tuple[Percent, ...]
    observed: tuple[Percent, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.bins) == len(self.n) == len(self.predicted) == len(self.observed) <= 1000:
            raise ValueError("bins, n, predicted and observed must be equally many")
        return self

    @property
    def by_chance(self) -> float:
        """The calibration error that a right predictor would have on as few cases (`ReliabilityBins.by_chance`)."""
        return ReliabilityBins(self.bins, self.n, self.predicted, self.observed).by_chance()


def error_by_chance(curves: Mapping[str, Reliability]) -> float:
    """The calibration error that a right predictor would have on as few cases, the mean over the parts of the labels;
    `nan` without curves."""
    each = [curve.by_chance for name, curve in curves.items() if name != ALL or len(curves) == 1]
    defined = [value for value in each if math.isfinite(value)]
    return sum(defined) / len(defined) if defined else math.nan


class ScoreReport(ShowsTables, Record):
    """What `score` returns and `score --json` prints.

    `metrics` starts with the main one, then the others that the card reports, then the rest of what the metric gives
    (a split with a metric of its own, like the paper's list of Caltech frames, may have another main one).
    `unit` is what was resampled. `synthetic` says that the dataset is a procedural copy, `subset` which part of the
    split was scored (None: all of it), `info` what a reader of the numbers must know (say, queries without a match).
    `reliability`: where probabilities were scored, the curve of all cases (`all`) and of each attribute.
    """

    dataset: str
    split: str
    main: str
    metrics: dict[str, Metric]
    predictions_sha256: str
    humanbench: str
    unit: str
    synthetic: bool
    subset: str | None
    info: dict[str, Any]
    reliability: dict[str, Reliability] = {}

    def to_json(self) -> str:
        """One JSON document; undefined values are null."""
        return self.model_dump_json(indent=2)

    def _heading(self) -> str:
        return f"{self.dataset} {self.split}{marks(self.synthetic, self.subset)}"

    def _tables(self) -> list[ShownTable]:
        rows = [(name, f"{m.value:.2f}", f"{m.low:.2f} – {m.high:.2f}", str(m.n)) for name, m in self.metrics.items()]
        return [ShownTable(("metric", "value", "95 % interval", f"n ({self.unit})"), rows)]


def marks(synthetic: bool, subset: str | None) -> str:
    """What a reader must know before the numbers, in brackets; empty for real data, whole."""
    labels = ["synthetic"] * synthetic + [f"subset {subset}"] * (subset is not None)
    return f" [{', '.join(labels)}]" if labels else ""


def score(
    dataset: str | DatasetCard,
    predictions: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    subset: str | os.PathLike[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ScoreReport:
    """Score a predictions file (docs/predictions.md says its format) against the ground truth on disk.

    No number is given unless all of the predictions fit.

    Args:
        dataset: The id of a dataset, or its card.
        predictions: A predictions file, or for parsing a folder of label maps.
        data_root: Folder with one folder per dataset id; None is $HUMANBENCH_DATA, else ~/humanbench-data.
        split: None is the card's test split; reid has two, written `query+gallery`.
        subset: The file of sample ids that `load_samples` takes; the predictions must then be those of the subset.
        seed: Seed of the bootstrap intervals.
        resamples: Draws of the bootstrap intervals.

    Raises `CardError` for an unknown dataset or split and for one outside the evaluation, `WithheldError` where labels
    are not public, `DataError` for a dataset that is not what its card says, `PredictionError` for predictions that do
    not fit.
    """
    check_draws(seed, resamples)
    of = scored(dataset, predictions, data_root, split, subset)
    scores = of.scores
    return ScoreReport(
        **of.facts(),
        metrics=_metrics(of.evaluation, scores, seed, resamples),
        humanbench=__version__,
        unit=scores.unit,
        info={name: _plain(value) for name, value in scores.info.items() if np.ndim(value) == 0},
        reliability=_reliability(scores),
    )


@dataclass(frozen=True)
class ScoredPredictions:
    """Predictions with the ground truth that they were held against, and the scores: what all numbers come from."""

    card: DatasetCard
    evaluation: Evaluation
    tables: dict[str, pd.DataFrame]
    predictions: Any
    scores: Scores
    sha256: str

    @property
    def synthetic(self) -> bool:
        return bool(next(iter(self.tables.values())).attrs["synthetic"])

    @property
    def main(self) -> str:
        """The card's main metric, or the first of a split that has another one."""
        return self.evaluation.main if self.evaluation.main in self.scores else next(iter(self.scores))

    def facts(self) -> dict[str, Any]:
        """What a report says of them; `subset` is the name of the list of ids that the tables were cut to."""
        return {
            "dataset": self.card.id,
            "split": "+".join(self.tables),
            "main": self.main,
            "synthetic": self.synthetic,
            "subset": next(iter(self.tables.values())).attrs["subset"],
            "predictions_sha256": self.sha256,
        }


def scored(
    dataset: str | DatasetCard,
    predictions: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    split: str | None = None,
    subset: str | os.PathLike[str] | None = None,
) -> ScoredPredictions:
    """Read predictions and ground truth and score them; arguments and errors are those of `score`."""
    card = load_card(dataset) if isinstance(dataset, str) else dataset
    evaluation = _evaluation(card)
    splits = _splits(card, evaluation, split)
    path = existing(Path(predictions))
    return scored_against(card, {name: load_samples(card, name, data_root, subset) for name in splits}, path)


def scored_against(card: DatasetCard, tables: dict[str, pd.DataFrame], path: Path) -> ScoredPredictions:
    """Score a predictions file against sample tables that were read before, by split."""
    evaluation = _evaluation(card)
    sha256 = content_sha256(existing(path))
    task = task_for(card).predictions
    try:
        read = task.read(card, tables, path)
    except PredictionError as error:
        if task.suffix and path.suffix.lower() != task.suffix:
            raise PredictionError(
                f"{path}: predictions of {card.id} are a {task.suffix} file (docs/predictions.md), which this is not: "
                + str(error).removeprefix(f"{path}: ")
            ) from error
        raise
    try:
        scores = task.score(card, tables, read)
    except WithheldError:
        raise
    except DataError as error:  # the metrics know neither dataset nor file
        raise DataError(_named(error, card.id, f"{card.id} {'+'.join(tables)}")) from error
    except HumanbenchError as error:
        raise PredictionError(_named(error, str(path), str(path))) from error
    return ScoredPredictions(card, evaluation, tables, read, scores, sha256)


def _named(error: HumanbenchError, name: str, where: str) -> str:
    """The sentence of an error with what it is about in front, where it does not say so itself."""
    mention = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error))
    return str(error) if mention else f"{where}: {error}"


def _evaluation(card: DatasetCard) -> Evaluation:
    if card.evaluation is None:
        names = [other.id for other in evaluated()]
        raise CardError(
            f"{card.id} is used in pretraining only and has no evaluation{nearest(card.id, names)} "
            f"({len(names)} datasets have one: {', '.join(names)})"
        )
    return card.evaluation


def _splits(card: DatasetCard, evaluation: Evaluation, split: str | None) -> tuple[str, ...]:
    """The splits to score: as many as the card's test has, each of them known."""
    if split is None:
        return evaluation.test
    splits = tuple(split.split("+"))
    for name in splits:
        card.split(name)
    if len(splits) != len(evaluation.test):
        raise CardError(
            f"{card.id} is scored on {'+'.join(evaluation.test)}, not on {split!r}; leave the split out for the default"
        )
    return splits


def _metrics(evaluation: Evaluation, scores: Scores, seed: int, resamples: int) -> dict[str, Metric]:
    progress = partial(track, text="bootstrap intervals")
    intervals = bootstrap(scores, np.random.default_rng(seed), resamples, progress)
    order = [name for name in evaluation.report if name in intervals]
    order += [name for name in intervals if name not in order]
    return {name: intervals[name] for name in order}


def _reliability(scores: Scores) -> dict[str, Reliability]:
    curves = scores.reliability() if scores.reliability is not None else {}
    return {
        name: Reliability(
            width=round(100 / curve.of, 4),
            bins=curve.bins,
            n=curve.n,
            predicted=tuple(round(value, 4) for value in curve.predicted),
            observed=tuple(round(value, 4) for value in curve.observed),
        )
        for name, curve in curves.items()
    }


def _plain(value: Any) -> Any:
    """A single value as JSON can hold it."""
    return value.item() if isinstance(value, np.generic) else value
