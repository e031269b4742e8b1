"""Runs as `compare` sees them: which cells of two belong together, and why some cannot be compared."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

from humanbench.errors import HumanbenchError
from humanbench.names import mark
from humanbench.results import Result
from humanbench.results.cells import CellKey, CellNumber, CellRuns, grouped, numbers_of
from humanbench.results.shipped import recipe_mark, same_recipe
from humanbench.results.stored import labels_of, read_stored

SHORT = 8
"""Characters of a hash that are shown."""


@dataclass(frozen=True)
class Run:
    """The cells of a run; `name` is what the user called it."""

    name: str
    cells: Mapping[CellKey, CellRuns]

    @property
    def backbones(self) -> tuple[str, ...]:
        """Names of the backbones in it, sorted."""
        return tuple(sorted({entry.result.backbone for cell in self.cells.values() for entry in cell.entries}))

    @cached_property
    def numbers(self) -> Mapping[CellKey, CellNumber | None]:
        """The number of each cell that has one, with its interval."""
        return numbers_of([cell for cell in self.cells.values() if not cell.problem])

    def of(self, datasets: Sequence[str]) -> dict[CellKey, CellRuns]:
        """The cells of these datasets, all without any; `HumanbenchError` where one is none of the run's."""
        known = sorted({key.dataset for key in self.cells})
        if absent := [name for name in datasets if name not in known]:
            raise HumanbenchError(f"{self.name} has no results on {', '.join(absent)}; it has {', '.join(known)}")
        return {key: cell for key, cell in self.cells.items() if not datasets or key.dataset in datasets}


def read_run(given: str | os.PathLike[str]) -> Run:
    """A run folder, a results file, or the name of a shipped baseline (a folder of `baselines/results`).

    Raises `ResultError` where there is none, or a file in it is no result of a version known here.
    """
    return Run(os.fspath(given), grouped(read_stored([given])))


@dataclass(frozen=True)
class Pair:
    """A cell of each run; `problem` says why they are not comparable, `notes` what a reader should know."""

    key: CellKey
    base: CellRuns | None
    new: CellRuns | None
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def both(self) -> tuple[CellRuns, CellRuns]:
        """The cells of a pair that is there in both runs."""
        assert self.base is not None
        assert self.new is not None
        return self.base, self.new


def pairs(base: Run, new: Run) -> list[Pair]:
    """All cells of both runs, matched by suite, regime, variant, subset, condition and dataset, in that order.

    What finds no partner is matched with a leftover of the same dataset, to say in what they differ.
    """
    both = [_checked(key, base.cells[key], new.cells[key]) for key in base.cells if key in new.cells]
    left = {key: cell for key, cell in base.cells.items() if key not in new.cells}
    right = {key: cell for key, cell in new.cells.items() if key not in base.cells}
    return sorted([*both, *_leftovers(left, right)], key=lambda pair: pair.key)


def _leftovers(left: Mapping[CellKey, CellRuns], right: Mapping[CellKey, CellRuns]) -> Iterator[Pair]:
    taken: set[CellKey] = set()
    for key, cell in left.items():
        near = [other for other in right if other.dataset == key.dataset and other not in taken]
        if not near:
            yield Pair(key, cell, None, "only in BASE")
            continue
        closest = min(near, key=lambda other: len(_differences(key, other)))
        taken.add(closest)
        yield Pair(closest, cell, right[closest], f"different {' and '.join(_differences(key, closest))}")
    for key, cell in right.items():
        if key not in taken:
            yield Pair(key, None, cell, "only in NEW")


def _differences(one: CellKey, other: CellKey) -> list[str]:
    differences = []
    for name in (field.name for field in fields(CellKey)):
        a, b = getattr(one, name), getattr(other, name)
        if a != b:
            none = {"subset": "all of it", "condition": "the usual"}.get(name, "none")
            differences.append(f"{name} ({a or none} against {b or none})")
    return differences


def _checked(key: CellKey, base: CellRuns, new: CellRuns) -> Pair:
    for cell, name in ((base, "BASE"), (new, "NEW")):
        if cell.problem:
            return Pair(key, base, new, f"{name} {cell.problem}")
    a, b = base.first.result, new.first.result
    if problems := list(incompatible(a, b)):
        return Pair(key, base, new, "; ".join(problems))
    notes = []
    if a.cell.data_sha256 != b.cell.data_sha256:
        notes.append("the labels are the same, files of pictures differ")
    if a.scenario != b.scenario:
        notes.append(f"{a.scenario} for BASE, {b.scenario} for NEW")
    return Pair(key, base, new, notes=tuple(notes))


def incompatible(a: Result, b: Result) -> Iterator[str]:
    """Why the difference of two results (of BASE and of NEW) would mean nothing; empty where it does."""
    if a.synthetic != b.synthetic:
        yield f"{_kind(a.synthetic)} against {_kind(b.synthetic)} data"
    elif a.copy_of_data != b.copy_of_data:
        yield f"different procedural copies ({a.copy_of_data} against {b.copy_of_data})"
    elif labels_of(a) != labels_of(b):
        yield f"different data (fingerprint {labels_of(a)[:SHORT]} against {labels_of(b)[:SHORT]})"
    if not same_recipe(a, b):
        yield f"different protocol (recipe {a.cell.recipe_sha256[:SHORT]} against {b.cell.recipe_sha256[:SHORT]})"
    if a.cell.inputs != b.cell.inputs:
        differing = sorted(dict(a.cell.inputs.items() ^ b.cell.inputs.items()))
        yield f"different inputs ({', '.join(differing)})"
    if (a.main, a.split) != (b.main, b.split):
        yield f"different metric ({a.main} on {a.split} against {b.main} on {b.split})"
    if a.cell.humanbench != b.cell.humanbench:
        yield f"different major version of humanbench ({a.cell.humanbench} against {b.cell.humanbench})"


def ground_of(result: Result) -> str:
    """A mark that two results share exactly where `incompatible` finds nothing."""
    cell = result.cell
    inputs = tuple(sorted(cell.inputs.items()))
    parts = (result.copy_of_data, labels_of(result), recipe_mark(result), inputs, result.main, result.split)
    return mark(repr((*parts, cell.humanbench)))


def _kind(synthetic: bool) -> str:
    return "synthetic" if synthetic else "real"
