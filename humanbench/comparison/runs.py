"""A run as `compare` sees it: its cells over seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from humanbench.results.cells import CellKey, CellNumber, CellRuns, cell_numbers, grouped
from humanbench.results.stored import read_stored


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
        usable = [cell for cell in self.cells.values() if not cell.problem]
        numbers = cell_numbers(cell.results for cell in usable)
        return {cell.key: number for cell, number in zip(usable, numbers, strict=True)}


def read_run(given: str | os.PathLike[str]) -> Run:
    """A run folder, a results file, or the name of a shipped baseline (a folder of `baselines/results`).

    Raises `ResultError` where there is none, or a file in it is no result of a version known here.
    """
    return Run(os.fspath(given), grouped(read_stored([given])))
