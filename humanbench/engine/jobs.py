"""What there is to do: a dataset, its recipe and a seed, before any data is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from humanbench.cards import DatasetCard
from humanbench.errors import HumanbenchError
from humanbench.recipes import Recipe, load_recipe
from humanbench.suites import Suite


@dataclass(frozen=True)
class Job:
    """One cell to compute. `name` tells it from the others of a run."""

    card: DatasetCard
    recipe: Recipe
    seed: int

    @property
    def name(self) -> str:
        variant = f"-{self.recipe.variant}" if self.recipe.variant else ""
        return f"{self.card.id}-{self.recipe.regime}{variant}-s{self.seed}"


def jobs_for(
    cards: Iterable[DatasetCard],
    regime: str,
    suite: Suite,
    variant: str | None,
    overrides: Mapping[str, Any],
    seeds: Sequence[int],
    own: Callable[[DatasetCard], Mapping[str, Any]] = lambda card: {},
) -> list[Job]:
    """All jobs, dataset by dataset; `own` gives overrides of a dataset, below the others.

    Raises `RecipeError` when any recipe, variant or override does not fit.
    """
    from humanbench.tasks.training import model_for

    jobs = []
    for card in cards:
        recipe = load_recipe(card, regime, suite, variant, {**own(card), **overrides})
        model_for(card).check(recipe)
        jobs += [Job(card, recipe, seed) for seed in seeds]
    return jobs


def shard(jobs: Sequence[Job], text: str) -> list[Job]:
    """The i-th of n parts, `i/n` counted from 1, taken in turn so that parts take about as long.

    Raises `HumanbenchError` for anything else.
    """
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise HumanbenchError(f"--shard {text}: give i/n with 1 <= i <= n, like 2/8")
    return list(jobs[int(first) - 1 :: int(second)])
