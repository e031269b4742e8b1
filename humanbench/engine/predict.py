"""Predicting: the outputs of every test view, decoded, in the order of the samples, however many processes share it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import convert_to_fp32, send_to_device

from humanbench.data.collate import normalised
from humanbench.engine.batches import batches_of_rank, from_store, loaded, ordered_batches, with_input_size
from humanbench.engine.devices import gathered_at_first, rank_of
from humanbench.engine.finetune import Finetune
from humanbench.engine.frozen_cache import seen
from humanbench.engine.shards import Store
from humanbench.recipes import Recipe
from humanbench.run_log import RunLog
from humanbench.tasks.training import Batch, TaskDataset, TaskTraining


class Predicted(NamedTuple):
    """Decoded predictions in sample order (empty on all processes but the first) and the speed."""

    decoded: list[Any]
    images_per_second: float
    seconds: float


def predict(
    accelerator: Accelerator,
    model: Finetune,
    task: TaskTraining,
    data: TaskDataset,
    recipe: Recipe,
    log: RunLog,
    store: Store | None = None,
    workers: int = 0,
    part: range | None = None,
) -> Predicted:
    """Predictions for all of `data`, or this part of it, from the trunk outputs in `store` if there is one.

    Whole batches go to processes in turn, so a batch holds the same samples for any number of processes.
    """
    started = time.perf_counter()
    model.to(accelerator.device).eval()
    views = list(task.test_views(recipe))
    part = range(len(data)) if part is None else part
    ordered = [[part[place] for place in places] for places in ordered_batches(len(part), recipe)]
    batches = batches_of_rank(ordered, rank_of(accelerator))
    mine: list[tuple[int, Any]] = []
    source: Iterator[dict[str, Batch]]
    if store is not None:
        source = (from_store([store[index] for index in indices], store, task.collate) for indices in batches)
    else:
        draws = [[(0, index) for index in indices] for indices in batches]
        pin = accelerator.device.type == "cuda"
        stream = loaded(data, draws, task.collate, workers, pin, rank=rank_of(accelerator), say=log.info)
        source = (_by_view(accelerator, model, batch, views) for batch in stream)
    with log.bar("predict", len(batches)) as advance:
        for indices, seen_by_view in zip(batches, source, strict=True):
            mine += zip(indices, _decoded(accelerator, model, seen_by_view, views), strict=True)
            advance(len(indices))
    pairs = sorted((pair for of_rank in gathered_at_first(accelerator, mine) for pair in of_rank), key=itemgetter(0))
    seconds = time.perf_counter() - started
    return Predicted([one for _, one in pairs], len(part) / seconds if seconds else 0.0, seconds)


@torch.no_grad()
def _decoded(accelerator: Accelerator, model: Finetune, by_view: dict[str, Batch], views: Sequence[str]) -> list[Any]:
    moved = {view: send_to_device(by_view[view], accelerator.device, non_blocking=True) for view in views}
    with accelerator.autocast():
        outputs = [model.outputs(moved[view]) for view in views]
    decoded: list[Any] = model.head.decode(convert_to_fp32(outputs), moved[views[0]])  # type: ignore[operator]
    return decoded


def _by_view(accelerator: Accelerator, model: Finetune, batch: Batch, views: Sequence[str]) -> dict[str, Batch]:
    """A batch of images as each test view shows it, normalised, on the device."""
    moved = send_to_device(with_input_size(batch), accelerator.device, non_blocking=True)
    whole = normalised(moved, model.backbone.preprocessing)
    return {view: whole | {"image": seen(whole["image"], view)} for view in views}
