"""Recipes as they ship are ones that their tasks understand."""

from __future__ import annotations

import pytest

from humanbench.cards import evaluated, load_card
from humanbench.recipes import load_recipe
from humanbench.regimes import REGIMES
from humanbench.suites import SUITES
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import training_of


@pytest.mark.parametrize("name", [card.id for card in evaluated()])
def test_recipes_of_all_regimes_are_understood(name: str) -> None:
    card = load_card(name)
    for regime in REGIMES:
        for suite in SUITES:
            if regime.suits(task_for(card)):
                training_of(card).check(load_recipe(card, regime.name, suite))
