"""What a cell will cost, without training it: from the shapes of one batch.

Where a dataset is on disk its tables are read, and a picture or two; where it is not, the card's counts and the
recipe's input say what is needed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import torch
from accelerate.utils import send_to_device
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from humanbench.cards import DatasetCard, load_card
from humanbench.data.collate import normalised
from humanbench.engine.batches import with_input_size
from humanbench.engine.context import CellSpec, RunContext
from humanbench.engine.devices import accelerator_for
from humanbench.engine.finetune import Finetune
from humanbench.engine.fit import length
from humanbench.engine.prepared import blank_table, build_network, read_tables, training_data, training_splits
from humanbench.engine.speed import measured_forwards
from humanbench.errors import HumanbenchError
from humanbench.evaluation.plan import Plan
from humanbench.optim.optimisers import OPTIMISERS
from humanbench.recipes import Recipe
from humanbench.regimes import FreezeReport
from humanbench.tasks.training import Batch, training_of

_BYTES = 4

DEVICE_TFLOPS = 20.0
"""Operations a second (10^12) of the device that hours are given for: about what one GPU of a data centre sustains in
training in single precision."""

_USUAL_ASPECT = 4 / 3
"""Longer by shorter side of a picture that nobody has seen yet."""


@dataclass(frozen=True)
class CostEstimate:
    """Cost of a cell.

    `counts`: whether pictures were counted on `disk` or are those of the `card`. `gflops`: floating point operations (a
    multiply-add is two, as torch counts) of one image forward through backbone and head, `training_gflops` of one image
    in training, the backward pass of what trains taken as twice its forward pass. `total_tflops`: of fit and test; a
    frozen trunk whose outputs are stored runs once per fixed view. `memory_gb`: parameters, gradients, optimiser and
    what one process keeps for the backward pass of a batch, in single precision. On disk: `trunk_gb` are stored trunk
    outputs (0 without a frozen trunk, or a cache), `weights_gb` what was finetuned, `checkpoint_gb` the checkpoint,
    which is gone at the end; predictions are not counted. `tflops_per_second`: the rate that hours are given for.
    """

    name: str
    dataset: str
    regime: str
    seed: int
    counts: Literal["disk", "card"]
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
    weights_gb: float
    checkpoint_gb: float
    tflops_per_second: float

    @property
    def hours(self) -> float:
        """Hours at the rate."""
        return self.total_tflops / self.tflops_per_second / 3600

    @property
    def disk_gb(self) -> float:
        """The most that the cell takes on disk at a time."""
        return self.trunk_gb + max(self.weights_gb, self.checkpoint_gb)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"disk_gb": self.disk_gb, "hours": self.hours}


@dataclass(frozen=True)
class Rate:
    """Operations a second (10^12) for which hours are given: stated, or, with None, measured on `device`.

    Measured is a forward of the cell's backbone and head in its precision, in batches of up to 32, pictures at hand.
    """

    tflops_per_second: float | None = DEVICE_TFLOPS
    device: str | None = None


class _Samples(NamedTuple):
    """The network of a cell, how many samples there are, batches of an epoch, and one batch of one sample."""

    model: Finetune
    train: int
    test: int
    batches: int
    batch: Batch


def estimate(plan: Plan, spec: CellSpec, rate: Rate = Rate()) -> tuple[CostEstimate, FreezeReport]:
    """The cost of a cell of a plan and its freeze report; trains nothing."""
    recipe, absent = spec.recipe, plan.absent & {spec.card.id, *spec.recipe.train.on}
    samples = _of_card(plan.context, spec) if absent else _on_disk(plan.context, spec)
    model, report = samples.model, samples.model.report
    epochs = iterations = images = 0
    if recipe.fits and spec.corruption is None:  # else it is trained by the cell without
        epochs, iterations = length(recipe, samples.batches)
        images = iterations * recipe.train.batch_size * recipe.train.accumulate
    speed = rate.tflops_per_second
    per_second = _images_per_second(model, samples.batch, spec, rate.device) if speed is None else 0.0
    trunk, rest, saved_bytes, state = _measured(model, samples.batch)
    speed = per_second * (trunk + rest) / 1e12 if speed is None else speed
    views, shown = recipe.train.views, len(training_of(spec.card).test_views(recipe))
    stored = bool(model.split_index) and plan.context.cache
    stored_views = views if stored and views < epochs else 0
    through_trunk = samples.train * stored_views or images
    total = through_trunk * trunk + images * 3 * rest + samples.test * shown * (trunk + rest)
    state_values = OPTIMISERS[recipe.optim.name].values + 1 + bool(recipe.train.ema)
    memory = report.trainable_values * (2 + OPTIMISERS[recipe.optim.name].values) + report.frozen_values
    return CostEstimate(
        name=spec.name,
        dataset=spec.card.id,
        regime=recipe.regime,
        seed=spec.seed,
        counts="card" if absent else "disk",
        train_images=samples.train,
        test_images=samples.test,
        epochs=epochs,
        iterations=iterations,
        trainable=report.trainable_values,
        frozen=report.frozen_values,
        gflops=(trunk + rest) / 1e9,
        training_gflops=(trunk + 3 * rest) / 1e9 if epochs else 0.0,
        total_tflops=total / 1e12,
        memory_gb=(memory * _BYTES + saved_bytes * recipe.train.batch_size) / 1e9,
        trunk_gb=state * (samples.train * stored_views + samples.test * shown) / 1e9 if stored else 0.0,
        weights_gb=report.trainable_values * _BYTES / 1e9 if recipe.fits and plan.context.weights else 0.0,
        checkpoint_gb=report.trainable_values * _BYTES * state_values / 1e9 if recipe.fits else 0.0,
        tflops_per_second=speed,
    ), report


def _images_per_second(model: Finetune, batch: Batch, spec: CellSpec, device: str | None) -> float:
    """Of a forward of the whole network on the device, in the largest batch that is measured."""
    accelerator = accelerator_for(device, spec.recipe.train.amp)
    whole = copy.deepcopy(model)
    if next(whole.parameters()).is_meta:
        whole = whole.to_empty(device="cpu")
        for values in (*whole.parameters(), *whole.buffers()):
            torch.nn.init.zeros_(values)  # what numbers they are does not change the time
    sample = {name: value[0] for name, value in batch.items() if name != "input_size"}
    forwards = measured_forwards(whole.to(accelerator.device), sample, training_of(spec.card).collate, accelerator)
    if not forwards.images_per_second:
        raise HumanbenchError(
            f"{spec.name}: one forward takes more than 2 s here or does not fit into memory; state a rate (--rate 20)"
        )
    return max(forwards.images_per_second.values())


def _on_disk(context: RunContext, spec: CellSpec) -> _Samples:
    """Counted in the tables; the batch is of one picture."""
    recipe, task, tables = spec.recipe, training_of(spec.card), read_tables(context, spec)
    model = build_network(context, spec, tables.drawn or tables.test)
    preprocessing = model.backbone.preprocessing
    test = task.test_data(spec.card, tables.test, recipe, preprocessing, context.inputs)
    if not recipe.fits:
        return _Samples(model, 0, len(test), 0, normalised(with_input_size(task.collate([test[0]])), preprocessing))
    train = training_data(spec, tables.drawn, model)
    whole = train if spec.few is None else training_data(spec, tables.train, model)
    batches = len(whole.batches(recipe.train.batch_size, spec.seed, 0))
    batch = normalised(with_input_size(task.collate([train[0]])), preprocessing)
    return _Samples(model, len(train), len(test), batches, batch)


def _of_card(context: RunContext, spec: CellSpec) -> _Samples:
    """Counted by the cards of the datasets, with a batch of zeros of the recipe's size."""
    recipe, card = spec.recipe, spec.card
    assert card.evaluation is not None
    sources = [load_card(name) for name in recipe.train.on] or [card]
    parts = [(source, split, _count(source, split)) for source in sources for split in training_splits(source)]
    tables = {
        f"{source.id}/{split}": blank_table(source, split, rows, source.split(split).identities or 1)
        for source, split, rows in parts
    }
    model = build_network(context, spec, tables)
    train, test = sum(rows for *_, rows in parts), sum(_count(card, split) for split in card.evaluation.test)
    height, width = _usual_size(recipe)
    batch = {"image": torch.zeros(1, 3, height, width), "size": torch.tensor([[height, width]])}
    batches = math.ceil(train / recipe.train.batch_size)
    train = train if spec.few is None else max(1, round(train * spec.few.fraction))
    return _Samples(model, train if recipe.fits else 0, test, batches, with_input_size(batch))


def _count(card: DatasetCard, split: str) -> int:
    """Samples of a split by its card; 1 where no source states them."""
    counts = card.split(split).counts()
    return counts.get("samples") or counts.get("images") or 1


def _usual_size(recipe: Recipe) -> Sequence[int]:
    """Height and width of what enters the network, of a picture that nobody has seen yet."""
    crop = recipe.augment.get("crop")
    if isinstance(crop, list | tuple):
        return [int(side) for side in crop]
    first, second = recipe.input.size
    if recipe.input.fit == "short_side":
        return [first, min(second, round(first * _USUAL_ASPECT))]
    return [first, second]


def _measured(model: Finetune, batch: Batch) -> tuple[float, float, float, float]:
    """Operations of the frozen trunk and of the rest, bytes kept for the backward pass, bytes of the trunk's output.

    All for one image, on the device of shapes without numbers; where a head needs numbers, with numbers.
    """
    try:
        return _counted(model.to("meta"), send_to_device(batch, "meta"))
    except (NotImplementedError, RuntimeError):
        on_cpu = model.to_empty(device="cpu")
        return _counted(on_cpu, batch)


def _counted(model: Finetune, batch: Batch) -> tuple[float, float, float, float]:
    bytes_by_storage: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            bytes_by_storage[storage._cdata] = storage.nbytes()
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
        float(sum(bytes_by_storage.values())),
        float(sum(t.nbytes for t in state)),
    )
