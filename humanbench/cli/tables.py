"""Tables that verbs print, all alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from humanbench.results.cells import CellNumber

WIDTH = 120
"""Columns of a table that goes to a file or a log."""


def plain_table(words: Sequence[str], numbers: Sequence[str] = (), title: str | None = None) -> Table:
    """A table without rows and lines: columns of words, then columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for column in words:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def wide_console(width: int = WIDTH, highlight: bool = True) -> Console:
    """Stdout, `width` columns wide where it is no terminal."""
    console = Console(highlight=highlight)
    if not console.is_terminal:
        console.width = width
    return console


def value_and_interval(number: CellNumber | None) -> tuple[str, str]:
    """The number of a cell in two columns; None where the cell failed."""
    from humanbench.results.cells import interval_text

    return (f"{number.value:.2f}", interval_text(number)) if number else ("failed", "")
