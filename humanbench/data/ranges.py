"""What checks of labels share."""

from __future__ import annotations

from typing import Any

import numpy as np

from humanbench.data import Table

UNKNOWN = -1
"""The label of what nobody knows."""


def first(table: Table, bad: Any) -> Any:
    """The id of the first row for which `bad` holds."""
    return table["id"].iloc[int(np.argmax(np.asarray(bad)))]
