"""What `compare` returns: the record of a comparison, and the forms it can be had in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from humanbench.comparison.formats import (
    CELLS,
    COSTS,
    TOGETHER,
    cost_rows,
    folded_rows,
    group_head,
    group_rows,
    headline,
    junit,
    markdown,
    sides,
    together_row,
)
from humanbench.comparison.report import ComparisonRecord, boards
from humanbench.shown_tables import ShownTable, ShowsTables

if TYPE_CHECKING:
    import pandas as pd


class Comparison(ShowsTables, ComparisonRecord):
    """All cells of two runs, with their averages."""

    def to_frame(self) -> pd.DataFrame:
        """A row per cell."""
        import pandas as pd

        return pd.DataFrame([cell.model_dump() for cell in self.cells])

    def to_markdown(self) -> str:
        """Tables for a comment or a job summary."""
        return markdown(self)

    def to_junit(self) -> str:
        """JUnit XML: a test case per cell, failed where it is a regression, skipped where not comparable."""
        return junit(self)

    def _heading(self) -> str:
        base, new = sides(self)
        return f"{headline(self)} BASE {base}, NEW {new}"

    def _tables(self) -> list[ShownTable]:
        tables = []
        for board, cells in boards(self.cells).items():
            rows = [row for row, _ in folded_rows(cells)]
            tables.append(ShownTable((f"{board}: dataset", *CELLS[1:]), rows, left=2))
            together = [together_row(group) for group in self.together if group.board == board]
            if together:
                tables.append(ShownTable(TOGETHER, together, left=1))
            if costs := cost_rows(self, board):
                tables.append(ShownTable(COSTS, costs))
            for grouping in self.groups:
                if grouping.board == board:
                    tables.append(ShownTable(group_head(grouping), group_rows(grouping)))
        return tables
