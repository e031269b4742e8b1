"""One cell from its data to its result: tables, network, fit, predictions file, score."""

from __future__ import annotations

import datetime
import errno
import json
import math
import platform
import shutil
import time
import traceback
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import safe_open

from humanbench._version import __version__
from humanbench.backbones.weights import safetensors_bytes
from humanbench.cards import scenario
from humanbench.data.few_labels import unit_names
from humanbench.data.fingerprint import fingerprint
from humanbench.data.samples import dataset_folder, procedural_copy
from humanbench.engine.batches import TrainingBatches
from humanbench.engine.context import CellSpec, RunContext
from humanbench.engine.devices import accelerator_for, device_name, gathered, is_peer_failure, rank_of, tf32
from humanbench.engine.finetune import CellError, load_trainable_state, storage, trainable_state_dict
from humanbench.engine.fit import Fit, Progress, length
from humanbench.engine.frozen_cache import CellStores
from humanbench.engine.predict import Predicted, predict
from humanbench.engine.prepared import (
    CorruptedPictures,
    PreparedCell,
    artefact_name,
    cell_key,
    prepare,
    read_tables,
    test_data,
    training_data,
)
from humanbench.engine.speed import Forwards, forward_cost, measured_forwards
from humanbench.engine.trackers import CURVES, Follower
from humanbench.errors import HumanbenchError
from humanbench.files import write_bytes, write_text
from humanbench.hashing import document_sha256
from humanbench.provenance import git_state, machine, packages
from humanbench.results import Cell, Cost, Provenance, Result, TrainingPart
from humanbench.results.cells import labels
from humanbench.scoring import ScoreReport, score
from humanbench.tasks.registry import task_for
from humanbench.text import one_line

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors in writing: nothing of this run could be recorded, so it ends."""


def run_cell(context: RunContext, spec: CellSpec) -> Result:
    """Compute a cell, or find that it was computed before; a failure is a result too.

    A loss that is not finite, used-up memory, data that is not what its card says or an error in the code fails the
    cell. A full disk ends the run (`OSError`), as an interruption does, and of several processes an error that one
    meets alone.
    """
    with tf32(spec.recipe.train.amp == "tf32"):
        if spec.corruption is not None and spec.recipe.fits:
            _run_cell(context, spec.trained)  # what it has finetuned is tested on the corrupted pictures
        return _run_cell(context, spec)


def _run_cell(context: RunContext, spec: CellSpec) -> Result:
    accelerator = accelerator_for(context.device, spec.recipe.train.amp)
    key: Cell | None = None
    computing = False
    try:
        tables = read_tables(context, spec)
        key = cell_key(context, spec, tables)
        if (before := context.folder.finished(key.id, context.log)) is not None:
            if accelerator.is_main_process:  # a run that was killed after the result was written left it
                context.folder.place("checkpoints", artefact_name(spec, key), ".pt").unlink(missing_ok=True)
            context.log.info(f"  done before: {headline(before)}")
            weights_file = context.folder.place("weights", artefact_name(spec, key), ".safetensors")
            if not context.weights and weights_file.is_file():
                context.log.info(f"  its weights were kept then and stay: {weights_file} (remove them by hand)")
            return _as_it_is_called_now(context, accelerator, spec, before)
        cell = prepare(context, spec, tables, key)
        computing = True
        result = _computed(context, accelerator, cell)
        context.log.info(f"  {headline(result)}")
        return result
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        common = not computing or isinstance(error, CellError)  # every process meets it alike
        alone = accelerator.num_processes > 1 and not common
        subject = _subject(context, spec, key or cell_key(context, spec, None))
        result = Result(**subject, status="failed", reason=_reason(error))
        if (alone and not is_peer_failure(error)) or (not alone and accelerator.is_main_process):
            _record_failure(context, spec, result, error)
        if alone:
            raise  # the other processes are waiting for this one: end them all
        return result
    finally:
        if accelerator.device.type != "cpu":
            accelerator.free_memory()


def _as_it_is_called_now(context: RunContext, accelerator: Accelerator, spec: CellSpec, before: Result) -> Result:
    """A finished result under what is said of its backbone now: a card that was written after the run counts.

    The name, the checkpoint and the scenario are no part of a cell's content.
    """
    subject = _subject(context, spec, before.cell)
    result = before.model_copy(update={name: subject[name] for name in ("backbone", "checkpoint", "scenario")})
    if result == before:
        return before
    accelerator.wait_for_everyone()  # the others have read it
    if accelerator.is_main_process:
        context.folder.amend(artefact_name(spec, before.cell), before, result)
    context.log.info(f"  now of {result.backbone}, {result.scenario}; it was of {before.backbone}, {before.scenario}")
    return result


def headline(result: Result) -> str:
    """The main metric with the interval of its test units, or why there is none."""
    if result.status == "failed":
        return f"failed: {result.reason}"
    best = result.metrics[result.main]
    remarks = labels(result)
    value = f"{result.main} {best.value:.2f} ({best.low:.2f} – {best.high:.2f} over test units)"
    return value + (f" [{', '.join(remarks)}]" if remarks else "")


def _computed(context: RunContext, accelerator: Accelerator, cell: PreparedCell) -> Result:
    """Fit, predict, write, score, record; every process returns the result."""
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    if accelerator.is_main_process:
        _describe(context, cell)
    cell.model.to(accelerator.device)
    if cell.recipe.train.compile:
        cell.model.compile_backbone()
    with closing(_follower(context, accelerator, cell)) as follower:
        result = _followed(context, accelerator, cell, follower, started)
        if result is not None:
            follower.metrics(result.iterations, {f"test/{n}": m.value for n, m in result.metrics.items()})
    return Result.model_validate_json(gathered(accelerator, "" if result is None else result.to_json())[0])


def _follower(context: RunContext, accelerator: Accelerator, cell: PreparedCell) -> Follower:
    """What keeps the course of the fit; of several processes the first one does."""
    file = context.folder.place(CURVES, cell.name, ".csv") if accelerator.is_main_process else None
    config = {"backbone": context.backbone.name, "dataset": cell.card.id, "seed": cell.spec.seed}
    recipe = cell.recipe.model_dump(mode="json", exclude={"notes"})
    return Follower(file, context.log, context.trackers, cell.name, config | recipe, context.folder.path)


def _followed(
    context: RunContext, accelerator: Accelerator, cell: PreparedCell, follower: Follower, started: str
) -> Result | None:
    """Fit, predict, write, score, record; the result on the first process."""
    stores = CellStores(context, accelerator, cell)
    if cell.recipe.fits and cell.spec.corruption is not None:
        progress = _restored(context, cell)
    elif cell.recipe.fits:
        progress = _fit(context, accelerator, cell, stores, follower)
    else:
        progress = _remember_training_features(context, accelerator, cell)
    predicted, cost, forward = _predict(context, accelerator, cell, stores)

    if not accelerator.is_main_process:
        return None
    path = _write_predictions(context, cell, predicted)
    before = time.perf_counter()
    report = score(cell.card, path, context.data_root, subset=context.subset)
    seconds = {"fit": progress.seconds, "predict": predicted.seconds, "score": time.perf_counter() - before}
    speeds = {"fit": progress.images_per_second, "predict": predicted.images_per_second} | forward.images_per_second
    provenance = _provenance(context, accelerator, cell, started) | {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "images_per_second": {name: round(value, 2) for name, value in speeds.items()},
        "peak_memory": forward.peak_memory,
        "joules_per_image": {name: float(f"{value:.4g}") for name, value in forward.joules_per_image.items()},
        "predictions_sha256": report.predictions_sha256,
        "cache": stores.notes,
    }
    result = _result(context, cell, report, path, progress, cost, Provenance(**provenance))
    context.folder.add(cell.name, result)
    # With it the checkpoint, and a failure from before the data could be read, say nothing any more.
    context.folder.place("checkpoints", cell.name, ".pt").unlink(missing_ok=True)
    context.folder.set_aside(artefact_name(cell.spec, cell_key(context, cell.spec, None)))
    return result


def _describe(context: RunContext, cell: PreparedCell) -> None:
    """Freeze report and recipe, before anything is computed."""
    report, folder = cell.model.report, context.folder
    write_text(folder.place("freeze", cell.name, ".txt"), report.to_text() + "\n")
    write_text(folder.place("freeze", cell.name, ".json"), json.dumps(report.as_dict(), indent=1) + "\n")
    write_text(folder.place("recipes", cell.name, ".json"), cell.recipe.model_dump_json(indent=1) + "\n")


def _fit(
    context: RunContext, accelerator: Accelerator, cell: PreparedCell, stores: CellStores, follower: Follower
) -> Progress:
    """Fit the network, from stored trunk outputs where there are any, and keep the weights unless nobody wants them."""
    recipe, seed = cell.recipe, cell.spec.seed
    data = training_data(cell.spec, cell.tables.drawn, cell.model)
    batches = TrainingBatches(
        data, recipe, seed, rank_of(accelerator), cell.task.collate, context.workers,
        accelerator.device.type == "cuda", context.log.info,
    )  # fmt: skip
    once = len(batches.of_epoch(0))
    passes, _ = length(recipe, once)
    if cell.spec.few is not None:  # epochs, iterations and the course of the rates are those of all the labels
        whole = training_data(cell.spec, cell.tables.train, cell.model)
        batches.length = len(replace(batches, data=whole).of_epoch(0))
        passes = math.ceil(length(recipe, batches.length)[1] * recipe.train.accumulate / max(1, once))
    batches.stores = stores.for_training(data, passes)
    checkpoint = context.folder.place("checkpoints", cell.name, ".pt")
    fit = Fit(accelerator, cell.model, recipe, seed, batches, context.log, checkpoint, cell.key.id, follower)
    progress = fit.run()
    if accelerator.is_main_process and context.weights:
        _write_weights(context, cell)
    return progress


def _restored(context: RunContext, cell: PreparedCell) -> Progress:
    """Put in what the cell without corruption has finetuned in this run folder; how long that was trained.

    Raises `CellError` where it was not finished, or its weights were not kept.
    """
    spec = cell.spec.trained
    key = cell_key(context, spec, cell.tables)
    trained = context.folder.finished(key.id, context.log)
    if trained is None:
        raise CellError(f"{spec.name}: its finetuning failed, so there is nothing to test on corrupted pictures")
    file = context.folder.place("weights", artefact_name(spec, key), ".safetensors")
    if not file.is_file():
        raise CellError(f"{file}: the finetuned weights were not kept; give another --out, to finetune again")
    try:
        with safe_open(file, "pt") as opened:
            origin = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
    except Exception as error:  # whatever a damaged file makes safetensors say
        raise CellError(f"{file}: not readable as safetensors ({one_line(' '.join(str(error).split()))})") from error
    if origin.get("cell") != key.id:
        raise CellError(f"{file}: are the weights of another cell; give another --out, to finetune again")
    load_trainable_state(cell.model, tensors)
    return Progress(epoch=trained.epochs, iteration=trained.iterations)


def _write_weights(context: RunContext, cell: PreparedCell) -> None:
    state = trainable_state_dict(cell.model)
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}
    origin = {"backbone": context.backbone.name, "weights_sha256": cell.key.weights_sha256, "cell": cell.key.id}
    write_bytes(context.folder.place("weights", cell.name, ".safetensors"), safetensors_bytes(tensors, origin))


def _remember_training_features(context: RunContext, accelerator: Accelerator, cell: PreparedCell) -> Progress:
    """Without finetuning: a head of nearest neighbours gets the features of the training pictures."""
    head = cell.model.head
    if hasattr(head, "set_reference_features"):
        data = test_data(context, cell.spec, cell.tables.drawn, cell.model)
        known = predict(accelerator, cell.model, cell.task, data, cell.recipe, context.log, workers=context.workers)
        head.set_reference_features(gathered(accelerator, known.decoded)[0])  # type: ignore[operator]
    return Progress()


def _predict(
    context: RunContext, accelerator: Accelerator, cell: PreparedCell, stores: CellStores
) -> tuple[Predicted, Cost | None, Forwards]:
    """Decoded predictions of the test pictures, and on the main process what one costs, counted and measured."""
    data = test_data(context, cell.spec, cell.tables.test, cell.model)
    if cell.spec.corruption is not None:
        data = CorruptedPictures(data, cell.spec.corruption, cell.card, cell.tables.test)
    measured = accelerator.is_main_process and cell.spec.corruption is None
    cost = forward_cost(cell.model.backbone, *data[0]["image"].shape[-2:]) if measured else None
    store = stores.for_testing(data)
    predicted = predict(accelerator, cell.model, cell.task, data, cell.recipe, context.log, store, context.workers)
    forward = measured_forwards(cell.model, data[0], cell.task.collate, accelerator) if measured else Forwards()
    return predicted, cost, forward


def _write_predictions(context: RunContext, cell: PreparedCell, predicted: Predicted) -> Path:
    """The predictions file (or folder) in the field's format."""
    path = context.folder.place("predictions", cell.name, task_for(cell.card).predictions.suffix)
    if path.is_dir():  # of a run that ended before its result was written
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    predictions = cell.task.predictions(cell.card, cell.tables.test, predicted.decoded)
    task_for(cell.card).predictions.write(cell.card, cell.tables.test, predictions, path)
    return path


def _provenance(context: RunContext, accelerator: Accelerator, cell: PreparedCell, started: str) -> dict[str, Any]:
    """How the result came about, as far as it does not depend on the result."""
    commit, dirty = git_state()
    train = {s: t for s, t in cell.tables.train.items() if t.attrs["dataset"] == cell.card.id}
    return {
        "humanbench": __version__,
        "git_commit": commit,
        "git_dirty": dirty,
        "packages": packages(),
        "python": platform.python_version(),
        "platform": machine(),
        "device": device_name(accelerator),
        "processes": accelerator.num_processes,
        "command": one_line(context.command),
        "started": started,
        "dataset_fingerprint": fingerprint(cell.card, cell.tables.test | train),
        "freeze_sha256": cell.model.report.sha256,
    }


def _result(
    context: RunContext,
    cell: PreparedCell,
    report: ScoreReport,
    path: Path,
    progress: Progress,
    cost: Cost | None,
    provenance: Provenance,
) -> Result:
    subject = _subject(context, cell.spec, cell.key) | {"synthetic": cell.tables.synthetic, "status": "done"}
    return Result(
        **subject,
        main=report.main,
        split=report.split,
        unit=report.unit,
        metrics=report.metrics,
        info=report.info,
        reliability=report.reliability,
        trained_on=_trained_on(cell),
        trainable=cell.model.report.trainable_values,
        frozen=cell.model.report.frozen_values,
        cost=cost,
        storage=storage(cell.model),
        epochs=progress.epoch,
        iterations=progress.iteration,
        history=[{k: v if math.isfinite(v) else None for k, v in losses.items()} for losses in progress.history],
        predictions=str(path.relative_to(context.folder.path)),
        provenance=provenance,
    )


def _trained_on(cell: PreparedCell) -> TrainingPart | None:
    """How much of the training data it was trained on, where it was not all."""
    if cell.spec.few is None:
        return None
    chosen, every = unit_names(cell.tables.drawn), unit_names(cell.tables.train)
    return TrainingPart(
        unit=task_for(cell.card).labels.unit, chosen=len(chosen), of=len(every), sha256=document_sha256(chosen)
    )


def _subject(context: RunContext, spec: CellSpec, key: Cell) -> dict[str, Any]:
    """What a result is about, whether it is there or not."""
    recipe, backbone = spec.recipe, context.backbone
    copy = procedural_copy(dataset_folder(spec.card, context.data_root))
    return {
        "cell": key,
        "dataset": spec.card.id,
        "task": spec.card.task,
        "scenario": scenario(spec.card, context.pretrained_on),
        "backbone": backbone.name,
        "checkpoint": context.checkpoint,
        "regime": recipe.regime,
        "suite": recipe.suite,
        "variant": recipe.variant,
        "seed": spec.seed,
        "synthetic": bool(copy),
        "procedural": copy,
        "subset": key.subset,
        "recipe_source": recipe.source,
    }


def _record_failure(context: RunContext, spec: CellSpec, result: Result, error: Exception) -> None:
    """Keep a failure; the traceback goes to the log."""
    context.log.write("".join(traceback.format_exception(error)).rstrip())
    context.folder.add(artefact_name(spec, result.cell), result)
    context.log.info(f"  {headline(result)}")


def _reason(error: Exception) -> str:
    text = one_line(" ".join(str(error).split()))
    if isinstance(error, HumanbenchError):
        return text
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return f"out of memory ({text[:200]}); a smaller train.batch_size with train.accumulate may help"
    return f"{type(error).__name__}: {text}"
