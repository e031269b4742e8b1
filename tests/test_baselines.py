"""Results that come with the package: of which suite, recipes and weights they are, what they are compared with."""

from __future__ import annotations

import pytest

import humanbench
from humanbench.cards import evaluated, load_card
from humanbench.data.mannequin.suite import VERSION
from humanbench.paths import shipped
from humanbench.recipes import load_recipe
from humanbench.results import load_results

TODAYS = [(name, regime) for name in ("mini_pyramid_random", "mini_pyramid_path") for regime in ("head", "partial")]


@pytest.mark.parametrize(("backbone", "regime"), [*TODAYS, ("mini_pyramid_mae", "head")])
def test_shipped_baselines_are_of_todays_suite_recipes_and_weights(backbone: str, regime: str) -> None:
    """All 19 datasets with three seeds; what they are of is what `eval` would compute now."""
    results = load_results(shipped("baselines") / "results" / f"{backbone}-{regime}")
    assert {(r.dataset, r.seed) for r in results} == {(card.id, seed) for card in evaluated() for seed in range(3)}
    weights = humanbench.load_backbone(backbone).weights_sha256
    for result in results:
        assert (result.synthetic, result.suite, result.regime, result.status) == (True, "mini", regime, "done")
        assert result.copy_of_data == f"mini-{VERSION}"
        assert result.cell.weights_sha256 == weights
        assert result.cell.recipe_sha256 == load_recipe(load_card(result.dataset), regime, "mini").sha256
    report = humanbench.compare(f"{backbone}-{regime}", f"{backbone}-{regime}")
    assert {cell.verdict for cell in report.cells} == {"no difference"}


@pytest.mark.parametrize("backbone", ["mini_random", "mini_mae", "mini_path"])
def test_baselines_of_the_first_suite_stay_readable_and_are_compared_among_themselves(backbone: str) -> None:
    results = load_results(shipped("baselines") / "results" / f"{backbone}-head")
    assert {(r.dataset, r.seed) for r in results} == {(card.id, seed) for card in evaluated() for seed in range(3)}
    assert {(r.copy_of_data, r.cell.weights_sha256) for r in results} == {
        ("mini-1", humanbench.load_backbone(backbone).weights_sha256)
    }
    assert {cell.verdict for cell in humanbench.compare("mini_random-head", f"{backbone}-head").cells} <= {
        "better", "worse", "no difference",
    }  # fmt: skip
    with_todays = humanbench.compare(f"{backbone}-head", "mini_pyramid_path-head").cells
    assert {cell.verdict for cell in with_todays} == {"not comparable"}
    assert all("different procedural copies (mini-1 against mini-2)" in cell.problem for cell in with_todays)
