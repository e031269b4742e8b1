"""Which tasks there are: ours, and those that other packages bring."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from humanbench.catalogue import Catalogue
from humanbench.tasks.base import Task

if TYPE_CHECKING:
    from humanbench.cards import DatasetCard

OURS = ("reid", "pose", "parsing", "attribute", "detection", "counting")
"""Folders beside this file, in the order in which tasks are shown."""

TASKS: Catalogue[Task] = Catalogue(
    "task", "humanbench.tasks", (importlib.import_module(f"humanbench.tasks.{name}").task for name in OURS)
)
"""All tasks, ours first. Entry points of the group name a `Task`."""


def task_names() -> tuple[str, ...]:
    """Names of all tasks, ours first."""
    return TASKS.names()


def task_named(name: str) -> Task:
    """The task of this name; a `HumanbenchError` with the nearest names when there is none."""
    return TASKS[name]


def tasks() -> list[Task]:
    """All tasks, in the order in which they are shown."""
    return list(TASKS)


def task_for(card: DatasetCard) -> Task:
    """The task of a card."""
    return TASKS[card.task]


def check_evaluation(card: DatasetCard) -> None:
    """`HumanbenchError` for a task that there is not, or for evaluation options that it has not."""
    task_for(card).check(card)
