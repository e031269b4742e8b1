"""Heads by name: which variant each is, what is pooled, and probes without finetuning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from humanbench.backbones.features import Features
from humanbench.cards import load_card
from humanbench.errors import HumanbenchError, RecipeError
from humanbench.evaluation.request import Request
from humanbench.evaluation.selection import candidates
from humanbench.recipes import head_variant, load_recipe
from humanbench.tasks.attribute import training as attribute
from humanbench.tasks.attribute.options import AttributeLossOptions
from humanbench.tasks.attribute.untrained import LinearProbe
from humanbench.tasks.counting.head import PooledCountHead
from humanbench.tasks.counting.options import CountingLossOptions
from humanbench.tasks.pooling import Pool, pool_of
from humanbench.tasks.reid import training as reid
from humanbench.tasks.reid.options import ReidHeadOptions, ReidLossOptions
from tests.tasks.small import SmallNet, tables

FEATURES = Features((torch.arange(24.0).reshape(2, 3, 2, 2) / 10,), torch.ones(2, 3))


def test_the_recipes_own_head_is_no_variant_and_no_other_recipe() -> None:
    """A cell with a head that it has anyway is the same cell, so nothing is computed twice."""
    assert [head_variant("attribute", "partial", "mean"), head_variant("attribute", "none", "knn")] == [None, None]
    assert head_variant("reid", "full", "class_token") is None
    assert head_variant("reid", "full", "mean") == "mean"
    assert head_variant("counting", "head", "attentive") == "attentive"
    assert load_recipe(load_card("pa100k"), "partial").head == {}
    assert "pooling" not in load_recipe(load_card("shanghaitech_a"), "partial").head


@pytest.mark.parametrize(
    ("task", "regime", "head", "says"),
    [
        ("pose", "full", "mean", "pose has one head; tasks with several are reid, attribute, counting"),
        ("reid", "none", "knn", r"reid has no such head \(class_token, mean, attentive\)"),
        ("attribute", "none", "linar", "attribute has no such head; did you mean .?linear"),
        ("attribute", "head", "knn", "--head knn: trains nothing, so it is of --protocol none"),
        ("attribute", "head", "linear", "--head linear: is for --protocol none; the protocol here is head"),
        (
            "attribute",
            "none",
            "mean",
            "--head mean: is trained, and --protocol none trains nothing; give knn or another",
        ),
    ],
)
def test_a_head_that_does_not_fit_is_refused(task: str, regime: str, head: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        head_variant(task, regime, head)


def test_a_head_leaves_out_the_datasets_that_it_is_not_for() -> None:
    """Of all that would be taken; what is named outright, and a head that nothing has, is refused as ever."""

    def chosen(head: str, regime: str, patterns: list[str], task: str | None = None) -> tuple[set[str], str]:
        found, left_out = candidates(patterns, task, regime, None, None, head=head)
        return {card.task for card in found}, left_out

    tasks, told = chosen("attentive", "head", [])
    assert tasks == {"reid", "attribute", "counting"}
    assert told.startswith("--head attentive is for reid, attribute, counting with --protocol head; left out: human36m")
    assert chosen("mean", "none", ["*"])[0] == {"reid"}
    assert chosen("knn", "none", [])[0] == {"attribute"}
    assert chosen("attentive", "head", ["pa100k"]) == ({"attribute"}, "")
    assert Request("vit_tiny_patch16_224", protocol="head", head="attentive").patterns == []
    for options in ({"datasets": "lip,pa100k"}, {"task": "parsing"}):
        with pytest.raises(RecipeError, match="parsing has one head; tasks with several are reid, attribute, counting"):
            Request("vit_tiny_patch16_224", protocol="head", head="attentive", **options)


def test_what_needs_training_is_not_for_none_and_what_does_not_only_for_it() -> None:
    for name, variant in (("pa100k", "attentive"), ("market1501", "attentive"), ("pa100k", "class_token")):
        with pytest.raises(RecipeError, match=f"'{variant}' .* full, partial, lora, head, not for none"):
            load_recipe(load_card(name), "none", variant=variant)
    with pytest.raises(RecipeError, match="'linear' of attribute is for the protocols none, not for partial"):
        load_recipe(load_card("pa100k"), "partial", variant="linear")
    with pytest.raises(HumanbenchError, match="a head is a variant; give one of them"):
        Request("vit_tiny_patch16_224", head="mean", variant="open_norms")


def test_a_variant_changes_a_regime_too() -> None:
    """With a frozen backbone the attention is all of the feature, so a single step would test a random one."""
    frozen = load_recipe(load_card("market1501"), "head", "mini", variant="attentive").train
    assert (frozen.epochs, frozen.iterations) == (20, None)
    full, plain = (load_recipe(load_card("market1501"), "full", "mini", v).train for v in ("attentive", None))
    assert full == plain


def test_poolings() -> None:
    assert torch.equal(Pool("mean", 3)(FEATURES), FEATURES.map.mean((2, 3)))
    assert torch.equal(Pool("class_token", 3)(FEATURES), torch.ones(2, 3))
    assert [Pool(kind, 3).needs for kind in ("mean", "class_token", "attentive")] == ["map", "class_token", "map"]  # type: ignore[arg-type]
    pool = Pool("attentive", 192).eval()
    assert pool.attention is not None
    assert pool.attention.num_heads == 3
    shifted = Features((torch.randn(2, 192, 4, 2),))
    mixed = Features((shifted.map.flip(3),))
    assert torch.allclose(pool(shifted), pool(mixed), atol=1e-5), "it knows no places"
    with pytest.raises(RecipeError, match="this backbone has no class token, so --head class_token is not for it"):
        pool_of("class_token", SmallNet())  # type: ignore[arg-type]
    assert pool_of("class_token", SmallNet(class_token=True)).kind == "class_token"  # type: ignore[arg-type]


def test_reid_ranks_what_attention_pools_and_trains_it() -> None:
    loss = ReidLossOptions(triplet=1.0, images_per_identity=2)
    head = reid.ReidHead(32, 4, ReidHeadOptions(feature="attentive"), loss)
    features = Features((torch.randn(4, 32, 4, 2),), torch.zeros(4, 32))
    outputs = head(features, {})
    assert head.pool is not None
    assert torch.equal(outputs.feature, head.pool(features))
    sum(head.loss(outputs, {"label": torch.tensor([0, 0, 1, 1])}).values()).backward()
    assert all(parameter.grad is not None for parameter in head.pool.parameters())


def test_attributes_read_the_pooling_that_the_variant_names() -> None:
    ratios = np.full(2, 0.5, np.float32)
    head = attribute.AttributeHead(3, ratios, AttributeLossOptions(weighted=True), Pool("class_token", 3)).eval()
    assert torch.equal(head(FEATURES, {}), head.logits(torch.ones(2, 3)))
    table = tables("pa100k", 0.03, "train")
    card, net = load_card("pa100k"), SmallNet(class_token=True)
    for variant, kind in ((None, "mean"), ("class_token", "class_token"), ("attentive", "attentive")):
        recipe = load_recipe(card, "partial", "mini", variant)
        built = attribute.training.build_head(card, table, recipe, net)  # type: ignore[arg-type]
        assert built.pool.kind == kind  # type: ignore[union-attr]
    none = load_recipe(card, "none", "mini", "linear")
    assert isinstance(attribute.training.build_head(card, table, none, net), LinearProbe)  # type: ignore[arg-type]


def test_a_pooled_count_is_the_rate_times_the_cells() -> None:
    loss = CountingLossOptions(kernel="fixed", sigma=3, neighbours=3, spread=0.3, magnify=100, count=0.1)
    head = PooledCountHead(3, Pool("mean", 3), stride=8, loss=loss)
    rates = torch.tensor([200.0, -5.0])
    assert head.decode([rates], {"size": [(16, 24), (16, 24)]}) == [pytest.approx(2 * 6), 0.0]
    batch = {"density": torch.full((2, 2, 3), 1.5)}
    assert head.loss(rates, batch)["count"].item() == pytest.approx((abs(12 - 9) + abs(-0.3 - 9)) / 2)
    assert head(FEATURES, {}).shape == (2,)


def test_the_linear_probe_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 6)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = (features[:, :3] + 0.3 * rng.normal(size=(80, 3)) > 0).astype(np.int8)
    labels[:20, 1] = -1
    labels[:, 2] = 1
    probe = LinearProbe(labels, np.array([0.5, 0.5, 0.75], np.float32))
    tested = torch.from_numpy(features[::3])
    assert np.array_equal(np.stack(probe.decode([tested], {})), features[::3])
    probe.set_reference_features(list(features))
    found = np.stack(probe.decode([tested], {}))
    scale = StandardScaler().fit(features)  # by all training people, whatever is known of them
    for number in range(2):
        known = labels[:, number] >= 0
        fitted = LogisticRegression(max_iter=1000).fit(scale.transform(features[known]), labels[known, number])
        expected = fitted.predict_proba(scale.transform(features[::3]))[:, 1]
        assert found[:, number] == pytest.approx(expected, abs=1e-3)
    assert found[:, 2] == pytest.approx(np.full(len(found), 0.75), abs=1e-6)
