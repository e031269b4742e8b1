"""What attribute recognition trains: labels, weights, the head of the released code, augmentation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from humanbench.cards import DatasetCard, load_card
from humanbench.data import transforms
from humanbench.data.samples import load_samples
from humanbench.errors import RecipeError
from humanbench.recipes import Recipe, load_recipe
from humanbench.tasks.attribute import training as model
from humanbench.tasks.attribute.untrained import NeighbourHead
from tests.samples import SAMPLES, needs_samples
from tests.tasks.dense import features, needs_parity, official
from tests.tasks.small import PREPROCESSING, SmallNet, fitted, tables

CARD = load_card("pa100k")
REAL = CARD.model_copy(update={"id": "PA-100K"})  # the folder's name among the samples
SCALE = 0.03


def recipe(card: DatasetCard = CARD, **overrides: object) -> Recipe:
    small = {"input.size": [48, 36], "train.batch_size": 12}
    return load_recipe(
        card, "partial", "mini", overrides=small | {k.replace("__", "."): v for k, v in overrides.items()}
    )


@needs_parity
def test_head_agrees_with_the_released_one():
    head, known = official(
        model.AttributeHead(64, np.full(9, 0.5, np.float32), model.AttributeLossOptions(weighted=True)), "attr"
    )
    with torch.no_grad():
        assert torch.allclose(head(features(known["x"]), {}), known["attr.out"], atol=1e-5, rtol=0)


def test_head_has_the_released_names():
    head = model.AttributeHead(8, np.full(3, 0.5, np.float32), model.AttributeLossOptions(weighted=True))
    expected = {f"logits.0.{n}" for n in ("weight", "bias")}
    expected |= {f"logits.1.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
    assert set(head.state_dict()) == expected


def test_positive_ratios_leave_unknown_labels_out():
    labels = np.array([[1, -1, -1], [0, 1, -1], [0, 0, -1], [0, 1, -1]], np.int8)
    assert model.positive_ratios(labels) == pytest.approx([0.25, 2 / 3, 0.5])


def test_loss_by_hand():
    head = model.AttributeHead(2, np.array([0.25, 0.5, 0.9], np.float32), model.AttributeLossOptions(weighted=True))
    logits = torch.tensor([[0.0, 2.0, 1.0], [1.0, -1.0, 3.0]])
    label = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]])

    def entropy(logit: float, target: int) -> float:
        return math.log1p(math.exp(-logit if target else logit))

    first = math.exp(0.75) * entropy(0, 1) + math.exp(0.5) * entropy(2, 0)  # the third answer is not known
    second = math.exp(0.25) * entropy(1, 0) + math.exp(0.5) * entropy(-1, 1) + math.exp(0.1) * entropy(3, 1)
    assert float(head.loss(logits, {"label": label})["attributes"]) == pytest.approx((first + second) / 2, rel=1e-6)
    head.weighted = False
    plain = entropy(0, 1) + entropy(2, 0) + entropy(1, 0) + entropy(-1, 1) + entropy(3, 1)
    assert float(head.loss(logits, {"label": label})["attributes"]) == pytest.approx(plain / 2, rel=1e-6)


def test_unknown_labels_pull_nowhere():
    head = model.AttributeHead(2, np.full(2, 0.5, np.float32), model.AttributeLossOptions(weighted=True))
    logits = torch.randn(3, 2, requires_grad=True)
    label = torch.tensor([[1.0, -1.0], [0.0, -1.0], [1.0, -1.0]])
    head.loss(logits, {"label": label})["attributes"].backward()
    assert logits.grad is not None
    assert (logits.grad[:, 1] == 0).all()
    assert (logits.grad[:, 0] != 0).all()


def test_a_mirrored_picture_has_left_and_right_answers_exchanged(tmp_path: Path):
    card = load_card("parse27k")
    assert card.labels.flip_pairs
    Image.new("RGB", (20, 40)).save(tmp_path / "a.png")
    labels = np.arange(len(card.labels.attributes)) % 2
    table = pd.DataFrame({"id": ["a"], "image": [str(tmp_path / "a.png")]})
    table[list(card.labels.attributes)] = labels[None].astype(np.int8)
    expected = labels.copy()
    for left, right in card.labels.flip_pairs:
        expected[[left, right]] = labels[[right, left]]
    assert (expected != labels).any()
    always = load_recipe(CARD, "head", "mini", overrides={"augment.flip": 1.0})
    never = load_recipe(CARD, "head", "mini", overrides={"augment.flip": 0.0})
    samples = [model.training.training_data(card, {"train": table}, r, PREPROCESSING, 0)[0] for r in (always, never)]
    assert samples[0]["label"].tolist() == expected.tolist()
    assert samples[1]["label"].tolist() == labels.tolist()


def test_crops_move_by_at_most_the_padding():
    pixels = np.zeros((40, 30, 3), np.uint8)
    pixels[20, 15] = 255
    image = Image.fromarray(pixels)
    rng = np.random.default_rng(0)
    places = set()
    for _ in range(300):
        row, column = np.argwhere(np.asarray(transforms.pad_and_crop(image, 2, rng))[..., 0] == 255)[0]
        places.add((int(row) - 20, int(column) - 15))
    assert places == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_samples_depend_on_seed_epoch_and_index_alone():
    both = tables("pa100k", SCALE, "train", "val")
    data = model.training.training_data(CARD, both, recipe(), PREPROCESSING, 0)
    assert len(data) == len(both["train"]) + len(both["val"])
    data.set_epoch(1)
    first = data[2]
    data[7]
    assert torch.equal(data[2]["image"], first["image"])
    data.set_epoch(2)
    assert not torch.equal(data[2]["image"], first["image"])
    assert torch.equal(data[2]["label"], first["label"])
    assert first["image"].shape == (3, 48, 36)


def test_test_pictures_are_only_stretched():
    table = tables("pa100k", SCALE, "test")
    data = model.training.test_data(CARD, table, recipe(), PREPROCESSING, {})
    image = Image.open(table["test"]["image"].iloc[3]).resize((36, 48), Image.Resampling.BILINEAR)
    assert torch.equal(data[3]["image"], transforms.pixels(image))


def test_unknown_keys_are_refused():
    with pytest.raises(RecipeError, match=r"loss\.weighted"):
        model.training.check(recipe(loss__weighted="perhaps"))
    with pytest.raises(RecipeError, match="no such key"):
        recipe(augment__erase=0.5)


def test_released_numbers():
    full, partial, head = (load_recipe(CARD, regime) for regime in ("full", "partial", "head"))
    assert (full.optim.weight_decay, full.optim.head_weight_decay, full.optim.backbone_scale) == (5e-4, 0.0, 0.5)
    assert (partial.optim.weight_decay, partial.optim.backbone_scale, partial.train.drop_path) == (0.0, 1.0, 0.1)
    assert (full.train.iterations, full.train.batch_size, head.optim.lr) == (42187, 64, 0.1)
    assert [round(m * 42187) for m in full.schedule.milestones] == [31640, 40078]
    peta = load_recipe(load_card("peta"), "full")
    assert (peta.optim.name, peta.optim.lr, peta.optim.weight_decay) == ("adafactor", 1e-3, 0.05)
    assert load_recipe(CARD, "partial", variant="open_norms").freezing.open_norms


def test_a_network_can_learn_the_training_answers():
    train = tables("pa100k", SCALE, "train")
    torch.manual_seed(0)
    chosen = recipe(augment__pad=0, augment__flip=0.0)
    scores, course = fitted(CARD, train, train, chosen, 60, 1e-2, SmallNet())
    labels = train["train"][list(CARD.labels.attributes)].to_numpy()
    varied = (labels == 1).any(axis=0) & (labels == 0).any(axis=0)
    # An attribute that all or none of these people have gives 50 at best.
    assert scores["mA"] > (90 * varied.sum() + 50 * (~varied).sum()) / len(varied)
    assert course[-1] < course[0] / 1.5


@needs_samples
def test_real_labels_have_the_released_ratios():
    held = {split: load_samples(REAL, split, SAMPLES) for split in ("train", "val")}
    ratios = dict(zip(CARD.labels.attributes, model.positive_ratios(model.labels_of(CARD, held)), strict=True))
    # OpenGVLab/HumanBench, sample_weight of the PA-100K configurations
    known = {"Female": 0.46044444, "AgeLess18": 0.06216667, "Hat": 0.04354444, "Trousers": 0.71171111, "boots": 0.006}
    assert {name: ratios[name] for name in known} == pytest.approx(known, abs=1e-7)


@needs_samples
def test_real_pictures_can_be_learnt():
    train = {"train": load_samples(REAL, "train", SAMPLES).iloc[:64].reset_index(drop=True)}
    torch.manual_seed(0)
    chosen = recipe(input__size=[64, 48], train__batch_size=32, augment__pad=0, augment__flip=0.0)
    scores, course = fitted(CARD, train, train, chosen, 60, 1e-2, SmallNet())
    labels = train["train"][list(CARD.labels.attributes)].to_numpy()
    varied = (labels == 1).any(axis=0) & (labels == 0).any(axis=0)
    assert scores["mA"] > (80 * varied.sum() + 50 * (~varied).sum()) / len(varied)
    assert course[-1] < course[0] / 1.5


def test_nearest_neighbours_vote_by_hand() -> None:
    """Three training people at cosines 1, 0.6 and 0 from the picture, k = 2, T = 0.1.

    Attribute 0 (present, absent): 1 / (1 + exp(-0.4 / 0.1)) = 0.98201. Attribute 1 is unknown of the nearest, so the
    second alone votes: 1. Attribute 2 is unknown of both: its share in training, 0.25.
    """
    labels = np.array([[1, -1, -1], [0, 1, -1], [1, 0, 1]], np.int8)
    head = NeighbourHead(labels, np.array([0.5, 0.5, 0.25], np.float32), k=2, temperature=0.1)
    picture = torch.tensor([[1.0, 0.0]])
    assert np.allclose(head.decode([picture], {}), [[1.0, 0.0]])  # nothing is remembered yet: the features
    head.set_reference_features([np.float32([1, 0]), np.float32([0.6, 0.8]), np.float32([0, 1])])
    (found,) = head.decode([picture], {})
    assert found == pytest.approx([1 / (1 + np.exp(-4)), 1.0, 0.25], abs=1e-6)
    with pytest.raises(ValueError, match="2 features for 3 training people"):
        head.set_reference_features([np.float32([1, 0])] * 2)


def test_neighbours_are_the_nearest_where_all_cosines_are_near_one() -> None:
    """Features that share nearly everything: one neighbour votes, so each answer is that of the exactly nearest."""
    rng = np.random.default_rng(0)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (1000 + rng.normal(size=(n, 16)) for n in (400, 60))]
    training, pictures = (v.astype(np.float32) for v in unit)
    nearest = ((pictures[:, None].astype(np.float64) - training[None]) ** 2).sum(2).argmin(1)
    labels = rng.integers(0, 2, (400, 12)).astype(np.int8)
    head = NeighbourHead(labels, np.full(12, 0.5, np.float32), k=1, temperature=0.07)
    head.set_reference_features(list(training))
    found = np.stack(head.decode([torch.from_numpy(pictures)], {}))
    assert (found.round() == labels[nearest]).all(axis=1).mean() > 0.98


def test_heads_without_finetuning() -> None:
    """Nearest neighbours, unless a pretraining brings its head along."""
    table = tables("pa100k", SCALE, "train")
    none = load_recipe(CARD, "none", "mini")
    assert isinstance(model.training.build_head(CARD, table, none, SmallNet()), NeighbourHead)  # type: ignore[arg-type]
    direct = load_recipe(CARD, "none", "mini", variant="direct")
    assert isinstance(model.training.build_head(CARD, table, direct, SmallNet()), model.AttributeHead)  # type: ignore[arg-type]
