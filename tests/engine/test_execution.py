"""Ways of computing a recipe: which of them are the recipe itself, and which a named variant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from humanbench import execution
from humanbench.cards import load_card
from humanbench.comparison.matching import ground_of, incompatible
from humanbench.comparison.report import CellReport
from humanbench.engine import devices
from humanbench.engine.devices import accelerator_for, tf32
from humanbench.errors import HumanbenchError
from humanbench.evaluation.finetuned import load_finetuned
from humanbench.evaluation.plan import Plan, plan_for
from humanbench.evaluation.request import Request
from humanbench.execution import ExecutionMode, agreeing, changes, execution_modes
from humanbench.leaderboard.model.entries import board_key
from humanbench.recipes import load_recipe
from humanbench.regimes import REGIMES
from humanbench.results import Result
from humanbench.results.shipped import same_recipe, shipped_recipes
from humanbench.tasks.registry import task_names
from tests.engine.test_eval_cli import fast
from tests.engine.toy import toy_backbone
from tools.execution_modes import agreeing_tasks, agreement, table


def test_every_mode_is_one_that_recipes_have() -> None:
    card = load_card("pa100k")
    assert set(execution_modes()) == {*execution.PRECISIONS, execution.COMPILED}
    for name, mode in execution_modes().items():
        recipe = load_recipe(card, "partial", overrides=changes((name,)))
        assert (
            recipe.model_dump()["train"].items() >= {k.removeprefix("train."): v for k, v in mode.set.items()}.items()
        )
        assert all(where.split("/")[0] in task_names() and where.split("/")[1] in REGIMES for where in mode.agrees)


def test_a_recipe_from_before_compiling_has_the_hash_that_it_had() -> None:
    recipe = load_recipe(load_card("pa100k"), "partial")
    document = recipe.model_dump(mode="json")
    del document["train"]["compile"]
    assert type(recipe).model_validate(document).sha256 == recipe.sha256
    assert load_recipe(load_card("pa100k"), "partial", overrides={"train.compile": True}).sha256 != recipe.sha256


@pytest.fixture
def agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 agrees on attributes and on nothing else."""
    modes = {name: mode.model_copy(update={"agrees": ()}) for name, mode in execution_modes().items()}
    modes["bf16"] = ExecutionMode(about="", set={"train.amp": "bf16"}, agrees=("attribute/partial", "attribute/head"))
    for module in ("humanbench.execution", "humanbench.recipes", "humanbench.evaluation.plan"):
        monkeypatch.setattr(f"{module}.execution_modes", lambda: modes)
    shipped_recipes.cache_clear()
    yield
    shipped_recipes.cache_clear()


def planned(data_root: Path, **options: Any) -> Plan:
    return plan_for(Request(toy_backbone(), data_root=data_root, suite="mini", device="cpu", **options), dry=True)


@pytest.mark.usefixtures("agrees")
def test_a_mode_that_agrees_is_the_recipe_and_another_is_a_variant(data_root: Path) -> None:
    cells = {spec.card.id: spec.recipe for spec in planned(data_root, precision="bf16").cells}
    assert {name: (r.variant, r.train.amp) for name, r in cells.items()} == {
        "market1501": ("bf16", "bf16"), "pa100k": (None, "bf16"), "peta": (None, "bf16"),
    }  # fmt: skip
    assert cells["pa100k"].sha256 in shipped_recipes("pa100k", "partial", "mini", None)
    assert cells["market1501"].sha256 not in shipped_recipes("market1501", "partial", "mini", None)
    assert cells["market1501"].sha256 in shipped_recipes("market1501", "partial", "mini", "bf16")
    plain = planned(data_root, precision="fp32").cells[0].recipe
    assert (plain.variant, plain.train.amp) == (None, "no")  # that is how the recipe is


@pytest.mark.usefixtures("agrees")
def test_on_which_board_a_result_stands(run: Callable[..., Result]) -> None:
    bf16 = run(protocol="head", precision="bf16")  # FAST changes the recipe
    assert board_key(bf16).recipe == "own"
    half = recipe_of("pa100k", {"train.amp": "bf16"})
    shipped = bf16.model_copy(update={"cell": bf16.cell.model_copy(update={"recipe_sha256": half})})
    assert (board_key(shipped).recipe, board_key(shipped).variant) == ("shipped", "")
    other = recipe_of("pa100k", {"train.compile": True})
    apart = bf16.model_copy(update={"cell": bf16.cell.model_copy(update={"recipe_sha256": other})})
    assert board_key(apart).recipe == "own"
    plain = bf16.model_copy(update={"cell": bf16.cell.model_copy(update={"recipe_sha256": recipe_of("pa100k", {})})})
    assert same_recipe(plain, shipped), "they can be compared"
    assert not same_recipe(plain, apart)
    assert not same_recipe(plain, bf16)
    for result in (shipped, apart, bf16):  # a board and its comparisons go by one rule
        assert (ground_of(plain) == ground_of(result)) == (not any(incompatible(plain, result)))


def recipe_of(dataset: str, overrides: dict[str, Any]) -> str:
    return load_recipe(load_card(dataset), "head", "mini", None, overrides).sha256


def test_combinations_with_compile_agree_where_both_do(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = {
        "bf16": ExecutionMode(about="", set={"train.amp": "bf16"}, agrees=("reid/head", "pose/head")),
        "compile": ExecutionMode(about="", set={"train.compile": True}, agrees=("pose/head",)),
    }
    monkeypatch.setattr(execution, "execution_modes", lambda: modes)
    assert agreeing("reid", "head") == [{"train.amp": "bf16"}]
    assert agreeing("pose", "head")[-1] == {"train.amp": "bf16", "train.compile": True}
    assert len(agreeing("pose", "head")) == 3
    assert agreeing("pose", "full") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--precision", "bf61"), "did you mean bf16"),
        (("--precision", "bf16", "--set", "train.amp=no"), "is what --precision and --compile say"),
        (("--precision", "tf32", "--device", "cpu"), "train.amp=tf32 needs a GPU"),
    ],
)
def test_mistakes(options: tuple[str, ...], message: str, data_root: Path, tmp_path: Path) -> None:
    result = fast("--datasets", "pa100k", *options, data_root=data_root, out=tmp_path / "run")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_compiling_needs_a_compiler(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(HumanbenchError, match="needs a C\\+\\+ compiler"):
        planned(data_root, datasets="pa100k", compile=True)
    devices.accelerator_for("cpu", "no")


def test_a_compiled_backbone_computes_all_of_it_and_the_weights_keep_their_names(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In place of torch's compiler, which takes a minute, something that counts what it would have compiled."""
    calls: dict[str, int] = {}

    def counting(function: Any) -> Any:
        def compiled(*args: Any) -> Any:
            calls[function.__name__] = calls.get(function.__name__, 0) + 1
            return function(*args)

        return compiled

    monkeypatch.setattr(torch, "compile", counting)
    plain = run(protocol="head", out=tmp_path / "plain", cache=False)
    assert calls == {}
    other = run(protocol="head", out=tmp_path / "compiled", compile=True, cache=False)
    batches = 3 * 3 + 2  # 24 pictures in batches of 8, three epochs; 12 test pictures
    assert calls == {"forward_prefix": batches, "forward_suffix": batches}
    assert other.cell.id != plain.cell.id
    assert {n: m.value for n, m in other.metrics.items()} == pytest.approx(
        {n: m.value for n, m in plain.metrics.items()}, nan_ok=True
    )
    load_finetuned(tmp_path / "compiled", "pa100k", backbone=toy_backbone())


def test_tf32_is_off_unless_it_is_asked_for() -> None:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True  # as torch has it
    with tf32(False):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32
    with tf32(True):
        assert torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = before
    assert accelerator_for("cpu", "tf32").mixed_precision == "no"


def test_a_cell_is_computed_without_tf32(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    from humanbench.engine import cell

    seen: list[bool] = []
    fit = cell._fit

    def watched(*args: Any) -> Any:
        seen.append(torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32)
        return fit(*args)

    monkeypatch.setattr(cell, "_fit", watched)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    run(protocol="head")
    assert seen == [False]


def compared(**changed: Any) -> CellReport:
    fields = {
        "dataset": "pa100k", "task": "attribute", "scenario": "in-dataset", "suite": "mini", "regime": "partial",
        "variant": None, "subset": None, "synthetic": True, "metric": "mA", "verdict": "no difference", "base": 70.0,
        "new": 70.3, "base_seeds": 3, "new_seeds": 3, "seed_sd": 0.5,
    }  # fmt: skip
    return CellReport(**(fields | changed))


@pytest.mark.parametrize(
    ("changed", "agrees"),
    [
        ({}, True),
        ({"new": 69.4}, False),  # more than a seed does, though nothing can be told apart
        ({"verdict": "worse"}, False),
        ({"new_seeds": 2}, False),
    ],
)
def test_a_mode_agrees_where_it_does_less_than_another_seed(changed: dict[str, Any], agrees: bool) -> None:
    row = agreement(compared(**changed))
    assert row.agrees is agrees
    assert agreeing_tasks([row]) == ["attribute/partial"] * agrees
    assert agreeing_tasks([row, agreement(compared(verdict="better"))]) == []
    assert ("yes" if agrees else "no") in table([row])
