"""Predicting: the outputs of every test view, decoded, in the order of the samples, however many processes share it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from accelerate.utils import convert_to_fp32, send_to_device

from humanbench.engine.feeds import from_store, loader, ordered_batches, share_batches, with_input_size
from humanbench.engine.finetune import Finetune
from humanbench.engine.launch import gathered_at_first, share_of
from humanbench.engine.shards import Store
from humanbench.engine.trunk import seen
from humanbench.recipes import Recipe
from humanbench.run_log import RunLog
from humanbench.tasks.training import Batch, TaskDataset, TaskModel

if TYPE_CHECKING:
    from accelerate import Accelerator


class Predicted(NamedTuple):
    """Decoded predictions in sample order (empty on all processes but the first) and the speed."""

    decoded: list[Any]
    images_per_second: float
    seconds: float


def predict(
    accelerator: Accelerator,
    model: Finetune,
    task: TaskModel,
    data: TaskDataset,
    recipe: Recipe,
    log: RunLog,
    store: Store | None = None,
    workers: int = 0,
) -> Predicted:
    """Predictions for all of `data`, from the trunk outputs in `store` if there is one.

    Whole batches go to processes in turn, so a batch holds the same samples for any number of processes.
    """
    started = time.perf_counter()
    model.to(accelerator.device).eval()
    views = list(task.test_views(recipe))
    batches = share_batches(ordered_batches(len(data), recipe), share_of(accelerator))
    mine: list[tuple[int, Any]] = []
    source = (
        _stored(store, batches, task) if store is not None else _fresh(data, batches, task, views, accelerator, workers)
    )
    with log.bar("predict", len(batches)) as advance:
        for indices, seen_by_view in zip(batches, source, strict=True):
            mine += zip(indices, _decoded(accelerator, model, seen_by_view, views), strict=True)
            advance(len(indices))
    parts = gathered_at_first(accelerator, mine)
    ordered = sorted((entry for part in parts for entry in part), key=lambda entry: entry[0])
    seconds = time.perf_counter() - started
    return Predicted([one for _, one in ordered], len(data) / seconds if seconds else 0.0, seconds)


@torch.no_grad()
def _decoded(accelerator: Accelerator, model: Finetune, by_view: dict[str, Batch], views: Sequence[str]) -> list[Any]:
    moved = {view: send_to_device(by_view[view], accelerator.device, non_blocking=True) for view in views}
    with accelerator.autocast():
        outputs = [model.outputs(moved[view]) for view in views]
    decoded: list[Any] = model.head.decode(convert_to_fp32(outputs), moved[views[0]])  # type: ignore[operator]
    return decoded


def _stored(store: Store, batches: Sequence[list[int]], task: TaskModel) -> Iterator[dict[str, Batch]]:
    for indices in batches:
        yield from_store([store[index] for index in indices], store, task.collate)


def _fresh(
    data: TaskDataset,
    batches: Sequence[list[int]],
    task: TaskModel,
    views: Sequence[str],
    accelerator: Accelerator,
    workers: int,
) -> Iterator[dict[str, Batch]]:
    draws = [[(0, index) for index in indices] for indices in batches]
    for batch in loader(data, draws, task.collate, workers, accelerator.device.type == "cuda"):
        whole = with_input_size(batch)
        yield {view: whole | {"image": seen(whole["image"], view)} for view in views}
