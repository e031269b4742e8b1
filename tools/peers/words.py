"""What adapters take and give, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Input = Mapping[str, Any]
Adapter = Callable[[Input], str]


def percent(value: float) -> str:
    """Percent with one decimal; COCO's -1 and NaN stay what they are."""
    number = float(value)
    if number != number:
        return "nan"
    return "-1" if number == -1 else f"{100 * number:.1f}"


def in_words(values: Mapping[str, float]) -> str:
    """`AP 50.0, AR 100.0` of fractions."""
    return ", ".join(f"{name} {percent(value)}" for name, value in values.items())
