"""From a card to a table of samples: readers, their checks, and pictures of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Table: TypeAlias = "pd.DataFrame"
"""A sample table, for annotations: modules that only speak of tables do not load pandas."""
