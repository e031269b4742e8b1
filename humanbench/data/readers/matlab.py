"""Getting at values inside the nested arrays that `scipy.io.loadmat` makes of MATLAB cells and structs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from humanbench.data.boxes import object_column


def peel(value: Any) -> Any:
    """Take off wrappers that hold exactly one thing: 1 x 1 cells and structs, one-string arrays.

    The result is a struct record (`numpy.void`), a string, or an array that is not just a wrapper.

    >>> peel(np.array([[np.array(["a.jpg"])]], dtype=object))
    'a.jpg'
    """
    while isinstance(value, np.ndarray) and value.size == 1 and (value.dtype.kind in "OUV"):
        value = value.reshape(-1)[0]
    return str(value) if isinstance(value, str) else value


def texts(cells: Any) -> list[str]:
    """The strings of a cell array, in MATLAB's column order; raises ValueError for anything else in a cell."""
    flat = np.asarray(cells).ravel(order="F")
    strings = [peel(cell) for cell in flat]
    for text in strings:
        if not isinstance(text, str):
            raise ValueError(f"a cell holds {type(text).__name__}, not text")
    return strings


def numbers(value: Any) -> NDArray[np.int64]:
    """A numeric MATLAB vector as int64; raises ValueError for anything that is not whole numbers."""
    flat = np.asarray(peel(value)).ravel()
    if flat.dtype.kind not in "iufb" or (flat.dtype.kind == "f" and not np.all(flat == np.floor(flat))):
        raise ValueError("a vector of whole numbers was expected")
    return flat.astype(np.int64)


def cells(values: Any) -> NDArray[np.object_]:
    """A MATLAB cell column (n x 1) of these values, for `scipy.io.savemat`; its transpose is a row."""
    return object_column(values).reshape(-1, 1)
