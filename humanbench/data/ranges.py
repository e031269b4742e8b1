"""What checks of labels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = -1
"""The label of what nobody knows."""


def first(table: pd.DataFrame, bad: Any) -> Any:
    """The id of the first row for which `bad` holds."""
    return table["id"].iloc[int(np.argmax(np.asarray(bad)))]
