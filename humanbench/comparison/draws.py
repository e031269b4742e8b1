"""What is known of a difference: draws of it over test units, from predictions where possible, else from intervals."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from humanbench.cards import DatasetCard, load_card
from humanbench.comparison.matching import Pair
from humanbench.data.samples import dataset_folder, load_samples
from humanbench.data_root import find_data
from humanbench.errors import CardError, DataError, HumanbenchError, PredictionError
from humanbench.hashing import content_sha256
from humanbench.predictions.files import existing
from humanbench.results.cells import CellRuns
from humanbench.results.stored import StoredResult
from humanbench.stats import CONFIDENCE, paired_draws
from humanbench.tasks.registry import task_for

if TYPE_CHECKING:
    import pandas as pd

    from humanbench.metrics import Scores

Method = Literal["paired", "unpaired"]
PathLike = str | os.PathLike[str]


class NotComparable(HumanbenchError):
    """Two results whose difference would mean nothing; the message says why."""


class NotHere(HumanbenchError):
    """Predictions or ground truth are not on this machine."""


@dataclass(frozen=True)
class DifferenceDraws:
    """Draws of `new - base` of the main metric in the metric's unit; `n` units of kind `unit`."""

    draws: NDArray[np.float64]
    method: Method
    n: int
    unit: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ground:
    """Where ground truth is looked for; `None`: where `eval` looks."""

    data_root: PathLike | None = None
    subset: PathLike | None = None


def difference_draws(pair: Pair, ground: Ground, rng: np.random.Generator, resamples: int) -> DifferenceDraws:
    """Paired draws from the predictions of both runs, or unpaired ones from their recorded intervals, with the reason.

    Raises `NotComparable` where predictions are not those of their result, or nothing says how certain a number is.
    """
    base, new = pair.both
    try:
        drawn = _paired(base, new, ground, rng, resamples)
    except NotHere as reason:
        drawn = _unpaired(base, new, rng, resamples, str(reason))
    if drawn.n < 2:
        raise NotComparable(f"a single {drawn.unit} was tested: nothing says how certain its number is")
    if np.isnan(drawn.draws).all():
        raise NotComparable(f"{base.first.result.main} is undefined in every resample")
    return drawn


def scores_of(cell: CellRuns, ground: Ground, name: str = "the run") -> list[Scores]:
    """The scores of each seed of a cell, from its predictions and the ground truth that it was scored against.

    Raises `HumanbenchError` where either is not here, or they are not those of the results.
    """
    files = [(entry, scored_predictions(entry, name)) for entry in cell.entries]
    card, tables = ground_truth(cell, ground)
    return [_scores(card, tables, entry, path, name) for entry, path in files]


def _paired(base: CellRuns, new: CellRuns, ground: Ground, rng: np.random.Generator, resamples: int) -> DifferenceDraws:
    """Of each seed's predictions only what resamples are computed from is kept: the next ones need the memory."""
    sides = (("BASE", base), ("NEW", new))
    files = {name: [(entry, scored_predictions(entry, name)) for entry in cell.entries] for name, cell in sides}
    card, tables = ground_truth(base, ground)
    first, second = (
        [_scores(card, tables, entry, path, name).for_draws() for entry, path in of_side]
        for name, of_side in files.items()
    )
    drawn = paired_draws(first, second, [base.first.result.main], rng, resamples)[:, 0]
    return DifferenceDraws(drawn, "paired", first[0].n, first[0].unit)


def scored_predictions(entry: StoredResult, name: str) -> Path:
    """The predictions file of a result, which must be as it was when it was scored."""
    result = entry.result
    if not result.predictions or result.provenance is None:
        raise NotHere(f"{name} records no predictions")
    path = entry.folder / result.predictions
    if not path.resolve().is_relative_to(entry.folder.resolve()):
        raise NotComparable(f"{name} names predictions outside its folder ({result.predictions})")
    if not path.exists():
        raise NotHere(f"the predictions of {name} are not here (in {path.parent})")
    if content_sha256(existing(path)) != result.provenance.predictions_sha256:
        raise NotComparable(f"the predictions of {name} were changed after they were scored ({path})")
    return path


def ground_truth(cell: CellRuns, ground: Ground) -> tuple[DatasetCard, dict[str, pd.DataFrame]]:
    """The ground truth that the cell was scored against, as far as labels and names can tell."""
    result = cell.first.result
    root = _root(result.suite, ground)
    subset = ground.subset if result.subset is not None else None
    if result.subset is not None and (subset is None or Path(subset).stem != result.subset):
        raise NotHere(f"no --subset file called {result.subset} is given")
    try:
        card = load_card(result.dataset)
        if not dataset_folder(card, root).is_dir():
            raise NotHere(
                f"the dataset is not under {root} (--data-root or --set datasets.ID.root=DIR name another place)"
            )
        tables = {split: load_samples(card, split, root, subset) for split in result.split.split("+")}
    except (CardError, DataError) as error:
        raise NotHere(f"no ground truth here: {error}") from error
    if any(table.attrs["synthetic"] != result.synthetic for table in tables.values()):
        kinds = ("synthetic", "real") if not result.synthetic else ("real", "synthetic")
        raise NotHere(f"the data under {root} are {kinds[0]}, those of the runs {kinds[1]}")
    return card, tables


def _root(suite: str, ground: Ground) -> PathLike:
    if suite == "mini" and ground.data_root is None:
        from humanbench.suites import embedded_root

        return embedded_root()
    return find_data(ground.data_root)


def _scores(card: DatasetCard, tables: dict[str, pd.DataFrame], entry: StoredResult, path: Path, name: str) -> Scores:
    """The scores of a predictions file, which must be what the result says."""
    files, result = task_for(card).predictions, entry.result
    try:
        scores = files.score(card, tables, files.read(card, tables, path))
    except PredictionError as error:
        raise NotHere(f"the data here are not those of {name}: {error}") from error
    again = scores.get(result.main, math.nan)
    if not math.isclose(again, result.value, rel_tol=1e-5, abs_tol=1e-5):
        raise NotComparable(
            f"{name} records {result.main} {result.value:.4f}, and its predictions score {again:.4f} against the data "
            "here (other data, another version of the metric, or an edited result)"
        )
    return scores


def _unpaired(base: CellRuns, new: CellRuns, rng: np.random.Generator, resamples: int, reason: str) -> DifferenceDraws:
    """Normal draws as wide as both runs' own intervals say, as if they were of different test units.

    Wider than the truth where both runs find the same units hard, which is usual.
    """
    variances, units = zip(*(_variance(cell) for cell in (base, new)), strict=True)
    difference = float(np.mean(new.values) - np.mean(base.values))
    drawn = rng.normal(difference, math.sqrt(sum(variances)), resamples)
    return DifferenceDraws(drawn, "unpaired", min(units), base.first.result.unit, (f"unpaired: {reason}",))


def _variance(cell: CellRuns) -> tuple[float, int]:
    """Variance of the mean over seeds by its recorded intervals (seeds share the test units), and the units."""
    metrics = [entry.result.metrics[entry.result.main] for entry in cell.entries]
    half_widths = [(metric.high - metric.low) / 2 for metric in metrics]
    width = float(np.mean(half_widths))
    if math.isnan(width):
        raise NotComparable("predictions or ground truth are not here, and the results hold no intervals")
    from scipy.special import ndtri

    return (width / float(ndtri((1 + CONFIDENCE) / 2))) ** 2, min(metric.n for metric in metrics)
