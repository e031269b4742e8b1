"""Columns of boards and tables: the benchmark's datasets, and every other one that results are about."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from humanbench.cards import DatasetCard, load_card
from humanbench.errors import HumanbenchError
from humanbench.metrics.directions import PARTS, part_of
from humanbench.names import shown
from humanbench.tasks.registry import task_names


@lru_cache(maxsize=1)
def benchmark_columns() -> tuple[str, ...]:
    """Ids of the benchmark's datasets, task by task, in the paper's order."""
    from humanbench.benchmark import benchmark

    return tuple(benchmark()["datasets"])


def columns_with(datasets: Collection[str]) -> tuple[str, ...]:
    """The benchmark's datasets and these, task by task: those of a task that the benchmark has not stand at its end."""
    return _in_order(frozenset(datasets) | frozenset(benchmark_columns()))


def columns_of_results(datasets: Iterable[str]) -> tuple[str, ...]:
    """These datasets in the order of `columns_with`."""
    return _in_order(frozenset(datasets))


@lru_cache(maxsize=256)
def _in_order(datasets: frozenset[str]) -> tuple[str, ...]:
    places = {name: number for number, name in enumerate(benchmark_columns())}
    tasks = list(dict.fromkeys([*(load_card(name).task for name in places), *task_names()]))

    def place(name: str) -> tuple[int, int, str]:
        return tasks.index(load_card(name).task), places.get(name, len(places)), name

    return tuple(sorted(datasets, key=place))


@lru_cache(maxsize=256)
def main_metric(dataset: str) -> str:
    """The headline metric of a dataset."""
    evaluation = load_card(dataset).evaluation
    if evaluation is None:
        raise HumanbenchError(f"{dataset} is used in pretraining only, so no result is about it")
    return evaluation.main


def part_name(dataset: str, metric: str) -> str:
    """Of which part of the labels a metric is (`part_of`): a class by the name on the dataset's card, or its number
    where the card has none; empty for a metric of all.

    >>> part_name("lip", "IoU 1"), part_name("pa100k", "mA Hat"), part_name("lip", "mIoU")
    ('hat', 'Hat', '')
    """
    if (family_and_part := part_of(metric)) is None:
        return ""
    family, part = family_and_part
    if PARTS[family] == "classes" and part.isdecimal():
        classes = load_card(dataset).labels.classes
        return classes[int(part)] if int(part) < len(classes) else f"class {part}"
    return shown(part, 60)


def short_name(card: DatasetCard) -> str:
    """What heads the dataset's column."""
    return card.short or card.name.partition(" (")[0]
