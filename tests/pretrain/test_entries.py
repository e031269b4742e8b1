"""Joint label spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from humanbench.cards import load_card
from humanbench.data.samples import load_samples
from humanbench.pretrain.entries import joined, joint_attributes
from humanbench.pretrain.recipe import load_pretrain_recipe
from humanbench.tasks.attribute.training import labels_of, positive_ratios
from tests.pretrain.small import build, recipe


def test_joint_attributes_are_those_of_the_paper() -> None:
    """Columns in order: RAPv2's 54 then PA-100K's 26; the other entry has the paper's 154 without Duke's 23."""
    entries = load_pretrain_recipe("path").entries
    both = joint_attributes(entries["attr_rap2_pa100k"].cards())
    assert len(both.attributes) == 80
    assert both.attributes[54] == f"pa100k: {load_card('pa100k').labels.attributes[0]}"
    assert len(joint_attributes(entries["attr_5set"].cards()).attributes) == 154 - 23


def test_left_right_pairs_move_with_their_attributes() -> None:
    """PA-100K has 26 attributes and no pair; those of PARSE-27k come after them."""
    cards = [load_card("pa100k"), load_card("parse27k")]
    assert not cards[0].labels.flip_pairs
    assert cards[1].labels.flip_pairs[0] == (3, 4)
    moved = joint_attributes(cards).flip_pairs
    assert moved == tuple((left + 26, right + 26) for left, right in cards[1].labels.flip_pairs)


def test_foreign_attributes_are_unknown(root: Path) -> None:
    cards = [load_card("rapv2"), load_card("pa100k")]
    tables = {f"{card.id}/train": load_samples(card, "train", root) for card in cards}
    card, wide = joined("both", cards, tables)
    labels = labels_of(card, wide)
    first = len(tables["rapv2/train"])
    assert np.array_equal(labels[:first, :54], tables["rapv2/train"][list(cards[0].labels.attributes)])
    assert np.array_equal(labels[first:, 54:], tables["pa100k/train"][list(cards[1].labels.attributes)])
    assert (labels[:first, 54:] == -1).all()
    assert (labels[first:, :54] == -1).all()
    assert list(wide["rapv2/train"]["image"]) == list(tables["rapv2/train"]["image"])
    ratios = positive_ratios(labels_of(cards[1], {"train": tables["pa100k/train"]}))
    assert np.allclose(positive_ratios(labels)[54:], ratios)  # ratios over the people that are labelled


def test_unknown_attributes_add_nothing_to_the_loss(root: Path) -> None:
    network, entries = build(recipe(), root)
    data = next(s for s in entries if s.name == "attr_rap2_pa100k")
    head = network.upper.heads["attr_rap2_pa100k"]
    logits = torch.randn(2, 80, requires_grad=True)
    label = torch.full((2, 80), -1.0)
    label[0, 3], label[1, 60] = 1.0, 0.0
    (term,) = head.loss(logits, {"label": label}).values()  # type: ignore[operator]
    term.backward()
    assert [tuple(place) for place in logits.grad.nonzero().tolist()] == [(0, 3), (1, 60)]  # type: ignore[union-attr]
    assert data.card.id == "attr_rap2_pa100k"


def test_identities_of_different_datasets_are_different(root: Path) -> None:
    network, entries = build(recipe(), root)
    data = next(s for s in entries if s.name == "reid_4sets")
    people = sum(table.groupby(["pid"]).ngroups for table in data.tables.values())
    assert network.upper.heads["reid_4sets"].classifier.weight.shape == (people, 16)  # type: ignore[union-attr]
