"""One meaning per name: public classes, and the names of tasks."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from humanbench.tasks.registry import OURS
from tools.imports import PACKAGE

EXCEPTIONS = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text(encoding="utf-8"))
FORMATS = ("data/readers/", "data/writers/")
"""Readers and writers hold the words of the datasets' own files."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Path below the package, and the source of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_no_public_class_name_has_two_meanings() -> None:
    places: dict[str, list[str]] = {}
    for path, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def named_tasks() -> dict[str, list[int]]:
    """Lines in which the name of one of our tasks stands as a string, by file outside the tasks' folders."""
    lines: dict[str, list[int]] = {}
    for path, tree in trees():
        if path.startswith((*FORMATS, *(f"tasks/{task}/" for task in OURS))):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in OURS:
                lines.setdefault(path, []).append(node.lineno)
    return lines


def test_nobody_knows_a_task_by_name() -> None:
    """What differs by task is asked of the task; cards, recipes and pages name it, and it names itself."""
    known = named_tasks()
    assert {path: lines for path, lines in known.items() if path not in EXCEPTIONS["task_names"]} == {}
    assert set(EXCEPTIONS["task_names"]) <= set(known), "an exception that nothing needs any more"


VAGUE = {"about", "found", "held", "kept", "own", "said", "told"}
"""Words that say what was done with a thing and not which thing it is."""


def vague_names(tree: ast.Module) -> Iterator[str]:
    """Variables and arguments with such a name; fields of classes, which are read after a full stop, may have one."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields = {id(node.target) for owner in classes for node in owner.body if isinstance(node, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in fields:
            name = node.id
        else:
            continue
        if name in VAGUE:
            yield f"{node.lineno}: {name}"


def test_names_say_what_they_name() -> None:
    """`missing_images`, not `found`."""
    assert {path: names for path, tree in trees() if (names := list(vague_names(tree)))} == {}
    assert list(vague_names(ast.parse("def f(kept): found = kept\nclass C:\n    own: int"))) == ["1: kept", "1: found"]
