"""What a cell will cost, without training it: from one batch of shapes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from humanbench.engine.feeds import with_input_size
from humanbench.engine.finetune import Finetune
from humanbench.engine.fit import length
from humanbench.engine.jobs import Job
from humanbench.engine.work import Setting, build, tables_for, unread_cell
from humanbench.optim.optimisers import OPTIMISERS
from humanbench.regimes import FreezeReport
from humanbench.tasks.training import Batch

_BYTES = 4


@dataclass(frozen=True)
class Estimate:
    """Cost of a cell.

    `gflops`: floating point operations (a multiply-add is two, as torch counts) of one image forward through backbone
    and head, `training_gflops` of one image in training, the backward pass of what trains taken as twice its forward
    pass. `memory_gb`: parameters, gradients, optimiser and what one process keeps for the backward pass of a batch.
    `trunk_gb`: what stored trunk outputs would take, 0 without a frozen trunk.
    """

    name: str
    dataset: str
    regime: str
    seed: int
    train_images: int
    test_images: int
    epochs: int
    iterations: int
    trainable: int
    frozen: int
    gflops: float
    training_gflops: float
    total_tflops: float
    memory_gb: float
    trunk_gb: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(setting: Setting, job: Job) -> tuple[Estimate, FreezeReport]:
    """The cost of a cell and its freeze report; reads tables and one or two images, trains nothing."""
    tables = tables_for(setting, job)
    work = build(setting, job, tables, unread_cell(setting, job))
    recipe, model = job.recipe, work.model
    preprocessing = model.backbone.preprocessing
    test = work.task.test_data(work.card, tables.test, recipe, preprocessing, setting.files)
    epochs = iterations = images = 0
    sample, count = test, 0
    if recipe.fits:
        sample = train = work.task.training_data(work.card, tables.train, recipe, preprocessing, job.seed)
        count, batches = len(train), len(train.batches(recipe.train.batch_size, job.seed, 0))
        epochs, iterations = length(recipe, batches)
        images = iterations * recipe.train.batch_size * recipe.train.accumulate
    batch = with_input_size(work.task.collate([sample[0]]))
    trunk, rest, kept, state = _measured(model, batch)
    views, shown = recipe.train.views, len(work.task.test_views(recipe))
    total = images * (trunk + 3 * rest) + len(test) * shown * (trunk + rest)
    trainable = model.report.trainable_values
    memory = trainable * (2 + OPTIMISERS[recipe.optim.name].values) + model.report.frozen_values
    return Estimate(
        name=job.name,
        dataset=work.card.id,
        regime=recipe.regime,
        seed=job.seed,
        train_images=count,
        test_images=len(test),
        epochs=epochs,
        iterations=iterations,
        trainable=trainable,
        frozen=model.report.frozen_values,
        gflops=(trunk + rest) / 1e9,
        training_gflops=(trunk + 3 * rest) / 1e9 if epochs else 0.0,
        total_tflops=total / 1e12,
        memory_gb=(memory * _BYTES + kept * recipe.train.batch_size) / 1e9,
        trunk_gb=state * (count * views + len(test) * shown) / 1e9 if model.split_index else 0.0,
    ), model.report


def _measured(model: Finetune, batch: Batch) -> tuple[float, float, float, float]:
    """Operations of the frozen trunk and of the rest, bytes kept for the backward pass, bytes of the trunk's output.

    All for one image, on the device of shapes without numbers; where a head needs numbers, with numbers.
    """
    try:
        return _counted(model.to("meta"), send_to_device(batch, "meta"))
    except (NotImplementedError, RuntimeError):
        fresh = model.to_empty(device="cpu")
        return _counted(fresh, batch)


def _counted(model: Finetune, batch: Batch) -> tuple[float, float, float, float]:
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes()
        return tensor

    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    model.eval()
    images = batch["image"]
    with FlopCounterMode(display=False) as trunk:
        state = model.trunk(images)
    with FlopCounterMode(display=False) as rest, saved_tensors_hooks(keep, lambda tensor: tensor):
        model.outputs(batch | {"state": state})
    return (
        float(trunk.get_total_flops()),
        float(rest.get_total_flops()),
        float(sum(kept.values())),
        float(sum(t.nbytes for t in state)),
    )
