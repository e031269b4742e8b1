"""Settings of `--set`: overrides of recipes, and where datasets lie."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from humanbench.data_root import PLACE, places
from humanbench.recipes import parse_override

PathLike = str | os.PathLike[str]
Overrides = Mapping[str, Any] | Sequence[str]
"""Keys with values, or texts `KEY=VALUE`."""


def parsed(given: Overrides | None) -> dict[str, Any]:
    """Settings as keys with typed values."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    return dict(parse_override(text) for text in given)


def divided(given: Overrides | None) -> tuple[dict[str, Any], dict[str, Path]]:
    """Overrides of recipes, and the folders of datasets that lie in places of their own."""
    settings = parsed(given)
    where = {key: value for key, value in settings.items() if key.startswith(PLACE)}
    return {key: value for key, value in settings.items() if key not in where}, places(where)


def relocated(given: Overrides | None, where: Mapping[str, str]) -> Overrides:
    """Settings with these of where datasets lie, and no others of that kind."""
    if isinstance(given, Mapping):
        return {key: value for key, value in given.items() if not key.startswith(PLACE)} | dict(where)
    others = [text for text in given or () if not text.startswith(PLACE)]
    return [*others, *(f"{key}={value}" for key, value in where.items())]
