"""What a task is: a few facts, and five parts that are loaded when they are first asked for.

Other packages bring a task as an entry point of the group `humanbench.tasks` that names a `Task`; everything that
reads, checks, trains, scores, draws or lists asks this object, so nothing else need be changed.
"""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from pydantic import ValidationError

from humanbench.errors import CardError
from humanbench.schema import Record, location, problem, unknown_key

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from humanbench.arrays import Bools, Floats, Ints
    from humanbench.cards import DatasetCard
    from humanbench.data.canvas import Sheet
    from humanbench.metrics import Scores
    from humanbench.metrics.groups import Grouping
    from humanbench.tasks.drawn import Drawings, DrawnSample, Guess, Layout

Tables = Mapping[str, "pd.DataFrame"]
"""Sample tables by split, in the order of the card's `evaluation.test`."""


class EvaluationOptions(Record):
    """What a card may say in `[evaluation.options]`; a task with options of its own derives a class from this."""

    @classmethod
    def of(cls, card: DatasetCard) -> Self:
        """The options of this card, which were checked when it was read."""
        return cls.model_validate(card.evaluation.options if card.evaluation else {})


class MetricOptions(EvaluationOptions):
    """Options of tasks with several metrics: which one is a dataset's, and which that of particular splits."""

    metric: str
    split_metrics: dict[str, str] = {}

    def metric_for(self, tables: Tables) -> str:
        """The metric of the one split whose table this is."""
        (split,) = tables
        return self.split_metrics.get(split, self.metric)


class TaskPredictions(ABC):
    """Predictions files and their score. Without torch, and without any picture but where a metric needs its size.

    `suffix`: how names of predictions files end ("" where predictions are a folder).
    """

    suffix: ClassVar[str]

    @abstractmethod
    def read(self, card: DatasetCard, tables: Tables, path: Path) -> Any:
        """The predictions in a file, checked against the tables; `PredictionError` where they do not fit."""

    @abstractmethod
    def write(self, card: DatasetCard, tables: Tables, predictions: Any, path: Path) -> None:
        """Write the file that `read` reads, whole or not at all."""

    @abstractmethod
    def score(self, card: DatasetCard, tables: Tables, predictions: Any) -> Scores:
        """The metrics of what `read` returned, with the parts from which resamples are scored."""

    def rows(self, card: DatasetCard, tables: Tables, scores: Scores) -> Ints:
        """For each unit of the scores the row of the first table that it stands for, -1 for none. The default: as
        they come."""
        import numpy as np

        return np.arange(scores.n)

    def groups(self, card: DatasetCard, tables: Tables, predictions: Any, scores: Scores) -> Iterator[Grouping]:
        """Groups that the labels tell apart, for metrics by group: of the units of `scores`, which are what `score`
        gave of these predictions, or of their labels. The default: none."""
        return iter(())


class TaskLabels:
    """What the labels of a sample table say, without opening a picture. The defaults are those of a task with none.

    `placed`: the labels have places in the picture (`points`), which `verify` looks for inside it. `unit`: what `units`
    are, in the plural.
    """

    placed = False
    unit = "pictures"

    def problem(self, card: DatasetCard, table: pd.DataFrame) -> str:
        """The first label that cannot be, in words with its sample's id; "" when all are possible."""
        return ""

    def peculiarities(self, card: DatasetCard, table: pd.DataFrame) -> list[str]:
        """Rows that training and scoring leave out, with their number and the first: no fault of the copy."""
        return []

    def counts(self, card: DatasetCard, table: pd.DataFrame) -> dict[str, int]:
        """Counts of the table beside its samples and pictures; names are those of a card's `Split`."""
        return {}

    def points(self, card: DatasetCard, rows: pd.DataFrame) -> Floats:
        """Where the labels of these rows lie, N x 2 (x, y) in pixels of their picture; asked where `placed` is set."""
        raise TypeError("labels of this task have no place in the picture")

    def units(self, card: DatasetCard, table: pd.DataFrame) -> list[str]:
        """For each row what it is drawn with, where training takes a fraction of the labels: all or none of a unit.

        Names are the same on every machine, and those of one split are not another's unless they are the same thing.
        """
        return [f"{table.attrs['split']}/{name}" for name in table["id"]]

    def strata(self, card: DatasetCard, table: pd.DataFrame) -> Bools:
        """Rows x labels: which labels each row has, of those whose shares a drawn fraction keeps; the default: none."""
        import numpy as np

        return np.zeros((len(table), 0), bool)

    def lack(self, card: DatasetCard, drawn: Tables, whole: Tables) -> str:
        """What the drawn tables lack of the whole ones and a head has to see, like "nobody"; "" for nothing."""
        return ""


class TaskDrawing(ABC):
    """Pictures for people.

    `samples`: on how many test pictures the page of the task shows predictions, `caption` what is to be seen there,
    `layout` how they stand (see `humanbench.tasks.drawn`).
    """

    samples = 4
    caption = ""
    layout: Layout = "even"

    def splits(self, card: DatasetCard) -> tuple[str, ...]:
        """The splits that a contact sheet shows together where none is named; empty: the first with public labels."""
        return ()

    @abstractmethod
    def sheet(self, card: DatasetCard, table: pd.DataFrame, columns: int, rows: int, rng: np.random.Generator) -> Sheet:
        """Tiles of `columns` x `rows` samples with their labels drawn, drawn at random, and the legend."""

    def predictions(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], count: int
    ) -> Iterator[DrawnSample]:
        """Up to `count` test pictures, the same ones for everybody, with the guesses beside the labels.

        A task that draws none has no sample predictions on its page.
        """
        from humanbench.arrays import shuffled_positions

        order = shuffled_positions(len(next(iter(tables.values()))))
        return islice(self.drawn(card, tables, guesses, order), count)

    def drawn(
        self, card: DatasetCard, tables: Tables, guesses: Sequence[Guess], rows: Iterable[int]
    ) -> Iterator[DrawnSample]:
        """These rows of the first table, one after the other, with the guesses beside the labels; those of which
        nothing can be shown are left out."""
        return iter(())

    def pictures(self, card: DatasetCard, tables: Tables, predictions: Any) -> Drawings:
        """Every picture of tables without labels by its id, with something that draws what `TaskPredictions.read` gave.

        The default draws none.
        """
        return iter(())


@dataclass(frozen=True)
class Task:
    """A task of the benchmark.

    `package` holds the parts (see `humanbench.tasks`). `title` and `question` are what people read, `hub_tag` is the
    hub's name for the task, and `name` what cards call it, where that is not the last part of `package`. `columns` are
    those of its sample table beside `id` and `image`; `attribute_columns` says that one int8 column per attribute of
    the card follows.
    `identity` are the label columns that a dataset's fingerprint takes. `label_maps`: the column `label` names part
    maps, read by `humanbench.data.labels.load_label`; the fingerprint takes them, and `verify` their sizes.
    `options` types the card's `[evaluation.options]`. `answers_untrained`: without finetuning it is answered from the
    features of the training pictures; `answers_headless`: always from features under the head. `joint_labels`: one head
    can be trained on several datasets together. `recipes` is the file of its recipes where it is not
    `protocols/<name>.toml` of this package.
    """

    package: str
    title: str
    question: str
    hub_tag: str = "other"
    name: str = ""
    columns: tuple[str, ...] = ()
    attribute_columns: bool = False
    identity: tuple[str, ...] = ()
    label_maps: bool = False
    options: type[EvaluationOptions] = EvaluationOptions
    answers_untrained: bool = False
    answers_headless: bool = False
    joint_labels: bool = False
    recipes: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.package.rpartition(".")[2])

    @property
    def predictions(self) -> TaskPredictions:
        """Predictions files and scores."""
        return cast(TaskPredictions, self.part("predictions"))

    @property
    def labels(self) -> TaskLabels:
        """Checks and counts of labels."""
        return cast(TaskLabels, self.part("labels"))

    @property
    def drawing(self) -> TaskDrawing:
        """Pictures of labels and predictions."""
        return cast(TaskDrawing, self.part("drawing"))

    def part(self, name: str) -> Any:
        """The object of this name in the task's module of the same name; None where a task has no `procedural`.

        `training` is typed by `humanbench.tasks.training.training_of`, `procedural` by
        `humanbench.data.mannequin.task_scenes.scenes_of`, which stand above what a task is.
        """
        return _part(self.package, name)

    def label_columns(self, card: DatasetCard) -> tuple[str, ...]:
        """The columns of the card's sample tables beside `id` and `image`."""
        return self.columns + (card.labels.attributes if self.attribute_columns else ())

    def identity_columns(self, card: DatasetCard) -> tuple[str, ...]:
        """The label columns that the card's fingerprint takes."""
        return self.identity + (card.labels.attributes if self.attribute_columns else ())

    def check(self, card: DatasetCard) -> None:
        """`CardError` unless the card's evaluation options are ones that the task has."""
        if card.evaluation is None:
            return
        try:
            self.options.of(card)
        except ValidationError as error:
            where = f"{card.id}: evaluation.options"
            if hint := unknown_key(error, self.options):
                raise CardError(f"{where}: {self.name} has no option {location(error)!r}{hint}") from error
            raise CardError(f"{where}.{problem(error)}") from error


@lru_cache
def _part(package: str, name: str) -> Any:
    module = f"{package}.{name}"
    if name == "procedural" and importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name)


T = TypeVar("T")


def only(tables: Mapping[str, T]) -> T:
    """The table of a task that is scored on one split."""
    (table,) = tables.values()
    return table
