"""What `compare` returns: the record of a comparison, and the forms it can be had in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from humanbench.comparison.formats import junit, markdown
from humanbench.comparison.report import ComparisonRecord

if TYPE_CHECKING:
    import pandas as pd


class Comparison(ComparisonRecord):
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
