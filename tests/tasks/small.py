"""A small backbone, a few procedural pictures, and a plain fit, for tests of what tasks train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from humanbench.backbones.features import Features, Preprocessing
from humanbench.cards import DatasetCard, load_card
from humanbench.data.collate import normalised
from humanbench.data.mannequin.suite import synthesize
from humanbench.data.samples import load_samples
from humanbench.metrics import Scores
from humanbench.recipes import Recipe
from humanbench.tasks.registry import task_for
from humanbench.tasks.training import training_of

PREPROCESSING = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", (64, 64))
Tables = Mapping[str, pd.DataFrame]


class SmallNet(nn.Module):
    """Convolutions, perhaps with a class token (the mean, projected): what heads ask of a backbone, no more."""

    def __init__(self, width: int = 32, halvings: int = 3, class_token: bool = False) -> None:
        super().__init__()
        self.width, self.stride, self.preprocessing = width, 2**halvings, PREPROCESSING
        sides = [3, *[width] * halvings]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(sides))
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for _ in range(halvings))
        self.token = nn.Linear(width, width) if class_token else None

    def forward(self, images: Tensor) -> Features:
        bottom, right = (-side % self.stride for side in images.shape[-2:])
        x = functional.pad(images, (0, right, 0, bottom))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = functional.gelu(norm(layer(x)))
        return Features((x,), self.token(x.mean((2, 3))) if self.token else None)


class _Here(Executor):
    """Does jobs at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


_folders: list[TemporaryDirectory[str]] = []


@cache
def synthetic(name: str, scale: float) -> Path:
    """Data root with the smallest procedural copy of a dataset, made once per run of the tests."""
    _folders.append(TemporaryDirectory(prefix=f"{name}-"))
    root = Path(_folders[-1].name)
    synthesize(load_card(name), root, _Here(), scale)
    return root


def tables(name: str, scale: float, *splits: str) -> dict[str, pd.DataFrame]:
    """Tables of a procedural copy."""
    return {split: load_samples(name, split, synthetic(name, scale)) for split in splits}


def fitted(
    card: DatasetCard, training: Tables, testing: Tables, recipe: Recipe, steps: int, rate: float, net: SmallNet
) -> tuple[Scores, list[float]]:
    """Train all of a network on some tables (one fixed view), test on others: the scores, the loss of each step."""
    model = training_of(card)
    model.check(recipe)
    torch.manual_seed(0)
    data = model.training_data(card, training, recipe, PREPROCESSING, seed=0)
    head = model.build_head(card, training, recipe, net)  # type: ignore[arg-type]
    parameters = [*net.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    samples = [data[index] for index in range(len(data))]
    course: list[float] = []
    while len(course) < steps:
        for batch in data.batches(recipe.train.batch_size, seed=0, epoch=len(course)):
            collated = normalised(model.collate([samples[i] for i in batch]), PREPROCESSING)
            total = torch.stack(list(head.loss(head(net(collated["image"]), collated), collated).values())).sum()
            optimiser.zero_grad()
            total.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            course.append(float(total.detach()))
            if len(course) == steps:
                break
    return task_for(card).predictions.score(card, testing, predicted(card, testing, recipe, net, head)), course


@torch.inference_mode()
def predicted(card: DatasetCard, testing: Tables, recipe: Recipe, net: nn.Module, head: nn.Module) -> Any:
    """Predictions of a head in evaluation mode, one picture at a time."""
    model = training_of(card)
    data = model.test_data(card, testing, recipe, PREPROCESSING, {})
    net.eval()
    head.eval()
    decoded: list[Any] = []
    for index in range(len(data)):
        batch = normalised(model.collate([data[index]]), PREPROCESSING)
        decoded += head.decode([head(net(batch["image"]), batch)], batch)  # type: ignore[operator]
    return model.predictions(card, testing, decoded)
