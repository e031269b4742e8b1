"""Boards as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable

from humanbench.comparison.formats import escaped, rows_of
from humanbench.export.boards import PaperTable, boards, cell_texts, shows_interval, text_value
from humanbench.results.cells import CellNumber
from humanbench.results.stored import StoredResult
from humanbench.tasks.registry import task_named


def markdown(entries: Iterable[StoredResult]) -> str:
    """A heading per board, a table per block; the best of a column is bold."""
    return "\n\n".join(_board(board) for board in boards(entries)) + "\n"


def _board(board: PaperTable) -> str:
    parts = [f"### {escaped(board.title)}"]
    for block in board.blocks:
        tasks = dict.fromkeys(column.card.task for column in block)
        head = ["backbone", "protocol", *(escaped(f"{c.name} ({c.metric} {c.way.arrow})") for c in block)]
        rows = [
            [escaped(row.backbone), escaped(row.regime), *cell_texts(board, row, block, "–", _text)]
            for row in board.rows
        ]
        parts.append(f"**{', '.join(task_named(task).title for task in tasks)}**")
        parts.append(rows_of(head, rows, "ll" + "r" * len(block)))
    if board.several_seeds:
        parts.append("Values with ± are the mean over training seeds and half of its 95 % interval.")
    return "\n\n".join(parts)


def _text(number: CellNumber, best: bool) -> str:
    text = f"{text_value(number):.1f}" + (f" ± {number.half:.1f}" if shows_interval(number) else "")
    return f"**{text}**" if best else text
