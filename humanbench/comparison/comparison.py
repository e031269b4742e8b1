"""What `compare` returns: the record of a comparison, and the forms it can be had in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from humanbench.comparison import formats
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
        return formats.markdown(self)

    def to_junit(self) -> str:
        """JUnit XML: a test case per cell, failed where it is a regression, skipped where not comparable."""
        return formats.junit(self)

    def _heading(self) -> str:
        base, new = formats.sides(self)
        return f"{formats.headline(self)} BASE {base}, NEW {new}"

    def _tables(self) -> list[ShownTable]:
        tables = []
        for board, cells in boards(self.cells).items():
            rows = [row for row, _ in formats.folded_rows(cells)]
            tables.append(ShownTable((f"{board}: dataset", *formats.CELLS[1:]), rows, left=2))
            together = [formats.together_row(group) for group in self.together if group.board == board]
            if together:
                tables.append(ShownTable(formats.TOGETHER, together, left=1))
            if costs := formats.cost_rows(self, board):
                tables.append(ShownTable(formats.COSTS, costs))
            for grouping in self.groups:
                if grouping.board == board:
                    tables.append(ShownTable(formats.group_head(grouping), formats.group_rows(grouping)))
        return tables
