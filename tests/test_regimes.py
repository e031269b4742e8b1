"""Regimes: what trains, in which mode, at which rate."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import nn

from humanbench import load_backbone
from humanbench.backbones import Backbone
from humanbench.errors import HumanbenchError
from humanbench.optim.groups import parameter_groups
from humanbench.regimes import FreezeReport, Variant, freeze, train_mode


@cache
def network(name: str, **sizes: int) -> Backbone:
    return load_backbone(name, **sizes)


def head(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 4), nn.BatchNorm1d(4))


def trained(report: FreezeReport) -> set[str]:
    """The modules that train: the names up to the block or norm, without the parts inside."""
    return {re.sub(r"^backbone\.trunk\.", "", name).rsplit(".", 1)[0] for name, _ in report.trainable}


def blocks(report: FreezeReport, depth: int) -> set[str]:
    """The first components of what trains."""
    return {".".join(name.split(".")[:depth]) for name in trained(report)}


def test_partial_of_vit_b() -> None:
    """Blocks 10 and 11, the final norm and the head; 12 tensors a block."""
    backbone = network("random:mae_vitb")
    report = freeze(backbone, head(), "partial")
    assert blocks(report, 2) == {"blocks.10", "blocks.11", "norm", "head.0", "head.1"}
    assert len(report.trainable) == 2 * 12 + 2 + 4
    assert report.first_trainable_group == 11
    assert [backbone.layer_groups[i].name for i in report.trained_groups] == ["blocks.10", "blocks.11", "norm"]
    block = 12 * 768**2 + 13 * 768
    assert report.trainable_values == 2 * block + 2 * 768 + (8 * 4 + 4 + 2 * 4)
    everything = sum(p.numel() for p in backbone.parameters()) + 44
    assert report.trainable_values + report.frozen_values == everything
    frozen = {name for name, _ in report.frozen}
    assert {"backbone.trunk.cls_token", "backbone.trunk.pos_embed", "backbone.trunk.patch_embed.proj.bias"} < frozen


@pytest.mark.parametrize(
    ("name", "depth", "expected"),
    [
        ("random:swin_tiny", 4, {"layers.3.blocks.0", "layers.3.blocks.1", "norm"}),
        ("random:resnet50", 2, {"layer4.1", "layer4.2"}),
        ("random:convnext_tiny", 4, {"stages.3.blocks.1", "stages.3.blocks.2", "head.norm"}),
        ("random:efficientnet_lite0", 3, {"blocks.6.0", "conv_head", "bn2"}),
    ],
)
def test_partial_of_other_families(name: str, depth: int, expected: set[str]) -> None:
    backbone = network(name)
    report = freeze(backbone, None, "partial")
    names = blocks(report, depth)
    assert {".".join(n.split(".")[:depth]) for n in names} - {"layers.3.downsample"} >= expected
    outside = {n for n in trained(report) if not any(n == e or n.startswith(f"{e}.") for e in expected)}
    assert all(n.startswith("layers.3.downsample") for n in outside)  # Swin's last stage opens with its first block
    for path, parameter in backbone.named_parameters():
        assert parameter.requires_grad == (f"backbone.{path}" in {n for n, _ in report.trainable})


def test_full_head_and_none() -> None:
    backbone, top = network("vit", embed_dim=32, depth=3), head()
    full = freeze(backbone, top, "full")
    assert not full.frozen
    assert full.first_trainable_group == 0
    only = freeze(backbone, top, "head")
    assert {name.split(".")[0] for name, _ in only.trainable} == {"head"}
    assert only.first_trainable_group == len(backbone.layer_groups)
    nothing = freeze(backbone, top, "none")
    assert nothing.trainable == ()
    assert not any(p.requires_grad for p in [*backbone.parameters(), *top.parameters()])
    assert len({full.sha256, only.sha256, nothing.sha256}) == 3


def test_variants() -> None:
    backbone = network("vit", embed_dim=32, depth=6)
    opened = freeze(backbone, None, "partial", {"name": "attributes", "open_norms": True})
    norms = {f"blocks.{i}.norm{n}" for i in range(4) for n in (1, 2)}
    assert norms < trained(opened)
    assert {n for n in trained(opened) if n.startswith(("blocks.0", "blocks.1", "blocks.2", "blocks.3"))} == norms
    assert opened.first_trainable_group == 1
    assert len(opened.trained_groups) == 3
    deeper = freeze(backbone, None, "partial", Variant(last=4))
    assert blocks(deeper, 2) == {"blocks.2", "blocks.3", "blocks.4", "blocks.5", "norm"}
    fixed = freeze(backbone, None, "full", {"freeze_pos_embed": True})
    assert fixed.frozen == (("backbone.trunk.pos_embed", 197 * 32),)
    assert "variant attributes (open_norms = true)" in opened.to_text()
    assert freeze(backbone, None, "partial").sha256 != opened.sha256
    with pytest.raises(HumanbenchError, match="variant of a regime: open_norm: Extra inputs"):
        freeze(backbone, None, "partial", {"open_norm": True})
    with pytest.raises(HumanbenchError, match=r"no regime is called 'ful'.*did you mean full"):
        freeze(backbone, None, "ful")


def test_report_for_people() -> None:
    report = freeze(network("vit", embed_dim=32, depth=3), head(), "partial")
    lines = report.to_text().splitlines()
    assert lines[0] == "regime partial"
    assert re.fullmatch(r"\s+blocks.0\s+12,704\s+frozen", lines[2])
    assert re.fullmatch(r"\s+blocks.1\s+12,704\s+trains", lines[3])
    assert f"sha256 {report.sha256}" == lines[-1]
    assert sum("blocks.1.attn.qkv.weight  3,072" in line for line in lines) == 1


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    """Drop path of frozen blocks is off and frozen batch norms keep their statistics, whatever was called before."""
    backbone, top = load_backbone("random:test_resnet"), head()
    backbone.set_drop_path(0.5)
    report = freeze(backbone, top, "partial")
    backbone.train()
    train_mode(backbone, top, report)
    names = [backbone.layer_groups[i].name for i in report.trained_groups]
    assert names == ["layer3.0", "layer4.0"]
    for path, module in backbone.trunk.named_modules():
        if path:
            assert module.training == path.startswith(("layer3.0", "layer4.0")), path
    assert top.training
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    changed = {k.split(".")[1] for k, v in backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"layer3", "layer4"}


def test_opened_norms_train_in_frozen_groups() -> None:
    backbone = load_backbone("random:test_vit")
    report = freeze(backbone, None, "partial", {"open_norms": True})
    train_mode(backbone, None, report)
    modes = dict(backbone.trunk.named_modules())
    assert modes["blocks.0.norm1"].training
    assert not modes["blocks.0"].training
    assert not modes["blocks.0.drop_path1"].training
    assert modes["blocks.5.drop_path1"].training


def test_training_mode_drops_what_was_kept_for_evaluation() -> None:
    """TinyViT keeps its attention biases in evaluation mode: they must not outlive a training step."""
    backbone = load_backbone("random:tiny_vit_5m_224")
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    report = freeze(backbone, None, "partial")
    with torch.no_grad():
        before = backbone(x).map
        train_mode(backbone, None, report)
        for name, parameter in backbone.named_parameters():
            if parameter.requires_grad and "attention_biases" in name:
                parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        backbone.eval()
        assert not torch.equal(backbone(x).map, before)


def test_rates_follow_the_rule_of_path() -> None:
    """PATH, 12 blocks, decay 0.75: block 11 x 1/0.75, block 10 x 1, block 0 x 0.75^10, patch embedding x 0.75^11."""
    backbone, top = network("random:mae_vitb"), head()
    report = freeze(backbone, top, "full")
    groups = parameter_groups(
        backbone, top, report, 1e-3, backbone_scale=0.5, layer_decay=0.75, weight_decay=0.05, head_weight_decay=1e-3
    )
    rate = {name: (g["lr"] / 1e-3, g["weight_decay"]) for g in groups for name in g["names"]}
    assert len(rate) == sum(len(g["params"]) for g in groups) == len(report.trainable)

    def of(name: str) -> tuple[float, float]:
        return rate[f"backbone.trunk.{name}"]

    for name, factor, decay in (
        ("blocks.11.attn.qkv.weight", 1 / 0.75, 0.05),
        ("blocks.10.mlp.fc1.weight", 1.0, 0.05),
        ("blocks.10.mlp.fc1.bias", 1.0, 0.0),
        ("blocks.3.norm1.weight", 0.75**7, 0.0),
        ("blocks.0.attn.proj.weight", 0.75**10, 0.05),
        ("patch_embed.proj.weight", 0.75**11, 0.05),
        ("patch_embed.proj.bias", 0.75**11, 0.0),
        ("pos_embed", 1.0, 0.0),
        ("cls_token", 1.0, 0.0),
        ("norm.weight", 1.0, 0.0),
    ):
        assert of(name) == pytest.approx((0.5 * factor, decay)), name
    assert rate["head.0.weight"] == (1.0, 1e-3)
    assert rate["head.0.bias"] == rate["head.1.weight"] == (1.0, 0.0)


def test_rates_of_a_pyramid_and_of_frozen_parts() -> None:
    backbone = network("random:test_convnext")
    report = freeze(backbone, None, "partial")
    groups = parameter_groups(backbone, None, report, 1.0, layer_decay=0.5, weight_decay=0.1)
    rate = {n.removeprefix("backbone.trunk."): g["lr"] for g in groups for n in g["names"]}
    assert {r for n, r in rate.items() if n.startswith("stages.3.blocks.1.")} == {2.0}
    assert {r for n, r in rate.items() if n.startswith("stages.3.blocks.0.")} == {1.0}
    assert {r for n, r in rate.items() if n.startswith("head.norm.")} == {1.0}
    assert set(rate) == {n.removeprefix("backbone.trunk.") for n, _ in report.trainable}
    next(p for p in backbone.parameters() if not p.requires_grad).requires_grad_(True)
    with pytest.raises(HumanbenchError, match="changed after freeze"):
        parameter_groups(backbone, None, report, 1.0)


def test_swin_spares_its_bias_tables() -> None:
    backbone = network("random:swin_tiny")
    report = freeze(backbone, None, "full")
    for group in parameter_groups(backbone, None, report, 1.0, weight_decay=0.1):
        for name in group["names"]:
            if "relative_position_bias_table" in name:
                assert group["weight_decay"] == 0.0


def decays(backbone: Backbone, top: nn.Module | None, **options: float) -> dict[str, float]:
    """Weight decay of each parameter in full finetuning, by name."""
    report = freeze(backbone, top, "full")
    groups = parameter_groups(backbone, top, report, 1.0, **options)
    return {name: group["weight_decay"] for group in groups for name in group["names"]}


@pytest.mark.parametrize("regime", ["head", "none"])
def test_open_norms_are_for_partial_alone(regime: str) -> None:
    report = freeze(network("vit", embed_dim=32, depth=3), head(), regime, {"open_norms": True})
    assert not [name for name, _ in report.trainable if name.startswith("backbone.")]


def test_queries_and_tokens_of_heads_are_spared_from_decay() -> None:
    """Embeddings, class and mask tokens, whatever their dimensions; of a linear layer the bias alone."""

    class Queries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.queries = nn.Embedding(5, 8)
            self.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
            self.mask_token = nn.Parameter(torch.zeros(1, 1, 8))
            self.linear = nn.Linear(8, 2)

    decay_by_name = decays(network("vit", embed_dim=32, depth=3), Queries(), weight_decay=0.1)
    assert {name: decay for name, decay in decay_by_name.items() if name.startswith("head.")} == {
        "head.queries.weight": 0.0,
        "head.cls_token": 0.0,
        "head.mask_token": 0.0,
        "head.linear.weight": 0.1,
        "head.linear.bias": 0.0,
    }


def test_what_an_architecture_spares_itself_has_no_decay() -> None:
    """TinyViT lists its attention biases, matrices by shape, in `no_weight_decay`."""
    decay_by_name = decays(network("random:tiny_vit_5m_224"), None, weight_decay=0.1)
    assert {decay for name, decay in decay_by_name.items() if "attention_biases" in name} == {0.0}
    assert 0.1 in decay_by_name.values()


@pytest.mark.parametrize("listed", [list, iter, dict.fromkeys])
def test_an_architecture_may_list_what_it_spares_in_any_form(listed: Callable[[list[str]], object]) -> None:
    backbone = network("vit", embed_dim=32, depth=3)
    spared = ["blocks.1.mlp.fc1.weight", "blocks.0.attn.qkv.weight"]
    backbone.trunk.no_weight_decay = lambda: listed(spared)  # type: ignore[assignment]
    decay_by_name = decays(backbone, None, weight_decay=0.1)
    without = {name.removeprefix("backbone.trunk.") for name, decay in decay_by_name.items() if decay == 0}
    assert set(spared) <= without
    assert decay_by_name["backbone.trunk.blocks.2.mlp.fc1.weight"] == 0.1


@pytest.mark.parametrize(("options", "expected"), [({}, 0.1), ({"head_weight_decay": 0.0}, 0.0)])
def test_a_head_has_the_backbone_s_decay_unless_one_is_given(options: dict[str, float], expected: float) -> None:
    """A decay of 0 is one that is given."""
    decay_by_name = decays(network("vit", embed_dim=32, depth=3), head(), weight_decay=0.1, **options)
    assert decay_by_name["head.0.weight"] == expected
    assert decay_by_name["backbone.trunk.blocks.0.mlp.fc1.weight"] == 0.1
