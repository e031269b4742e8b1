"""The regime `lora`: what it adds and trains, what peft makes of the same numbers, the way back to plain weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch import Tensor, nn

import humanbench
from humanbench.backbones import load_backbone
from humanbench.cards import evaluated, load_card
from humanbench.cli import main
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.recipes import load_recipe
from humanbench.regimes import freeze
from humanbench.regimes.lora import LowRank, merge
from tests.engine.toy import FAST, toy_backbone, write_datasets

ARCHITECTURE = {"embed_dim": 16, "depth": 3, "num_heads": 2, "patch_size": 16, "img_size": 32}
PROJECTIONS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def low_ranks(network: nn.Module) -> dict[str, LowRank]:
    """Adaptations by the name of their layer."""
    modules = {n.partition(".parametrizations")[0]: m for n, m in network.named_modules() if isinstance(m, LowRank)}
    assert len(modules) == sum(isinstance(m, LowRank) for m in network.modules())
    return modules


def moved(network: nn.Module) -> None:
    """As after some training: B is no longer zero."""
    torch.manual_seed(1)
    for one in low_ranks(network).values():
        nn.init.normal_(one.up, std=0.2)


def test_it_adds_and_counts_what_the_formula_says() -> None:
    """Rank x (in + out) for each projection: qkv 16 -> 48, proj 16 -> 16, fc1 16 -> 64, fc2 64 -> 16, three blocks."""
    backbone = toy_backbone().eval()
    pictures = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = backbone(pictures).map
        report = freeze(backbone, None, "lora", {"lora_rank": 4})
        assert torch.equal(backbone(pictures).map, before)
    assert report.trainable_values == 3 * 4 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16))
    assert set(low_ranks(backbone.trunk)) == {f"blocks.{i}.{name}" for i in range(3) for name in PROJECTIONS}
    assert all(name.endswith((".up", ".down")) for name, _ in report.trainable)
    assert (report.trained_groups, report.first_trainable_group) == ((), 1)
    only = freeze(toy_backbone(), None, "lora", {"lora_rank": 4, "lora_places": "attention"})
    assert only.trainable_values == 3 * 4 * ((16 + 48) + (16 + 16))
    with pytest.raises(HumanbenchError, match="adapted already"):
        freeze(backbone, None, "lora")


def test_outputs_and_merged_weights_are_those_of_peft() -> None:
    """The same A and B in peft's layers: outputs before merging, and every weight afterwards."""
    peft = pytest.importorskip("peft")
    ours, theirs = toy_backbone().eval(), toy_backbone().eval()
    theirs.load_state_dict(ours.state_dict())
    freeze(ours, None, "lora", {"lora_rank": 4, "lora_alpha": 6.0})
    moved(ours)
    config = peft.LoraConfig(
        r=4, lora_alpha=6, target_modules=["qkv", "proj", "fc1", "fc2"], exclude_modules=r".*patch_embed.*"
    )
    peft.inject_adapter_in_model(config, theirs.trunk)
    layers = {name: m for name, m in theirs.trunk.named_modules() if isinstance(m, peft.tuners.lora.LoraLayer)}
    adapted = low_ranks(ours.trunk)
    assert layers.keys() == adapted.keys()
    with torch.no_grad():
        for name, layer in layers.items():
            layer.lora_A["default"].weight.copy_(adapted[name].down)
            layer.lora_B["default"].weight.copy_(adapted[name].up)
        pictures = torch.randn(2, 3, 32, 32)
        assert torch.allclose(ours(pictures).map, theirs(pictures).map, atol=1e-5)
        expected = {name: layer.base_layer.weight + layer.get_delta_weight("default") for name, layer in layers.items()}
        before = ours(pictures).map
        assert merge(ours.trunk) == 12
        assert torch.allclose(ours(pictures).map, before, atol=1e-6)
    state = ours.trunk.state_dict()
    assert state.keys() == toy_backbone().trunk.state_dict().keys()
    for name, weight in expected.items():
        assert torch.allclose(state[f"{name}.weight"], weight, atol=1e-6), name


@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "swin_tiny_patch4_window7_224", "beit_base_patch16_224"])
def test_every_adaptation_counts_in_networks_that_read_weights_past_their_layers(name: str) -> None:
    small = {"depth": 2} if "swin" not in name else {"depths": (1, 1, 1, 1)}
    if "beit" in name:
        small |= {"embed_dim": 32, "num_heads": 2, "img_size": 64}
    backbone = load_backbone(f"random:{name}", **small)
    freeze(backbone, None, "lora")
    backbone(torch.randn(1, 3, 64, 64)).map.square().sum().backward()
    adapted = low_ranks(backbone)
    assert adapted
    assert all(isinstance(one.up.grad, Tensor) and one.up.grad.abs().sum() > 0 for one in adapted.values())


def test_a_network_without_attention_is_refused() -> None:
    with pytest.raises(HumanbenchError, match="has no projections of attention; take another regime"):
        freeze(load_backbone("random:resnet10t"), None, "lora")


def test_options_are_of_this_regime_alone() -> None:
    card = load_card("pa100k")
    recipe = load_recipe(card, "lora", overrides={"freezing.lora_places": "attention", "freezing.lora_rank": 2})
    assert (recipe.freezing.lora_places, recipe.freezing.lora_rank) == ("attention", 2)
    assert recipe.sha256 != load_recipe(card, "lora").sha256
    with pytest.raises(
        RecipeError, match=r"--set freezing.lora_rank: is of the regime lora; the regime here is partial"
    ):
        load_recipe(card, "partial", overrides={"freezing.lora_rank": 2})
    with pytest.raises(RecipeError, match="lora_places: Input should be 'attention', 'mlp' or 'attention,mlp'"):
        load_recipe(card, "lora", overrides={"freezing.lora_places": "mlp,mlp"})


def test_no_recipe_of_it_was_released() -> None:
    """Whatever the defaults of a task are from: nothing of this regime was published."""
    for card in evaluated():
        assert load_recipe(card, "lora").source == "ours"


def test_from_evaluation_to_a_checkpoint_of_plain_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUMANBENCH_CACHE", str(tmp_path / "cache"))
    root, run = write_datasets(tmp_path / "data", "pa100k"), tmp_path / "run"
    overrides = FAST["attribute"] | {"train.epochs": 1}
    options = {"suite": "mini", "data_root": root, "device": "cpu", "architecture": ARCHITECTURE}
    (result,) = humanbench.evaluate("random:vit", "lora", datasets="pa100k", set=overrides, out=run, **options)
    assert (result.regime, result.status) == ("lora", "done"), result.reason
    (freezing,) = (run / "freeze").glob("*.json")
    report = json.loads(freezing.read_text())
    assert report["variant"]["lora_rank"] == 8
    assert sum(count for name, count in report["trainable"] if ".parametrizations." in name) > 0
    file = tmp_path / "backbone.safetensors"
    done = CliRunner().invoke(main, ["weights", str(run), "--save-backbone", "pa100k", str(file), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"file": str(file)}
    model = humanbench.load_finetuned(run, "pa100k")
    with pytest.raises(HumanbenchError, match="is there already"):
        model.save_backbone(file)
    plain = load_backbone("vit", checkpoint=file, **ARCHITECTURE).eval()
    assert plain.pretrained_on == load_backbone(str(file)).pretrained_on == ("pa100k",), (
        "it has seen what it was made on"
    )
    assert not any("parametrizations" in name for name in load_file(file))
    with torch.no_grad():
        pictures = torch.randn(2, 3, 32, 32)
        assert torch.allclose(plain(pictures).map, model.network.backbone(pictures).map, atol=1e-5)
