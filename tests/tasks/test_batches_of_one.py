"""Heads that normalise over the batch, with batches of every size an epoch can end in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from humanbench.backbones.features import Features
from humanbench.data.sampling import shuffled_batches
from humanbench.tasks.attribute.options import AttributeLossOptions
from humanbench.tasks.attribute.training import AttributeHead
from humanbench.tasks.maps import BatchNorm1d, BatchNorm2d
from humanbench.tasks.parsing.head import ParsingHead
from humanbench.tasks.parsing.options import ParsingHeadOptions
from humanbench.tasks.reid.options import ReidHeadOptions, ReidLossOptions
from humanbench.tasks.reid.training import ReidHead


def attribute(count: int) -> tuple[nn.Module, dict[str, Any]]:
    head = AttributeHead(8, np.full(3, 0.5, np.float32), AttributeLossOptions(weighted=True))
    return head, {"label": torch.ones(count, 3)}


def reid(count: int) -> tuple[nn.Module, dict[str, Any]]:
    head = ReidHead(8, 5, ReidHeadOptions(feature="pooled"), ReidLossOptions(triplet=1.0, images_per_identity=2))
    return head, {"label": torch.arange(count) % 5}


def parsing(count: int) -> tuple[nn.Module, dict[str, Any]]:
    options = ParsingHeadOptions(channels=4, stride=16, norm="batch")
    head = ParsingHead(8, 16, 3, [0, 1, 2], options)
    return head, {"label": torch.zeros(count, 16, 16, dtype=torch.uint8), "input_size": (16, 16)}


@pytest.mark.parametrize("made", [attribute, reid, parsing])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_heads_learn_from_any_batch(made: Any, count: int) -> None:
    torch.manual_seed(0)
    head, batch = made(count)
    outputs = head.train()(Features((torch.randn(count, 8, 1, 1),), None), batch)
    total = sum(head.loss(outputs, batch).values())
    total.backward()
    gradients = [p.grad for p in head.parameters() if p.grad is not None]
    assert torch.isfinite(total)
    assert gradients
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("size", [1, 2, 3, 30])
def test_an_epoch_of_31_people_ends_in_a_batch_that_can_be_learnt_from(size: int) -> None:
    head, _ = attribute(1)
    head.train()
    for batch in shuffled_batches(31, size, seed=0, epoch=0):
        features = Features((torch.randn(len(batch), 8, 1, 1),), None)
        assert torch.isfinite(head(features, {})).all()


@pytest.mark.parametrize(
    ("ours", "torchs", "shape"), [(BatchNorm1d, nn.BatchNorm1d, (4, 6)), (BatchNorm2d, nn.BatchNorm2d, (1, 6, 2, 2))]
)
def test_other_batches_are_torchs(ours: Any, torchs: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    one, other = ours(6), torchs(6)
    assert torch.equal(one(x), other(x))
    assert one.state_dict().keys() == other.state_dict().keys()
    assert torch.equal(one.running_var, other.running_var)
    statistics = one.running_mean.clone()
    alone = x[:1, :, :1, :1] if x.ndim == 4 else x[:1]
    assert torch.equal(one(alone), other.eval()(alone))
    assert torch.equal(one.running_mean, statistics)
