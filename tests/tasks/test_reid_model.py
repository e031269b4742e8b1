"""What re-identification trains: batches by identity, neck, losses, the tested feature."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from humanbench.backbones.features import Features
from humanbench.cards import load_card
from humanbench.data import transforms
from humanbench.data.samples import load_samples
from humanbench.errors import DataError, RecipeError
from humanbench.recipes import Recipe, load_recipe
from humanbench.tasks.pooling import Pool
from humanbench.tasks.registry import task_for
from humanbench.tasks.reid import predictions as reid
from humanbench.tasks.reid import training as model
from tests.tasks.small import PREPROCESSING, SmallNet, fitted, predicted, synthetic, tables

CARD = load_card("market1501")
SCALE = 0.05


def recipe(**overrides: object) -> Recipe:
    small = {"input.size": [64, 32], "train.batch_size": 12}
    return load_recipe(
        CARD, "partial", "mini", overrides=small | {k.replace("__", "."): v for k, v in overrides.items()}
    )


def head(people: int = 4, width: int = 3) -> model.ReidHead:
    options = model.ReidHeadOptions(feature="class_token"), model.ReidLossOptions(triplet=1.0, images_per_identity=4)
    return model.ReidHead(width, people, *options)


def features(values: torch.Tensor, token: torch.Tensor | None = None) -> Features:
    return Features((values[:, :, None, None],), token)


def test_batches_hold_k_different_images_of_p_identities():
    labels = np.repeat([3, 5, 8, 9, 11], [4, 9, 8, 5, 4])
    batches = model.identity_batches(labels, 12, 4, np.random.default_rng(0))
    # 5 identities with 1 + 2 + 2 + 1 + 1 groups of 4, three groups of different identities a batch: 2 batches.
    assert len(batches) == 2
    for batch in batches:
        assert [len(set(labels[batch[i : i + 4]])) for i in (0, 4, 8)] == [1, 1, 1]
        assert len(set(labels[batch])) == 3
        assert len(set(batch)) == 12
    drawn = [row for batch in batches for row in batch]
    assert len(set(drawn)) == len(drawn)


def test_an_identity_with_few_images_repeats_them():
    labels = np.array([0, 0, 1, 1, 1, 1])
    (batch,) = model.identity_batches(labels, 64, 4, np.random.default_rng(0))
    assert sorted(labels[batch]) == [0] * 4 + [1] * 4
    assert set(np.array(batch)[labels[batch] == 1]) == {2, 3, 4, 5}


def test_batches_depend_on_seed_and_epoch_alone():
    data = model.training.training_data(CARD, tables("market1501", SCALE, "train"), recipe(), PREPROCESSING, 0)
    drawn = [list(data.batches(8, seed, epoch)) for seed, epoch in ((0, 1), (0, 1), (0, 2), (1, 1))]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != drawn[3]


def test_people_of_different_datasets_are_different_people():
    def table(dataset: str, pids: list[int]) -> pd.DataFrame:
        made = pd.DataFrame({"pid": pids, "image": [""] * len(pids)})
        made.attrs |= {"dataset": dataset, "cameras": np.arange(3)}  # of which tables cannot say that they are equal
        return made

    labels, people = model.identities(
        {"a/train": table("a", [7, 7, 2]), "a/val": table("a", [2]), "b/train": table("b", [7])}
    )
    assert people == 3
    assert labels.tolist() == [1, 1, 0, 0, 2]


def test_one_identity_is_refused():
    table = tables("market1501", SCALE, "train")["train"]
    alone = table[table["pid"] == table["pid"].iloc[0]]
    with pytest.raises(DataError, match="1 identity; a triplet needs at least 2"):
        model.training.training_data(CARD, {"train": alone}, recipe(), PREPROCESSING, 0)


def test_triplet_loss_by_hand():
    feature = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [0.0, 3.0]])
    label = torch.tensor([0, 0, 1, 1])
    # Farthest of the same: 5, 5, 2, 2. Nearest other: 1 (0 to 2), sqrt(10) (1 to 3), 1 (2 to 0), 3 (3 to 0).
    gaps = [5 - 1, 5 - math.sqrt(10), 2 - 1, 2 - 3]
    expected = sum(math.log1p(math.exp(gap)) for gap in gaps) / 4
    assert float(model.batch_hard_triplet_loss(feature, label)) == pytest.approx(expected, rel=1e-6)


def test_triplet_loss_of_a_single_identity_is_nothing():
    feature = torch.randn(3, 2, requires_grad=True)
    loss = model.batch_hard_triplet_loss(feature, torch.zeros(3, dtype=torch.long))
    loss.backward()
    assert float(loss.detach()) == 0
    assert feature.grad is not None
    assert torch.equal(feature.grad, torch.zeros(3, 2))


def test_cross_entropy_after_the_neck_triplet_before():
    torch.manual_seed(0)
    values, label = torch.randn(6, 3) * 5 + 2, torch.tensor([0, 0, 1, 1, 2, 2])
    under = head(people=3)
    losses = {k: v.detach() for k, v in under.loss(under(features(values), {}), {"label": label}).items()}
    normed = (values - values.mean(0)) / torch.sqrt(values.var(0, unbiased=False) + 1e-5)
    logits = (normed @ under.classifier.weight.T).detach()
    assert float(losses["identity"]) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, label)), rel=1e-5)
    assert float(losses["triplet"]) == pytest.approx(float(model.batch_hard_triplet_loss(values, label)), rel=1e-6)


def test_neck_has_no_bias_to_train():
    assert {name for name, _ in head().named_parameters()} == {"neck.weight", "classifier.weight"}
    assert float(head(people=500, width=64).classifier.weight.detach().std()) == pytest.approx(0.001, rel=0.05)


def test_feature_is_the_class_token_where_there_is_one():
    pooled, token = torch.randn(2, 3), torch.randn(2, 3)
    under = head().eval()
    assert torch.equal(under(features(pooled, token), {}).feature, token)
    assert torch.equal(under(features(pooled), {}).feature, pooled)
    under.pool = Pool("mean", 3)
    assert torch.equal(under(features(pooled, token), {}).feature, pooled)


def test_tested_feature_is_before_the_neck_and_of_unit_length():
    values = torch.tensor([[3.0, 0.0, 4.0], [0.0, -2.0, 0.0]])
    under = head().eval()
    decoded = under.decode([under(features(values), {})], {})
    assert np.allclose(decoded, [[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]], atol=1e-7)
    assert decoded[0].dtype == np.float32


def test_samples_depend_on_seed_epoch_and_index_alone():
    train = tables("market1501", SCALE, "train")
    data, other = (model.training.training_data(CARD, train, recipe(), PREPROCESSING, seed) for seed in (0, 1))
    data.set_epoch(2)
    first = data[3]["image"]
    data[0], data[5]
    assert torch.equal(data[3]["image"], first)
    data.set_epoch(3)
    assert not torch.equal(data[3]["image"], first)
    other.set_epoch(2)
    assert not torch.equal(other[3]["image"], first)
    assert first.shape == (3, 64, 32)


def test_test_pictures_are_only_resized():
    both = tables("market1501", SCALE, "query", "gallery")
    data = model.training.test_data(CARD, both, recipe(), PREPROCESSING, {})
    assert len(data) == len(both["query"]) + len(both["gallery"])
    index = len(both["query"]) + 1
    image = Image.open(both["gallery"]["image"].iloc[1]).resize((32, 64), Image.Resampling.BILINEAR)
    assert torch.equal(data[index]["image"], transforms.pixels(image))
    assert "label" not in data[index]


def test_erasing_covers_the_share_it_should():
    grey = Image.new("RGB", (64, 128), (128, 128, 128))
    rng = np.random.default_rng(0)
    shares, shapes = [], []
    for _ in range(300):
        changed = (np.asarray(transforms.erase(grey, (0.02, 0.4), (0.3, 1 / 0.3), rng)) != 128).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert changed.sum() == len(rows) * len(columns)
        shares.append(changed.mean())
        shapes.append(len(rows) / len(columns))
    assert min(shares) > 0.015
    assert 0.35 < max(shares) < 0.42
    assert min(shapes) > 0.25
    assert max(shapes) < 3.7


def test_unknown_keys_are_refused():
    with pytest.raises(RecipeError, match="must be stretch"):
        model.training.check(recipe(input__fit="as_is"))
    with pytest.raises(RecipeError, match=r"loss\.images_per_identity"):
        model.training.check(recipe(loss__images_per_identity=1))


def test_sensereid_trains_on_what_its_recipe_says():
    plain = load_recipe(load_card("sensereid"), "full")
    assert plain.train.on == ("market1501", "cuhk03", "msmt17")
    assert load_recipe(load_card("sensereid"), "full", variant="market_only").train.on == ("market1501",)
    assert load_recipe(CARD, "full").train.on == ()
    assert load_recipe(CARD, "full", variant="joint3").train.on == plain.train.on


@pytest.mark.parametrize("class_token", [True, False])
def test_a_network_can_learn_to_tell_the_training_people_apart(class_token: bool):
    root = synthetic("market1501", SCALE)
    train = load_samples(CARD, "train", root)
    same = {"query": train.iloc[::3].reset_index(drop=True), "gallery": train}
    torch.manual_seed(0)
    net = SmallNet(class_token=class_token)
    chosen = recipe(augment__pad=0, augment__erase=0.0, augment__flip=0.0, loss__images_per_identity=2)
    untrained = predicted(CARD, same, chosen, net, model.training.build_head(CARD, {"train": train}, chosen, net))
    scores, _ = fitted(CARD, {"train": train}, same, chosen, 60, 3e-3, net)
    assert scores["mAP"] > 95
    assert scores["mAP"] > task_for(CARD).predictions.score(CARD, same, untrained)["mAP"] + 10


def test_predictions_are_what_the_task_writes(tmp_path: Path):
    both = tables("market1501", SCALE, "query", "gallery")
    torch.manual_seed(0)
    net = SmallNet()
    made = predicted(
        CARD, both, recipe(), net, model.training.build_head(CARD, tables("market1501", SCALE, "train"), recipe(), net)
    )
    path = tmp_path / "features.npz"
    reid.predictions.write(CARD, both, made, path)
    back = reid.predictions.read(CARD, both, path)
    assert isinstance(back, reid.ReidFeatures)
    assert np.array_equal(back.query, made.query)
    assert np.allclose(np.linalg.norm(back.gallery, axis=1), 1, atol=1e-6)
