"""Ways of computing the same recipe: precision, and compiled networks. Which of them count as the recipe itself.

`protocols/execution.toml` names them, and the tasks and regimes in which each was measured to change numbers no more
than another seed does. There a mode is the shipped recipe computed in another way, and stands on the main board;
elsewhere it is a named variant. docs/execution.md says how that is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any

from humanbench.documents import from_toml
from humanbench.paths import shipped
from humanbench.schema import Record


class ExecutionMode(Record):
    """What a mode sets in a recipe, and where its numbers agree with those of the recipe as shipped: `task/regime`."""

    about: str
    set: dict[str, Any]
    agrees: tuple[str, ...] = ()

    def agrees_on(self, task: str, regime: str) -> bool:
        """Whether results of it stand beside the recipe's."""
        return f"{task}/{regime}" in self.agrees


PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
"""The modes of which a cell has one."""

COMPILED = "compile"


@lru_cache(maxsize=1)
def execution_modes() -> Mapping[str, ExecutionMode]:
    """All modes by name."""
    tables = from_toml((shipped("protocols") / "execution.toml").read_text(encoding="utf-8"))
    return {name: ExecutionMode.model_validate(table) for name, table in tables.items()}


def asked_modes(precision: str | None, compiled: bool) -> tuple[str, ...]:
    """The modes of `--precision` and `--compile`."""
    return tuple(name for name in (precision, COMPILED if compiled else None) if name is not None)


def changes(names: tuple[str, ...]) -> dict[str, Any]:
    """What these modes set in a recipe, as overrides."""
    return {key: value for name in names for key, value in execution_modes()[name].set.items()}


def agreeing(task: str, regime: str) -> list[dict[str, Any]]:
    """Overrides of every combination of modes that agree on a task in a regime."""
    known = [name for name, mode in execution_modes().items() if mode.agrees_on(task, regime)]
    pairs = [pair for pair in combinations(known, 2) if COMPILED in pair]
    return [changes(names) for names in [*((name,) for name in known), *pairs]]
