"""What a comparison says: a record per cell, averages, and whether a gate would pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from humanbench.comparison.verdicts import Verdict
from humanbench.metrics.directions import direction
from humanbench.results import Result
from humanbench.results.cells import lists_by, t_quantile
from humanbench.schema import Record
from humanbench.scoring import Number

OVERALL = "overall"

CERTAIN = 0.005
"""P-value below which a regression is not looked at again with more seeds. So strict that looking several times adds
little to the false alarms of the last look. Source: the rule of Haybittle (1971) and Peto et al. (1976), whose bound is
0.001; draws of 1,000 resamples do not reach that."""

SEED_SHARE = 0.1
"""Share of a difference's variance that must come from training seeds for more of them to be worth their time."""


class CellReport(Record):
    """A cell of both runs.

    `base`, `new`: main metric, mean over `base_seeds` and `new_seeds` trainings; `base_low` to `new_high` the 95 %
    intervals of these numbers (see `humanbench.results.cells`). `difference` is `new - base` in the
    metric's unit, [low, high] its 95 % interval, `p` two-sided, `corrected` by Holm over the cells. `detectable` is the
    smallest drop that would have been called a regression in 80 % of comparisons like this. `method` is `paired` (same
    test units) or `unpaired` (from recorded intervals). `n` test units of kind `unit`. `other_copy`: which procedural
    copy, where it is not the first kind (`humanbench.results.Result`). `problem` says why a cell is not
    comparable. Numbers are `nan` (null in JSON) where there are none.
    """

    dataset: str
    task: str
    scenario: str
    suite: str
    regime: str
    variant: str | None
    subset: str | None
    condition: str = ""
    synthetic: bool
    other_copy: str = ""
    metric: str
    verdict: Verdict
    regression: bool = False
    base: Number = float("nan")
    new: Number = float("nan")
    base_low: Number = float("nan")
    base_high: Number = float("nan")
    new_low: Number = float("nan")
    new_high: Number = float("nan")
    base_seeds: int = 0
    new_seeds: int = 0
    difference: Number = float("nan")
    low: Number = float("nan")
    high: Number = float("nan")
    p: Number = float("nan")
    corrected: Number = float("nan")
    margin: Number = float("nan")
    detectable: Number = float("nan")
    seed_sd: Number = float("nan")
    method: str = ""
    n: int = 0
    unit: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        return self.verdict != "not comparable"

    @property
    def undecided(self) -> bool:
        """Whether more training seeds may change what a gate says: a drop beyond the margin is neither excluded by the
        interval nor beyond doubt (`CERTAIN`), and training noise is a good part (`SEED_SHARE`) of the uncertainty."""
        if not self.comparable or not self.base_seeds or not self.new_seeds:
            return False
        lost = self.low if direction(self.metric).higher_is_better else -self.high
        if lost >= -self.margin or (self.regression and self.p < CERTAIN):
            return False
        deviation = (self.high - self.low) / (2 * t_quantile(math.inf))
        return self.seed_sd**2 * (1 / self.base_seeds + 1 / self.new_seeds) > SEED_SHARE * deviation**2

    @property
    def board(self) -> str:
        """What must not be mixed in a table or an average."""
        return board_of(self)


def board_of(of: CellReport | Result) -> str:
    """Suite, regime, variant, subset, condition, kind of data and which procedural copy."""
    words = [f"{of.suite}, {of.regime}"]
    words += [f"variant {of.variant}"] * bool(of.variant) + [f"subset {of.subset}"] * bool(of.subset)
    words += [of.condition] * bool(of.condition) + ["synthetic"] * of.synthetic
    return ", ".join(words + [of.other_copy] * bool(of.other_copy))


class TogetherReport(Record):
    """The comparable cells of a board (`group` is `overall`) or of one of its tasks, judged together.

    `change`: their weighted mean change in percent of BASE's values, positive where NEW is better, with its 95 %
    interval; `corrected` by Holm over all groups; `detectable` as in `CellReport`, in percent.
    """

    board: str
    group: str
    cells: int
    change: Number
    low: Number
    high: Number
    p: Number
    corrected: Number
    margin: Number
    detectable: Number
    verdict: Verdict
    regression: bool


class BoardAverage(Record):
    """Over the comparable cells of a board in a scenario, or `overall`.

    `base_rank`, `new_rank`: mean rank, 1 for the better run of a cell, 2 for the worse, 1.5 for both where no
    difference is established. `change`: mean relative change in percent, positive where NEW is better.
    """

    board: str
    scenario: str
    cells: int
    base_rank: Number
    new_rank: Number
    change: Number


class CostReport(Record):
    """A kind of cost (`humanbench.results.loading.COSTS`) of a board's cells, the median of each side."""

    board: str
    cost: str
    cells: int
    base: float
    new: float


class GroupChange(Record):
    """A group of `n` members in both runs; [low, high] is the 95 % interval of the difference over the test units.
    Without numbers where the members are too few."""

    name: str
    n: int
    base: Number = float("nan")
    new: Number = float("nan")
    difference: Number = float("nan")
    low: Number = float("nan")
    high: Number = float("nan")


class GapChange(Record):
    """`best` minus `worst`, the two groups furthest apart in the mean of both runs, in either run, and its change."""

    best: str
    worst: str
    base: Number
    new: Number
    difference: Number
    low: Number
    high: Number


class GroupingChange(Record):
    """The groups of one grouping of a cell in both runs."""

    dataset: str
    board: str
    metric: str
    name: str
    members: str
    groups: tuple[GroupChange, ...]
    gap: GapChange | None


class ComparisonRecord(Record):
    """All cells of two runs. `margin` is the one given (None: the default of each metric). `groups`: where they were
    asked for; `groups_absent`: of which cells there are none and why."""

    base: str
    new: str
    base_backbones: tuple[str, ...]
    new_backbones: tuple[str, ...]
    margin: float | None
    resamples: int
    humanbench: str
    cells: tuple[CellReport, ...]
    together: tuple[TogetherReport, ...]
    averages: tuple[BoardAverage, ...]
    costs: tuple[CostReport, ...] = ()
    groups: tuple[GroupingChange, ...] = ()
    groups_absent: tuple[str, ...] = ()

    @property
    def comparable(self) -> list[CellReport]:
        """Cells with a verdict."""
        return [cell for cell in self.cells if cell.comparable]

    @property
    def regressions(self) -> list[CellReport]:
        """Cells that are worse by more than their margin."""
        return [cell for cell in self.cells if cell.regression]

    @property
    def undecided(self) -> list[str]:
        """Datasets of cells that more training seeds may decide."""
        return list(dict.fromkeys(cell.dataset for cell in self.cells if cell.undecided))

    @property
    def together_regressions(self) -> list[TogetherReport]:
        """Boards and tasks whose cells are worse together by more than the margin."""
        return [group for group in self.together if group.regression]

    @property
    def regressed(self) -> bool:
        """Whether a gate fails: for a cell, a task or a board."""
        return bool(self.regressions or self.together_regressions)

    def to_json(self) -> str:
        """One JSON document; undefined values are null."""
        return self.model_dump_json(indent=1)


def boards(cells: Sequence[CellReport]) -> dict[str, list[CellReport]]:
    """Cells by board, in the order of their first cells."""
    return lists_by((cell.board, cell) for cell in cells)


def averages(cells: Sequence[CellReport]) -> list[BoardAverage]:
    """Averages of each board over its scenarios (NEW's, where the runs differ) and overall."""
    rows = []
    for board, members in boards([cell for cell in cells if cell.comparable]).items():
        scenarios = sorted({cell.scenario for cell in members})
        rows += [_average(board, name, [cell for cell in members if cell.scenario == name]) for name in scenarios]
        rows.append(_average(board, OVERALL, members))
    return rows


def _average(board: str, scenario: str, cells: Sequence[CellReport]) -> BoardAverage:
    rank = float(np.mean([{"better": 1.0, "worse": 2.0}.get(cell.verdict, 1.5) for cell in cells]))
    changes = [change for cell in cells if (change := relative_change(cell)) == change]
    change = float(np.mean(changes)) if changes else float("nan")
    return BoardAverage(
        board=board, scenario=scenario, cells=len(cells), base_rank=3 - rank, new_rank=rank, change=change
    )  # fmt: skip


def relative_change(cell: CellReport) -> float:
    """Percent of BASE's value by which NEW is better; `nan` where BASE's value is 0."""
    if cell.base == 0:
        return float("nan")
    return 100 * direction(cell.metric).gain(cell.base, cell.new) / abs(cell.base)
