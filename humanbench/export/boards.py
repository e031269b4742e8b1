"""Results laid out as the paper's table 3: a row per backbone and regime, columns in two blocks of tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench.benchmark import benchmark
from humanbench.cards import DatasetCard, load_card
from humanbench.errors import HumanbenchError
from humanbench.metrics.directions import Direction, direction
from humanbench.names import shown
from humanbench.regimes import REGIMES
from humanbench.results.cells import CellNumber, CellRuns, grouped, lists_by, numbers_of
from humanbench.results.columns import benchmark_columns, short_name
from humanbench.results.stored import StoredResult
from humanbench.tasks.registry import task_names


@dataclass(frozen=True)
class PaperRow:
    """Numbers of one backbone in one regime, by dataset; None for a cell that failed."""

    backbone: str
    regime: str
    numbers: dict[str, CellNumber | None]


@dataclass(frozen=True)
class PaperColumn:
    """A dataset with its main metric."""

    card: DatasetCard
    metric: str

    @property
    def name(self) -> str:
        return short_name(self.card)

    @property
    def way(self) -> Direction:
        return direction(self.metric)


@dataclass(frozen=True)
class PaperTable:
    """Rows whose numbers may stand in one table, and the columns of each block that has any."""

    suite: str
    synthetic: bool
    copy: str
    subset: str
    condition: str
    rows: tuple[PaperRow, ...]
    blocks: tuple[tuple[PaperColumn, ...], ...]

    @property
    def title(self) -> str:
        """Suite and what a reader must know of the numbers."""
        words = [self.suite] + ["synthetic data"] * self.synthetic + [shown(self.copy)] * bool(self.copy)
        words += [f"subset {shown(self.subset)}"] * bool(self.subset)
        return ", ".join(words + [self.condition] * bool(self.condition))

    def best(self, column: PaperColumn) -> float | None:
        """The best value as shown, where there are several to choose from that are not all equal."""
        values = [text_value(n) for row in self.rows if (n := row.numbers.get(column.card.id)) is not None]
        return (max if column.way.higher_is_better else min)(values) if len(set(values)) > 1 else None

    @property
    def several_seeds(self) -> bool:
        return any(n is not None and n.seeds > 1 for row in self.rows for n in row.numbers.values())


def text_value(number: CellNumber) -> float:
    """The value to the one decimal that the paper gives."""
    return round(number.value, 1)


def shows_interval(number: CellNumber) -> bool:
    """Whether half of the interval stands behind the value: where it is a mean over several trainings."""
    return number.seeds > 1 and math.isfinite(number.half)


def cell_texts(
    board: PaperTable,
    row: PaperRow,
    block: Sequence[PaperColumn],
    missing: str,
    text: Callable[[CellNumber, bool], str],
) -> Iterator[str]:
    """The cells of a row in a block: `missing` where nothing was run, else what `text` makes of the number and whether
    it is the best one."""
    for column in block:
        if column.card.id not in row.numbers:
            yield missing
        elif (number := row.numbers[column.card.id]) is None:
            yield "failed"
        else:
            yield text(number, text_value(number) == board.best(column))


def boards(entries: Iterable[StoredResult]) -> list[PaperTable]:
    """One board per suite, subset, condition, and real data or one kind of procedural copies.

    Raises `HumanbenchError` where two results of a cell differ in more than their seed.
    """
    listed = [(entry.result, entry) for entry in entries]
    groups = lists_by(((r.suite, r.synthetic, r.other_copy, r.subset or "", r.condition), e) for r, e in listed)
    return [_board(*key, members) for key, members in sorted(groups.items())]


def cells_by_row(entries: Iterable[StoredResult]) -> dict[tuple[str, str], list[CellRuns]]:
    """Cells over seeds by backbone and regime as they are called in tables, each cell checked."""
    listed = [(entry.result, entry) for entry in entries]
    groups = lists_by(
        ((r.backbone, r.checkpoint or "", r.cell.weights_sha256, r.regime, r.variant or ""), e) for r, e in listed
    )
    names = {key: shown(key[0]) for key in groups}
    if len({(names[key], *key[3:]) for key in groups}) < len(groups):
        names = {key: _precise(key) for key in groups}
    rows = {}
    for key, members in groups.items():
        variant = f", {shown(key[4])}" if key[4] else ""
        label = (names[key], (REGIMES[key[3]].title if key[3] in REGIMES else shown(key[3])) + variant)
        rows[label] = list(grouped(members).values())
        for cell in rows[label]:
            if cell.problem and not cell.failed:
                raise HumanbenchError(f"{cell.first.folder} {cell.problem} ({cell.key.dataset}, {cell.key.regime})")
    return rows


def _precise(key: tuple[str, str, str, str, str]) -> str:
    """A name for weights of which several share the backbone's: with the checkpoint's and the hash's beginning."""
    checkpoint = f"{shown(Path(key[1]).name)}, " if key[1] else ""
    return f"{shown(key[0])} ({checkpoint}{key[2][:8]})"


def _board(
    suite: str, synthetic: bool, copy: str, subset: str, condition: str, entries: Sequence[StoredResult]
) -> PaperTable:
    rows = []
    for (backbone, regime), cells in cells_by_row(entries).items():
        numbers = {key.dataset: number for key, number in numbers_of(cells).items()}
        rows.append(PaperRow(backbone, regime, numbers))
    metrics = {e.result.dataset: e.result.main for e in entries if e.result.main}
    failed = [load_card(e.result.dataset) for e in entries if e.result.dataset not in metrics]
    metrics |= {card.id: card.evaluation.main for card in failed if card.evaluation}
    order = [*benchmark_columns(), *sorted(metrics)]
    cards = [load_card(name) for name in dict.fromkeys(order) if name in metrics]
    blocks = (
        tuple(PaperColumn(card, metrics[card.id]) for task in tasks for card in cards if card.task == task)
        for tasks in halves()
    )
    return PaperTable(suite, synthetic, copy, subset, condition, tuple(rows), tuple(block for block in blocks if block))


def halves() -> list[list[str]]:
    """Tasks of the upper and the lower half, in the paper's order; those that it has not at the end."""
    *upper, last = benchmark()["table"]
    known = {task for tasks in (*upper, last) for task in tasks}
    return [*upper, [*last, *(task for task in task_names() if task not in known)]]
