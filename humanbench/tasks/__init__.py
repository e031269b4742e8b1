"""The six tasks: one module each, with the same few names.

A task module has the name of the task and offers `MAIN_METRIC` (the task's usual headline; a card may choose another),

    read_predictions(card, tables, path)                # a checked predictions file; PredictionError if it does not fit
    write_predictions(card, tables, predictions, path)  # the file that read_predictions reads
    score(card, tables, predictions) -> Scores          # what read_predictions returned, against the ground truth

`tables` are the sample tables (`humanbench.load_samples`) by split, in the order of the card's `evaluation.test`: one,
or for reid the query and the gallery. Where a task has several metrics, the card's evaluation options name the one to
use: `metric`, or for particular splits `split_metrics`. Importing a task module imports no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from humanbench.errors import CardError

if TYPE_CHECKING:
    import pandas as pd

    from humanbench.cards import DatasetCard
    from humanbench.metrics import Scores


class TaskModule(Protocol):
    """What a task module offers."""

    MAIN_METRIC: str

    def read_predictions(self, card: DatasetCard, tables: Mapping[str, pd.DataFrame], path: Path) -> Any:
        """The predictions in a file, checked against the tables."""

    def write_predictions(
        self, card: DatasetCard, tables: Mapping[str, pd.DataFrame], predictions: Any, path: Path
    ) -> None:
        """Write predictions in the task's file format."""

    def score(self, card: DatasetCard, tables: Mapping[str, pd.DataFrame], predictions: Any) -> Scores:
        """The metrics of checked predictions."""


def task_for(card: DatasetCard) -> TaskModule:
    """The module of this card's task."""
    return cast(TaskModule, importlib.import_module(f"humanbench.tasks.{card.task}"))


def only(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table of a task that is scored on one split."""
    (table,) = tables.values()
    return table


def evaluation_options(card: DatasetCard) -> Mapping[str, Any]:
    """The card's evaluation options."""
    return card.evaluation.options if card.evaluation else {}


def option(card: DatasetCard, name: str, choices: Collection[str], default: str | None = None) -> str:
    """The value of an evaluation option; a `CardError` where it is none of the choices."""
    return _among(card, name, evaluation_options(card).get(name, default), choices)


def metric_name(card: DatasetCard, tables: Mapping[str, pd.DataFrame], choices: Collection[str]) -> str:
    """The metric that the card names for the split whose table this is; a `CardError` where it is none of these."""
    (split,) = tables
    chosen = evaluation_options(card).get("split_metrics", {}).get(split, evaluation_options(card).get("metric"))
    return _among(card, "metric", chosen, choices)


def _among(card: DatasetCard, name: str, chosen: Any, choices: Collection[str]) -> str:
    if chosen not in choices:
        raise CardError(f"{card.id}: evaluation option {name} is {chosen!r}, it must be one of {', '.join(choices)}")
    return str(chosen)
