"""What an object shows when it is printed, and in a notebook: a heading and a table, once as text and once as HTML."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from humanbench.names import shown

MOST = 60
"""Rows that are shown; the rest is counted."""


@dataclass(frozen=True)
class ShownTable:
    """A head and rows of plain text; `left` columns are of words, the others of numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1


class ShowsTables(ABC):
    """Prints as its heading and its tables; a notebook shows the same as HTML."""

    @abstractmethod
    def _heading(self) -> str:
        """What stands above the tables."""

    @abstractmethod
    def _tables(self) -> list[ShownTable]:
        """The tables, in their order."""

    def __repr__(self) -> str:
        return "\n".join([shown(self._heading(), 400), *map(as_text, self._tables())])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(shown(self._heading(), 400))}</p>" + "".join(map(as_html, self._tables()))


def as_text(table: ShownTable) -> str:
    """Columns side by side.

    >>> print(as_text(ShownTable(("dataset", "mAP"), [("lip", "7.5"), ("market1501", "80.0")])))
    dataset      mAP
    lip          7.5
    market1501  80.0
    """
    rows = [[shown(cell, 200) for cell in row] for row in [table.head, *table.rows[:MOST]]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, range(len(row)), strict=True)
        line = "  ".join(cell.ljust(width) if i < table.left else cell.rjust(width) for cell, width, i in cells)
        lines.append(line.rstrip())
    return "\n".join(lines + _rest(table))


def as_html(table: ShownTable) -> str:
    """The same as HTML; every text is escaped."""

    def line(tag: str, row: Sequence[str]) -> str:
        sides = ("left" if i < table.left else "right" for i in range(len(row)))
        cells = zip(row, sides, strict=True)
        texts = (f'<{tag} style="text-align:{side}">{html.escape(shown(text, 200))}</{tag}>' for text, side in cells)
        return f"<tr>{''.join(texts)}</tr>"

    rows = "".join(line("td", row) for row in table.rows[:MOST])
    rest = "".join(f"<p>{html.escape(text)}</p>" for text in _rest(table))
    return f"<table><thead>{line('th', table.head)}</thead><tbody>{rows}</tbody></table>{rest}"


def _rest(table: ShownTable) -> list[str]:
    left_out = len(table.rows) - MOST
    return [f"… and {left_out} more (to_frame() has all)"] if left_out > 0 else []
