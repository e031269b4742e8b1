"""A regime of another package, from its entry point to the board: nothing of the product knows its name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import humanbench
from humanbench.cli import main
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.export import export
from humanbench.leaderboard.submissions.store import load_store
from humanbench.recipes import load_recipe
from humanbench.regimes import REGIMES, Regime, freeze
from tests.engine.toy import FAST, toy_backbone, write_datasets
from tests.plugged import install

BITFIT = """
    from humanbench.regimes import Regime
    from humanbench.regimes.parameters import is_norm

    def opens(name, parameter, owner, freezing):
        return name.endswith(".bias") or is_norm(owner)

    BITFIT = Regime(
        "bitfit", title="bias finetuning", short="biases", about="biases and norms of the whole backbone, and the head",
        opens=opens, for_task=lambda task: not task.answers_headless, otherwise="has too few biases",
    )
"""
ARCHITECTURE = {"embed_dim": 16, "depth": 3, "num_heads": 2, "patch_size": 16, "img_size": 32}


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, installed for this test, and a cache of its own."""
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    install(tmp_path / "site", monkeypatch, "bitfit_package", BITFIT, {"humanbench.regimes": {"bitfit": "BITFIT"}})
    yield
    sys.modules.pop("bitfit_package", None)


def said(*words: object) -> str:
    """What a command says, which must succeed."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_it_stands_behind_ours() -> None:
    assert REGIMES.names() == ("full", "partial", "lora", "head", "none", "bitfit")
    assert isinstance(REGIMES["bitfit"], Regime)
    assert [REGIMES.place(name) for name in ("none", "bitfit", "unknown")] == [4, 5, 6]
    assert "full, partial, lora, head, none, bitfit." in " ".join(said("eval", "--help").split())
    with pytest.raises(HumanbenchError, match=r"no regime is called 'bitfat'; did you mean bitfit\?"):
        freeze(toy_backbone(), None, "bitfat")


def test_it_trains_what_it_says() -> None:
    backbone = toy_backbone()
    report = freeze(backbone, None, "bitfit")
    trained = {name.removeprefix("backbone.trunk.") for name, _ in report.trainable}
    norms = {f"blocks.{i}.norm{n}.weight" for i in range(3) for n in (1, 2)} | {"norm.weight"}
    assert trained == norms | {name for name, _ in backbone.trunk.named_parameters() if name.endswith(".bias")}
    assert (report.trained_groups, report.first_trainable_group) == ((), 0)


def test_from_evaluation_to_board_and_export(tmp_path: Path) -> None:
    root, run = write_datasets(tmp_path / "data", "pa100k", "peta"), tmp_path / "run"
    options = {"suite": "mini", "data_root": root, "device": "cpu", "architecture": ARCHITECTURE}
    overrides = FAST["attribute"] | {"train.epochs": 1}
    results = humanbench.evaluate("vit", "bitfit", datasets="pa100k", set=overrides, out=run, **options)
    assert [(r.regime, r.status) for r in results] == [("bitfit", "done")], results[0].reason
    (freezing,) = (run / "freeze").glob("pa100k-bitfit-s0*.json")
    report = json.loads(freezing.read_text())
    assert report["regime"] == "bitfit"
    assert all(name.startswith("head.") or ".norm" in name or name.endswith("bias") for name, _ in report["trainable"])
    humanbench.evaluate("vit", "partial", datasets="pa100k", set=overrides, out=tmp_path / "partial", **options)

    archive, store, site = tmp_path / "s.zip", tmp_path / "store", tmp_path / "board"
    said("submit", run, "--out", archive, "--data-root", root)
    said("leaderboard", "accept", archive, "--submissions", store, "--data-root", root)
    (entry,) = load_store(store)[0].entries()
    assert entry.board.regime == "bitfit"
    said("leaderboard", "build", run, tmp_path / "partial", "--submissions", store, "--out", site)
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.glob("*.html")}
    assert "Bias finetuning" in pages["index.html"]
    assert "biases and norms of the whole backbone, and the head" in pages["reading.html"]
    assert pages["index.html"].index("Partial finetuning") < pages["index.html"].index("Bias finetuning")
    assert "bias finetuning" in export(run)
    assert "bias finetuning" in export(run, form="latex")


def test_recipes_without_a_table_for_it_have_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    card = humanbench.load_card("pa100k")
    recipe = load_recipe(card, "bitfit")
    assert (recipe.regime, recipe.optim) == ("bitfit", load_recipe(card, "head", overrides={"optim.lr": 1e-2}).optim)
    with pytest.raises(RecipeError, match=r"regime: no regime is called 'bitfid'; did you mean bitfit\?"):
        load_recipe(card, "bitfid")


def test_tasks_that_it_is_not_for_are_told(tmp_path: Path) -> None:
    root = write_datasets(tmp_path / "data", "market1501")
    with pytest.raises(
        HumanbenchError, match=r"bitfit is for pose, .*attribute, .*: market1501 \(reid\) has too few biases"
    ):
        humanbench.evaluate("vit", "bitfit", datasets="market1501", data_root=root, out=tmp_path / "run")


def test_a_table_of_a_regime_that_does_not_exist_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would never be looked up."""
    from humanbench import recipes

    text = (recipes.shipped("protocols") / "pose.toml").read_text(encoding="utf-8")
    (tmp_path / "pose.toml").write_text(text + "\n[dataset.mpii.regime.partail]\nsource = 'ours'\n", encoding="utf-8")
    monkeypatch.setattr(recipes, "shipped", lambda name: tmp_path)
    recipes._tables.cache_clear()
    try:
        with pytest.raises(
            RecipeError, match=r"dataset mpii: \[regime.partail\]: no such regime; did you mean partial"
        ):
            load_recipe(humanbench.load_card("mpii"), "full")
    finally:
        recipes._tables.cache_clear()
