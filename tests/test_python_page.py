"""The page of the public functions names every function and every argument, with its default and its meaning."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import humanbench

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
FUNCTIONS = [name for name in humanbench.__all__ if callable(getattr(humanbench, name))]


def test_there_is_a_section_for_every_function() -> None:
    assert sorted(re.findall(r"^## `(\w+)`$", PAGE, re.M)) == sorted(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_in_the_table_with_its_default_and_is_explained(name: str) -> None:
    section = PAGE.partition(f"<!-- function {name} -->")[2].partition("<!-- /function -->")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    parameters = inspect.signature(getattr(humanbench, name)).parameters
    assert [row[0].strip("| `*") for row in rows] == list(parameters)
    for row, parameter in zip(rows, parameters.values(), strict=True):
        default = "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        assert row[2].strip(" |") == default
        explained = len(row) > 3 and row[3].strip(" |")
        assert explained or re.search(rf"`{parameter.name}\b", section.replace(row[0], "")), parameter.name
