"""Numeric fields of loaded MATLAB files and pickles, checked for presence and shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from humanbench.arrays import real_numbers
from humanbench.cards import DatasetCard
from humanbench.errors import DataError


def field(
    card: DatasetCard, path: Path, content: Mapping[str, Any], name: str, shape: tuple[int | None, ...]
) -> NDArray[np.float64]:
    """`content[name]` as float64 of the given shape (None: any length); a `DataError` naming the file otherwise."""
    if name not in content:
        raise DataError(f"{card.id}: {path} holds no {name!r}; it has {', '.join(map(str, content)) or 'nothing'}")
    return array(card, path, content[name], name, shape)


def array(card: DatasetCard, path: Path, value: Any, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """`value` as float64 of the given shape (None: any length); a `DataError` naming file and field otherwise."""
    try:
        numbers = real_numbers(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{card.id}: {path}: {name!r} is not an array of numbers ({error})") from error
    if numbers.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, numbers.shape, strict=True)):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        raise DataError(f"{card.id}: {path}: {name!r} has the shape {numbers.shape}, expected {wanted}")
    return numbers
