"""An optimiser and a schedule of another package, in a finetuning and in a pretraining."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from humanbench.cards import load_card
from humanbench.engine.devices import accelerator_for
from humanbench.engine.finetune import Finetune
from humanbench.engine.fit import Fit
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.optim.optimisers import OPTIMISERS
from humanbench.optim.schedules import SCHEDULES
from humanbench.pretrain.recipe import load_pretrain_recipe
from humanbench.recipes import Recipe, load_recipe
from humanbench.regimes import freeze
from humanbench.results import Result
from humanbench.run_log import RunLog
from tests.engine.test_optimisation import Feed, Head
from tests.engine.toy import toy_backbone
from tests.plugged import install
from tests.pretrain.small import recipe as pretrain_recipe
from tests.pretrain.small import work, write

SIGNS = """
    import torch
    from humanbench.optim.optimisers import Optimiser
    from humanbench.optim.schedules import ScheduleShape
    from humanbench.schema import Fraction, Record

    class SignOptions(Record):
        reach: Fraction = 1.0

    class Halving(Record):
        share: Fraction

    class SignDescent(torch.optim.Optimizer):
        def __init__(self, groups, lr, reach):
            super().__init__(groups, {"lr": lr, "reach": reach})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter -= group["lr"] * group["reach"] * parameter.grad.sign()

    SIGNS = Optimiser(
        "signs", "one step against the sign", SignOptions,
        lambda groups, lr, options: SignDescent(groups, lr, options.reach), values=0,
    )
    HALVING = ScheduleShape(
        "halving", "half from a share on", Halving,
        lambda options, run: 0.5 if run.iteration >= options.share * run.total else 1.0,
    )
    CROOKED = "no optimiser"
"""
POINTS = {
    "humanbench.optimisers": {"signs": "SIGNS", "crooked": "CROOKED", "lost": "LOST"},
    "humanbench.schedules": {"halving": "HALVING"},
}
SET = {
    "optim.name": "signs", "optim.lr": 0.25, "optim.reach": 0.5, "optim.weight_decay": 0.0, "optim.layer_decay": 1.0,
    "schedule.name": "halving", "schedule.share": 0.0, "schedule.warmup": 0,
}  # fmt: skip
MOVED = 0.25 * 0.5 * 0.5
"""What a step moves a number by: peak rate, the optimiser's option, the schedule's factor; exact in binary."""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, installed for this test."""
    install(tmp_path / "site", monkeypatch, "signs_package", SIGNS, POINTS)
    yield
    sys.modules.pop("signs_package", None)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def moves(before: dict[str, Tensor], after: dict[str, Tensor]) -> Tensor:
    """How far every number was moved, the distinct values, to the precision of the numbers themselves."""
    return torch.cat([(after[name] - before[name]).abs().flatten() for name in before]).round(decimals=5).unique()


def test_a_finetuning_steps_as_the_package_says(tmp_path: Path) -> None:
    overrides = SET | {"optim.backbone_scale": 1.0, "optim.head_weight_decay": 0.0, "optim.clip": None}
    overrides |= {"train.iterations": 1, "train.accumulate": 1, "train.amp": "no"}
    recipe = load_recipe(load_card("pa100k"), "full", "mini", overrides=overrides)
    backbone, head = toy_backbone(), Head()
    model = Finetune(backbone, head, freeze(backbone, head, "full"))
    before = state(model)
    log = RunLog(None, loud=False)
    fit = Fit(accelerator_for("cpu", "no"), model, recipe, 0, Feed(4), log, tmp_path / "checkpoint.pt", "")  # type: ignore[arg-type]
    fit.run()
    assert moves(before, state(model)).tolist() == [0.0, MOVED]


def test_a_pretraining_steps_as_the_package_says(tmp_path: Path) -> None:
    chosen = pretrain_recipe(iterations=1, save_every=1, **{key.replace(".", "__"): v for key, v in SET.items()})
    made = work(chosen, write(tmp_path / "data"), tmp_path / "checkpoint.pt")
    before = state(made.network)
    made.run()
    assert moves(before, state(made.network)).tolist() == [0.0, MOVED]


def test_a_cell_runs_with_them(run: Callable[..., Result]) -> None:
    usual = run()
    result = run(set=SET)
    assert result.status == "done", result.reason
    assert result.cell.recipe_sha256 != usual.cell.recipe_sha256


def test_recipes_hold_their_options_and_nothing_else() -> None:
    """Their options are typed and hashed; with them gone, recipes are what they were."""
    card = load_card("pa100k")
    recipe = load_recipe(card, "full", "mini", overrides=SET)
    assert (recipe.optim.options.reach, recipe.schedule.options.share) == (0.5, 0.0)
    assert Recipe.model_validate(recipe.model_dump(mode="json")).sha256 == recipe.sha256
    assert recipe.sha256 != load_recipe(card, "full", "mini", overrides=SET | {"optim.reach": 0.25}).sha256
    plain = {"optim.name": "adamw", "schedule.name": "cosine"}
    assert load_recipe(card, "full", "mini", overrides=plain).sha256 == load_recipe(card, "full", "mini").sha256
    assert load_pretrain_recipe("path", "mini", overrides=SET).optim.options.reach == 0.5
    with pytest.raises(RecipeError, match=r"optim.reech: no such key; did you mean reach\?"):
        load_recipe(card, "full", "mini", overrides=SET | {"optim.reech": 0.5})
    with pytest.raises(RecipeError, match=r"--set optim.betas: signs has no such key"):
        load_recipe(card, "full", "mini", overrides=SET | {"optim.betas": [0.5, 0.5]})
    with pytest.raises(RecipeError, match=r"optim.reach: Input should be less than or equal to 1"):
        load_recipe(card, "full", "mini", overrides=SET | {"optim.reach": 2})
    with pytest.raises(RecipeError, match=r"schedule.share: Field required"):
        load_recipe(card, "full", "mini", overrides={"schedule.name": "halving"})


def test_names_are_those_that_are_installed() -> None:
    assert OPTIMISERS.names() == ("sgd", "adamw", "adafactor", "crooked", "lost", "signs")
    assert SCHEDULES["halving"].text(SCHEDULES["halving"].options(share=0.5)) == "halving"
    with pytest.raises(RecipeError, match=r"optim.name: no optimiser is called 'sings'; did you mean signs"):
        load_recipe(load_card("pa100k"), "full", overrides={"optim.name": "sings"})
    with pytest.raises(RecipeError, match=r"schedule.name: no schedule is called 'halfing'; did you mean halving\?"):
        load_pretrain_recipe("mae", overrides={"schedule.name": "halfing"})
    with pytest.raises(HumanbenchError, match=r"crooked of humanbench.optimisers .* is no Optimiser of that name"):
        OPTIMISERS["crooked"]
    with pytest.raises(HumanbenchError, match=r"lost of humanbench.optimisers \(signs_package:LOST\) cannot be loaded"):
        OPTIMISERS["lost"]


def test_a_package_cannot_take_a_name_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "other", monkeypatch, "other_signs", SIGNS, {"humanbench.optimisers": {"sgd": "SIGNS"}})
    with pytest.raises(HumanbenchError, match="other_signs:SIGNS: the name sgd is taken by humanbench's own optimiser"):
        OPTIMISERS.names()
