"""What an optimiser step of a fit gets: gradients over one batch or several, clipped, and its iteration's rate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from humanbench.backbones.features import Features
from humanbench.cards import load_card
from humanbench.engine.devices import accelerator_for
from humanbench.engine.finetune import Finetune
from humanbench.engine.fit import Fit
from humanbench.recipes import load_recipe
from humanbench.regimes import freeze
from humanbench.run_log import RunLog
from humanbench.tasks.training import Batch
from tests.engine.toy import toy_backbone


class Head(nn.Module):
    """One number per picture, compared with the label; the same weights every time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.out = nn.Linear(16, 1)

    def forward(self, features: Features, batch: Batch) -> Tensor:
        logits: Tensor = self.out(features.map.mean((2, 3)))
        return logits

    def loss(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        return {"square": (outputs[:, 0] - batch["label"]).square().mean()}


class Feed:
    """Batches of these sizes, of the same pictures one after the other, alike in every epoch."""

    def __init__(self, *sizes: int) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(sum(sizes), 3, 32, 32, generator=generator)
        labels = torch.randn(sum(sizes), generator=generator)
        parts = zip(images.split(sizes), labels.split(sizes), strict=True)
        self._listed = [{"image": image, "label": label} for image, label in parts]

    def of_epoch(self, epoch: int) -> list[Batch]:
        return self._listed

    def epoch(self, epoch: int) -> Iterator[Batch]:
        return iter(self._listed)

    def close(self) -> None:
        pass


class Step(NamedTuple):
    """What an optimiser step finds: rate over peak rate of each group, gradients of backbone and head in a row each."""

    factors: list[float]
    backbone: Tensor
    head: Tensor


def steps(folder: Path, feed: Feed, **changes: Any) -> list[Step]:
    """The steps of a fit whose optimiser moves nothing; `changes` of the recipe with `__` for dots."""
    overrides = {"train.amp": "no", "train.accumulate": 1, "schedule.warmup": 0}
    overrides |= {name.replace("__", "."): value for name, value in changes.items()}
    recipe = load_recipe(load_card("pa100k"), "full", "mini", overrides=overrides)
    backbone, head = toy_backbone(), Head()
    model = Finetune(backbone, head, freeze(backbone, head, "full"))
    log, checkpoint = RunLog(None, loud=False), folder / "checkpoint.pt"
    fit = Fit(accelerator_for("cpu", "no"), model, recipe, 0, feed, log, checkpoint, "")  # type: ignore[arg-type]
    peaks = [group["lr"] for group in fit._optimiser.param_groups]
    seen: list[Step] = []

    def gradient(module: nn.Module) -> Tensor:
        return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])

    def step() -> None:
        rates = [group["lr"] for group in fit._optimiser.param_groups]
        factors = [rate / peak for rate, peak in zip(rates, peaks, strict=True)]
        seen.append(Step(factors, gradient(backbone), gradient(head)))

    fit._prepared_optimiser.step = step  # type: ignore[method-assign]
    fit.run()
    checkpoint.unlink()
    return seen


def test_the_gradient_of_everything_is_clipped(tmp_path: Path) -> None:
    (step,) = steps(tmp_path, Feed(4), train__iterations=1, optim__clip=1e-3, optim__clip_of="all")
    assert float(torch.cat([step.backbone, step.head]).norm()) == pytest.approx(1e-3, rel=1e-2)


def test_the_backbone_s_gradient_is_clipped_alone(tmp_path: Path) -> None:
    """The head's is as without clipping."""
    (free,) = steps(tmp_path, Feed(4), train__iterations=1, optim__clip=None)
    (step,) = steps(tmp_path, Feed(4), train__iterations=1, optim__clip=1e-3, optim__clip_of="backbone")
    assert float(free.backbone.norm()) > 1e-2
    assert float(step.backbone.norm()) == pytest.approx(1e-3, rel=1e-2)
    assert torch.equal(step.head, free.head)


def test_the_gradient_of_accumulated_batches_is_that_of_one(tmp_path: Path) -> None:
    """Two batches of two pictures against one of the same four: a mean of means over equally many is the mean."""
    (whole,) = steps(tmp_path, Feed(4), train__iterations=1, optim__clip=None)
    (parts,) = steps(tmp_path, Feed(2, 2), train__iterations=1, train__accumulate=2, optim__clip=None)
    assert torch.allclose(whole.backbone, parts.backbone, atol=1e-5, rtol=1e-4)
    assert torch.allclose(whole.head, parts.head, atol=1e-5, rtol=1e-4)


def test_every_step_has_the_rate_of_its_iteration(tmp_path: Path) -> None:
    """Warm-up from 0.1 over 2 of 6 iterations: 0.1, 0.55; then (1 + cos(pi k / 4)) / 2 for k = 0 .. 3.

    An epoch has two steps, so the schedule goes on over epochs.
    """
    schedule = {"schedule.name": "cosine", "schedule.warmup": 2, "schedule.start": 0.1, "schedule.end": 0.0}
    seen = steps(tmp_path, Feed(2, 2), train__iterations=6, **schedule)
    expected = [0.1, 0.55, 1.0, 0.853553, 0.5, 0.146447]
    assert [min(step.factors) for step in seen] == pytest.approx(expected, abs=1e-6)
    assert [max(step.factors) for step in seen] == pytest.approx(expected, abs=1e-6)
