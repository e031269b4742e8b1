"""Which tasks there are: ours, and those that other packages bring."""

from __future__ import annotations

import importlib
from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from humanbench.errors import CardError
from humanbench.tasks.base import Task
from humanbench.text import nearest

if TYPE_CHECKING:
    from humanbench.cards import DatasetCard

GROUP = "humanbench.tasks"
"""Entry points of this group name a `Task`."""

OURS = ("reid", "pose", "parsing", "attribute", "detection", "counting")
"""Folders beside this file, in the order in which tasks are shown."""


@lru_cache(maxsize=1)
def _from_elsewhere() -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        task = point.load()
        if not isinstance(task, Task) or task.name != point.name or point.name in OURS:
            raise CardError(f"the entry point {point.name} of {GROUP} ({point.value}) names no task of that name")
        tasks[point.name] = task
    return tasks


def task_names() -> tuple[str, ...]:
    """Names of all tasks, ours first."""
    return (*OURS, *_from_elsewhere())


@lru_cache
def task_named(name: str) -> Task:
    """The task of this name; a `CardError` with the nearest names when there is none."""
    if name in OURS:
        ours: Task = importlib.import_module(f"humanbench.tasks.{name}").task
        return ours
    if name not in _from_elsewhere():
        raise CardError(f"no task is called {name!r}{nearest(name, task_names())} ({', '.join(task_names())})")
    return _from_elsewhere()[name]


def tasks() -> list[Task]:
    """All tasks, in the order in which they are shown."""
    return [task_named(name) for name in task_names()]


def task_for(card: DatasetCard) -> Task:
    """The task of a card."""
    return task_named(card.task)


def check_evaluation(card: DatasetCard) -> None:
    """`CardError` for a task that there is not, or for evaluation options that it has not."""
    task_for(card).check(card)
