"""Parts of a fit: schedules, optimisers, averaging, accumulation, frozen modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from humanbench.cards import load_card
from humanbench.engine.finetune import EmaWeights, Finetune, trainable_state_dict
from humanbench.engine.fit import length
from humanbench.optim.optimisers import build_optimiser
from humanbench.optim.schedules import rate
from humanbench.recipes import Optim, Schedule, load_recipe
from humanbench.regimes import freeze
from humanbench.results import Result
from tests.engine.toy import toy_backbone


def test_rates_of_the_released_schedules() -> None:
    # PA-100K full: 1e-4 -> 1e-2 over 500 iterations, x0.1 at 31640 and 40077 of 42187.
    step = Schedule(name="step", warmup=500, start=0.01, milestones=(31640 / 42187, 40077 / 42187), gamma=0.1)
    rates = [rate(step, i, 42187) for i in (0, 250, 500, 31639, 31640, 40076, 40077, 42186)]
    assert rates == pytest.approx([0.01, 0.505, 1, 1, 0.1, 0.1, 0.01, 0.01])
    # CrowdHuman: cosine to 1e-3 of the peak; the middle of the cosine is the mean of both ends.
    cosine = Schedule(name="cosine", warmup=500, end=1e-3)
    assert rate(cosine, 500, 46875) == 1
    assert rate(cosine, 500 + (46875 - 500) // 2, 46875) == pytest.approx(0.5005, abs=1e-4)
    assert rate(cosine, 46874, 46875) == pytest.approx(1e-3, abs=1e-6)
    assert {rate(Schedule(name="constant"), i, 9) for i in range(9)} == {1.0}


def test_a_short_run_warms_up_over_half_of_it_and_reaches_the_peak() -> None:
    """500 iterations of warm-up in a run of 4 are 2: 0 / 2, 1 / 2, then the peak."""
    assert [rate(Schedule(name="constant", warmup=500), i, 4) for i in range(4)] == [0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("name", ["sgd", "adamw", "adafactor"])
def test_optimisers_keep_their_groups_rates(name: str) -> None:
    parameters = [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    groups = [
        {"params": [p], "lr": lr, "weight_decay": decay}
        for p, lr, decay in zip(parameters, (0.1, 0.2), (0.0, 0.5), strict=True)
    ]
    optimiser = build_optimiser(Optim.model_validate({"name": name, "lr": 1.0, "weight_decay": 9.0}), groups)
    assert [(g["lr"], g["weight_decay"]) for g in optimiser.param_groups] == [(0.1, 0.0), (0.2, 0.5)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sgd", {"momentum": 0.7, "nesterov": False, "dampening": 0}),
        ("adamw", {"betas": (0.6, 0.8)}),
        ("adafactor", {"beta1": 0.6, "clip_beta2": 0.8, "clip_threshold": 1.0}),
    ],
)
def test_optimisers_take_momentum_and_betas_of_the_recipe(name: str, expected: dict[str, Any]) -> None:
    """SGD takes the momentum, plain; AdamW both betas; Adafactor the first, and the second as the cap of its own."""
    recipe = {"name": name, "lr": 1.0, "weight_decay": 0.0, "momentum": 0.7, "betas": [0.6, 0.8]}
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": 1.0, "weight_decay": 0.0}]
    (group,) = build_optimiser(Optim.model_validate(recipe), groups).param_groups
    assert {key: group[key] for key in expected} == expected


def test_length_counts_optimiser_steps() -> None:
    recipe = load_recipe(load_card("pa100k"), "full")  # 42187 iterations
    assert length(recipe, batches=100) == (422, 42187)
    halved = recipe.model_copy(update={"train": recipe.train.model_copy(update={"accumulate": 2})})
    assert length(halved, batches=101) == (828, 42187)
    epochs = recipe.model_copy(
        update={"train": recipe.train.model_copy(update={"iterations": None, "epochs": 3, "accumulate": 2})}
    )
    assert length(epochs, batches=101) == (3, 153)


def finetune(regime: str) -> Finetune:
    backbone, head = toy_backbone(), torch.nn.Sequential(torch.nn.Linear(16, 2), torch.nn.BatchNorm1d(2))
    return Finetune(backbone, head, freeze(backbone, head, regime))


@pytest.mark.parametrize(("regime", "split_index"), [("full", 0), ("partial", 2), ("head", 5), ("none", 5)])
def test_the_frozen_trunk_is_in_evaluation_mode_and_outside_autograd(regime: str, split_index: int) -> None:
    model = finetune(regime)
    model.backbone.set_drop_path(0.5)
    model.train()
    assert model.split_index == split_index  # groups: embeddings, three blocks, norm
    for index, group in enumerate(model.backbone.layer_groups):
        modes = {m.training for n, m in model.backbone.named_modules() if group.holds(n)}
        assert modes <= {index >= split_index}
    assert model.head.training == (regime != "none")
    images = torch.randn(2, 3, 32, 32)
    assert all(not t.requires_grad for t in model.trunk(images))
    assert torch.equal(model.trunk(images)[0], model.trunk(images)[0])


def test_trainable_state_is_what_trains_and_all_buffers() -> None:
    names = set(trainable_state_dict(finetune("head")))
    assert names == {f"head.{n}" for n in ("0.weight", "0.bias", "1.weight", "1.bias")} | {
        f"head.1.{n}" for n in ("running_mean", "running_var", "num_batches_tracked")
    }


def test_averaged_weights_by_hand() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = EmaWeights(model, decay=0.9)
    model.weight.data.fill_(1.0)
    average.update(model, iteration=1)  # decay min(0.9, 2/11): 0 -> 9/11
    assert float(average.values["weight"]) == pytest.approx(9 / 11)
    model.weight.data.fill_(2.0)
    average.update(model, iteration=1000)  # decay 0.9: 9/11 -> 0.9 * 9/11 + 0.1 * 2
    assert float(average.values["weight"]) == pytest.approx(0.9 * 9 / 11 + 0.2)


def test_running_statistics_are_not_averaged() -> None:
    """The mean of a batch norm is taken as it is, its weight with decay 0.9: 0.9 x 1 + 0.1 x 3."""
    model = torch.nn.BatchNorm1d(1)
    average = EmaWeights(model, decay=0.9)
    model.running_mean.fill_(8.0)  # type: ignore[union-attr]
    model.weight.data.fill_(3.0)
    average.update(model, iteration=1000)
    assert float(average.values["running_mean"]) == 8.0
    assert float(average.values["weight"]) == pytest.approx(1.2)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(run: Callable[..., Result]) -> None:
    first = run(out="a")
    again = run(out="b")
    other = run(out="c", seed=1)
    assert first.history == again.history
    assert first.provenance.predictions_sha256 == again.provenance.predictions_sha256
    assert first.history != other.history


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_accumulated_batches_make_one_step(run: Callable[..., Result]) -> None:
    # pa100k's copy has 24 training images: 3 batches of 8 an epoch, so 2 steps with accumulation, 3 without.
    assert run(set={"train.accumulate": 2}).iterations == 6
    assert run(set={"train.accumulate": 1}).iterations == 9


@pytest.mark.parametrize("extra", [{"train.ema": 0.9}, {"optim.name": "adafactor"}, {"optim.clip": 0.1}])
def test_recipes_with_averaging_adafactor_and_clipping_differ_from_without(
    run: Callable[..., Result], extra: dict[str, object]
) -> None:
    plain, changed = run(), run(set=extra)
    assert changed.status == "done"
    assert plain.provenance.predictions_sha256 != changed.provenance.predictions_sha256
    assert plain.cell.id != changed.cell.id


def test_half_precision_on_the_cpu_comes_near(run: Callable[..., Result]) -> None:
    plain, half = run(set={"train.views": 1}), run(set={"train.amp": "bf16", "train.views": 1})
    assert half.status == "done", half.reason
    assert half.history[-1]["loss"] == pytest.approx(plain.history[-1]["loss"], rel=0.05)
    assert half.history != plain.history


def test_a_run_of_iterations_stops_in_the_middle_of_an_epoch(run: Callable[..., Result]) -> None:
    result = run(set={"train.iterations": 4})
    assert (result.iterations, result.epochs) == (4, 2)


def test_final_weights_are_those_of_what_trains(run: Callable[..., Result], tmp_path) -> None:
    run("pa100k", "head")
    (path,) = (tmp_path / "run" / "weights").glob("*.safetensors")
    assert all(name.startswith("head.") for name in load_file(path))
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))
