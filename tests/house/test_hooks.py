"""What another package may bring is written down: every group of entry points, every method that it may define."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from humanbench.data.mannequin.task_scenes import TaskScenes
from humanbench.data.readers import ReaderModule
from humanbench.data.writers import WriterModule
from humanbench.metrics.directions import Direction
from humanbench.metrics.scores import Scores
from humanbench.optim.optimisers import Optimiser
from humanbench.optim.schedules import ScheduleShape
from humanbench.regimes import Regime
from humanbench.tasks.base import Task, TaskDrawing, TaskLabels, TaskPredictions
from humanbench.tasks.training import TaskDataset, TaskHead, TaskTraining
from tools.imports import PACKAGE

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
DEFINED = (
    TaskPredictions, TaskLabels, TaskTraining, TaskDataset, TaskHead, TaskDrawing, TaskScenes,
    ReaderModule, WriterModule,
)  # fmt: skip
"""Classes whose methods another package writes."""
FILLED = (Task, Regime, Optimiser, ScheduleShape, Direction)
"""Classes whose fields another package fills in."""


def groups() -> set[str]:
    """Groups of entry points that the package asks for: arguments of `entry_points` and of `Catalogue`."""
    asked = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        asked |= {text for call in ast.walk(tree) for text in _groups(call, constants)}
    return asked


def _groups(call: ast.AST, constants: dict[str, object]) -> Iterator[str]:
    if not isinstance(call, ast.Call):
        return
    name = ast.unparse(call.func).rpartition(".")[2]
    values = [one.value for one in call.keywords if one.arg == "group"] if name == "entry_points" else []
    values += call.args[1:2] if name == "Catalogue" else []
    for value in values:
        text = value.value if isinstance(value, ast.Constant) else constants.get(ast.unparse(value))
        if isinstance(text, str):
            yield text


def asked_of_modules() -> set[str]:
    """What readers and writers are asked for where they may lack it: constants of `getattr` and `hasattr`."""
    asked = set()
    for path in (*PACKAGE.glob("data/**/*.py"), *PACKAGE.glob("cli/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and re.search(r"\b(reader|writer)_for\b", ast.unparse(node)):
                asked |= set(re.findall(r"\b(?:get|has)attr\([^'\"]*['\"](\w+)", ast.unparse(node)))
    return asked


def hooks(kind: type) -> dict[str, object]:
    """Public methods and attributes that the class itself declares."""
    names = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
    return names | {
        name: None for name in inspect.get_annotations(kind) if not name.startswith("_") and name not in names
    }


def test_groups_are_those_that_are_known() -> None:
    """If another one is asked for, it is found here, and so has to be documented."""
    assert groups() == {
        f"humanbench.{name}"
        for name in ("tasks", "datasets", "backbones", "regimes", "optimisers", "schedules", "metrics")
    }


@pytest.mark.parametrize("group", sorted(groups()))
def test_every_group_of_entry_points_is_documented(group: str) -> None:
    assert f"`{group}`" in PAGE


def test_what_readers_and_writers_may_offer_is_documented() -> None:
    assert asked_of_modules() >= {"OPTIONS", "extract", "label_map", "image_name", "write"}
    assert [name for name in sorted(asked_of_modules()) if not re.search(rf"`{name}\b", PAGE)] == []


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.__name__)
def test_every_method_that_a_package_may_write_is_documented(kind: type) -> None:
    assert f"`{kind.__name__}`" in PAGE
    for name, value in hooks(kind).items():
        assert re.search(rf"`{name}\b", PAGE), f"docs/extending.md does not name {kind.__name__}.{name}"
        if inspect.isfunction(value):
            assert inspect.getdoc(value), f"{kind.__name__}.{name} has no docstring"


@pytest.mark.parametrize("kind", FILLED, ids=lambda kind: kind.__name__)
def test_every_field_that_a_package_fills_in_is_documented(kind: type) -> None:
    assert f"`{kind.__name__}`" in PAGE
    described = inspect.getdoc(kind) or ""
    for field in dataclasses.fields(kind):
        assert f"`{field.name}`" in PAGE, f"docs/extending.md does not name {kind.__name__}.{field.name}"
        assert kind is not Task or field.name in described


def test_what_a_metric_returns_is_documented() -> None:
    assert f"`{Scores.__name__}`" in PAGE
    for name in list(inspect.signature(Scores.__init__).parameters)[1:-1]:
        assert re.search(rf"`{name}\b", PAGE)
