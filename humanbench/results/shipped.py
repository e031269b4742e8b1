"""Whether a result was made by a recipe as this version ships it, computed in whatever way that agrees with it."""

from __future__ import annotations

from functools import lru_cache

from humanbench.cards import find_card
from humanbench.errors import HumanbenchError
from humanbench.execution import agreeing
from humanbench.recipes import load_recipe
from humanbench.regimes import REGIMES
from humanbench.results.record import Result
from humanbench.suites import SUITES


@lru_cache(maxsize=1024)
def shipped_recipes(dataset: str, regime: str, suite: str, variant: str | None) -> frozenset[str]:
    """Hashes of this version's recipe in all ways of computing it that agree; none where there is no such recipe."""
    kind = next((s for s in SUITES if s == suite), None)
    card = find_card(dataset)
    if regime not in REGIMES or kind is None or card is None:
        return frozenset()
    try:
        ways = [{}, *agreeing(card.task, regime)]
        return frozenset(load_recipe(card, regime, kind, variant, way).sha256 for way in ways)
    except HumanbenchError:
        return frozenset()


def recipe_mark(result: Result) -> str:
    """What results of one dataset, regime, suite and variant share where they are by one recipe, computed in ways that
    agree; no others share it."""
    known = shipped_recipes(result.dataset, result.regime, result.suite, result.variant)
    return min(known) if result.cell.recipe_sha256 in known else result.cell.recipe_sha256


def same_recipe(a: Result, b: Result) -> bool:
    """Whether two results of one dataset, regime, suite and variant are by one recipe, computed in ways that agree."""
    return recipe_mark(a) == recipe_mark(b)
