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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from humanbench._version import __version__
from humanbench.cards import scenario
from humanbench.data.fingerprint import fingerprint
from humanbench.data.samples import dataset_folder, is_synthetic
from humanbench.engine.cost import forward_cost
from humanbench.engine.feeds import FreshFeed, StoredFeed
from humanbench.engine.finetune import CellError, learnt
from humanbench.engine.fit import Fit, Progress, length
from humanbench.engine.jobs import Job
from humanbench.engine.launch import accelerator_for, device_name, gathered, lost_another, share_of
from humanbench.engine.predict import Predicted, predict
from humanbench.engine.shards import Store
from humanbench.engine.trunk import NotCached, TrunkCache, Wanted
from humanbench.engine.work import Setting, Work, build, cell_of, tables_for, unread_cell
from humanbench.errors import HumanbenchError
from humanbench.files import write_bytes, write_text
from humanbench.predictions.files import SUFFIX
from humanbench.provenance import git_state, machine, packages
from humanbench.results import Cell, Cost, Provenance, Result
from humanbench.scoring import ScoreReport, score
from humanbench.tasks import task_for

if TYPE_CHECKING:
    from accelerate import Accelerator

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors in writing: nothing of this run could be recorded, so it ends."""


def run_job(setting: Setting, job: Job) -> Result:
    """Compute a cell, or find that it was computed before; a failure is a result too.

    A loss that is not finite, used-up memory, data that is not what its card says or an error in the code fails the
    cell. A full disk ends the run (`OSError`), as an interruption does, and of several processes an error that one
    meets alone.
    """
    accelerator = accelerator_for(setting.device, job.recipe.train.amp)
    cell: Cell | None = None
    work_began = False
    try:
        tables = tables_for(setting, job)
        cell = cell_of(setting, job, tables)
        if (before := setting.folder.done(cell.id)) is not None:
            setting.log.info(f"  done before: {headline(before)}")
            return before
        work = build(setting, job, tables, cell)
        work_began = True
        result = _Run(setting, accelerator, work).result()
        setting.log.info(f"  {headline(result)}")
        return result
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        common = not work_began or isinstance(error, CellError)  # every process meets it alike
        alone = accelerator.num_processes > 1 and not common
        result = _failure(setting, job, cell or unread_cell(setting, job), error)
        if (alone and not lost_another(error)) or (not alone and accelerator.is_main_process):
            _record(setting, job, result, error)
        if alone:
            raise  # the other processes are waiting for this one: end them all
        return result
    finally:
        if accelerator.device.type != "cpu":
            accelerator.free_memory()


def headline(result: Result) -> str:
    """The main metric with its interval, or why there is none."""
    if result.status == "failed":
        return f"failed: {result.reason}"
    best = result.metrics[result.main]
    labels = ["synthetic"] * result.synthetic + [f"subset {result.subset}"] * (result.subset is not None)
    value = f"{result.main} {best.value:.2f} ({best.low:.2f} – {best.high:.2f})"
    return value + (f" [{', '.join(labels)}]" if labels else "")


def _failure(setting: Setting, job: Job, cell: Cell, error: Exception) -> Result:
    return Result(**_subject(setting, job, cell), status="failed", reason=_reason(error))


def _record(setting: Setting, job: Job, result: Result, error: Exception) -> None:
    """Keep a failure; the traceback goes to the log."""
    setting.log.write("".join(traceback.format_exception(error)).rstrip())
    setting.folder.add(f"{job.name}-{result.cell.id[:12]}", result)
    setting.log.info(f"  {headline(result)}")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, HumanbenchError):
        return text
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return f"out of memory ({text[:200]}); a smaller train.batch_size with train.accumulate may help"
    return f"{type(error).__name__}: {text}"


def _subject(setting: Setting, job: Job, cell: Cell) -> dict[str, Any]:
    recipe, backbone = job.recipe, setting.backbone
    return {
        "cell": cell,
        "dataset": job.card.id,
        "task": job.card.task,
        "scenario": scenario(job.card, backbone.pretrained_on),
        "backbone": backbone.name,
        "checkpoint": setting.checkpoint,
        "regime": recipe.regime,
        "suite": recipe.suite,
        "variant": recipe.variant,
        "seed": job.seed,
        "synthetic": is_synthetic(dataset_folder(job.card, setting.data_root)),
        "subset": cell.subset,
        "recipe_source": recipe.source,
    }


@dataclass
class _Run:
    """The steps of one cell, and what they leave for the record."""

    setting: Setting
    accelerator: Accelerator
    work: Work
    cache: dict[str, str] = field(default_factory=dict)
    cost: Cost | None = None
    started: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    def result(self) -> Result:
        """Fit, predict, write, score, record; every process returns the result."""
        if self.accelerator.is_main_process:
            self._describe()
        self.work.model.to(self.accelerator.device)
        progress = self._fit() if self.work.recipe.fits else self._remember()
        predicted = self._predict()
        written = self._finish(progress, predicted).to_json() if self.accelerator.is_main_process else ""
        return Result.model_validate_json(gathered(self.accelerator, written)[0])

    def _place(self, kind: str, suffix: str) -> Path:
        return self.setting.folder.place(kind, self.work.name, suffix)

    def _describe(self) -> None:
        """Freeze report and recipe, before anything is computed."""
        report, recipe = self.work.model.report, self.work.recipe
        write_text(self._place("freeze", ".txt"), report.to_text() + "\n")
        write_text(self._place("freeze", ".json"), json.dumps(report.as_dict(), indent=1) + "\n")
        write_text(self._place("recipes", ".json"), recipe.model_dump_json(indent=1) + "\n")

    def _fit(self) -> Progress:
        work, setting = self.work, self.setting
        data = work.task.training_data(
            work.card, work.tables.train, work.recipe, work.model.backbone.preprocessing, work.job.seed
        )
        checkpoint = self.setting.folder.place("checkpoints", work.name, ".pt")
        common = (data, work.recipe, work.job.seed, share_of(self.accelerator), work.task.collate)
        feed = FreshFeed(*common, setting.workers, self.accelerator.device.type == "cuda")
        stores = self._training_stores(data, length(work.recipe, len(feed.batches(0)))[0])
        if stores:
            feed = StoredFeed(*common, stores)
        fit = Fit(self.accelerator, work.model, work.recipe, work.job.seed, feed, setting.log, checkpoint, work.cell.id)
        progress = fit.run()
        if self.accelerator.is_main_process:
            tensors = {name: t.detach().cpu().clone().contiguous() for name, t in learnt(work.model).items()}
            about = {
                "backbone": setting.backbone.name,
                "weights_sha256": work.cell.weights_sha256,
                "cell": work.cell.id,
            }
            write_bytes(self._place("weights", ".safetensors"), save(tensors, about))
        return progress

    def _remember(self) -> Progress:
        """Without finetuning: a head of nearest neighbours gets the features of the training pictures."""
        work, head = self.work, self.work.model.head
        if hasattr(head, "remember"):
            preprocessing = work.model.backbone.preprocessing
            data = work.task.test_data(work.card, work.tables.train, work.recipe, preprocessing, self.setting.files)
            known = predict(
                self.accelerator, work.model, work.task, data, work.recipe, self.setting.log,
                workers=self.setting.workers,
            )  # fmt: skip
            head.remember(gathered(self.accelerator, known.decoded)[0])  # type: ignore[operator]
        return Progress()

    def _training_stores(self, data: Any, epochs: int) -> list[Store]:
        """A store per fixed view, or none where they do not apply; `cache` says which."""
        views = self.work.recipe.train.views
        reason = self._no_cache()
        if reason is None and not views:
            reason = "every epoch draws new augmentations (train.views = 0)"
        if reason is None and views >= epochs:
            reason = f"{views} views would not be seen twice in {epochs} epochs"
        if reason is not None:
            self.cache["train"] = f"not used: {reason}"
            return []
        tables = self.work.tables.train
        wanted = [Wanted(data, v, ("plain",), views, self._about("train", list(tables))) for v in range(views)]
        return self._stores("train", wanted)

    def _no_cache(self) -> str | None:
        if not self.setting.cache:
            return "switched off"
        if self.work.model.split_index == 0:
            return "no part of the backbone is frozen"
        return None

    def _stores(self, part: str, wanted: list[Wanted]) -> list[Store]:
        work = self.work
        cache = TrunkCache(
            self.accelerator, work.model, work.recipe, work.task.collate, self.setting.workers, self.setting.log
        )
        try:
            stores = [cache.store(one) for one in wanted]
        except NotCached as reason:
            self.cache[part] = f"not used: {reason}"
            self.setting.log.info(f"  trunk outputs of {part} images are not stored: {reason}")
            return []
        self.cache[part] = f"used ({', '.join(one.key[:12] for one in wanted)})"
        return stores

    def _about(self, part: str, splits: list[str]) -> dict[str, Any]:
        """Everything that decides what the frozen trunk makes of this part's samples, and what targets they have."""
        work, recipe = self.work, self.work.recipe
        preprocessing = work.model.backbone.preprocessing
        decisive = recipe.model_dump(mode="json", include={"input", "augment", "head", "loss", "test"})
        return {
            "humanbench": __version__,
            "part": part,
            "dataset": work.card.id,
            "splits": splits,
            "data": work.tables.hashes[part],
            "inputs": work.cell.inputs,
            "weights": work.cell.weights_sha256,
            "architecture": work.cell.architecture,
            "parting": work.model.split_index,
            "wanted": work.model.backbone.feature_level,
            "preprocessing": [preprocessing.mean, preprocessing.std, preprocessing.interpolation],
            "recipe": decisive,
            "amp": recipe.train.amp,
            "seed": work.job.seed if part == "train" else None,
        }

    def _predict(self) -> Predicted:
        work = self.work
        data = work.task.test_data(
            work.card, work.tables.test, work.recipe, work.model.backbone.preprocessing, self.setting.files
        )
        if self.accelerator.is_main_process:
            self.cost = forward_cost(work.model.backbone, *data[0]["image"].shape[-2:])
        store = None
        if (reason := self._no_cache()) is not None:
            self.cache["test"] = f"not used: {reason}"
        else:
            views = tuple(work.task.test_views(work.recipe))
            about = self._about("test", list(work.tables.test))
            store = next(iter(self._stores("test", [Wanted(data, 0, views, 1, about)])), None)
        return predict(
            self.accelerator,
            work.model,
            work.task,
            data,
            work.recipe,
            self.setting.log,
            store,
            self.setting.workers,
        )

    def _finish(self, progress: Progress, predicted: Predicted) -> Result:
        """Write the predictions, score the file, add the result; then the checkpoint is not needed any more."""
        work, setting = self.work, self.setting
        path = self._place("predictions", SUFFIX[work.card.task])
        if path.is_dir():  # of a run that ended before its result was written
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        decoded = work.task.predictions(work.card, work.tables.test, predicted.decoded)
        task_for(work.card).write_predictions(work.card, work.tables.test, decoded, path)
        started = time.perf_counter()
        report = score(work.card, path, setting.data_root, subset=setting.subset)
        seconds = {"fit": progress.seconds, "predict": predicted.seconds, "score": time.perf_counter() - started}
        speeds = {"fit": progress.images_per_second, "predict": predicted.images_per_second}
        result = self._record(report, path, progress, seconds, speeds)
        setting.folder.add(work.name, result)
        setting.folder.place("checkpoints", work.name, ".pt").unlink(missing_ok=True)
        return result

    def _record(
        self,
        report: ScoreReport,
        path: Path,
        progress: Progress,
        seconds: dict[str, float],
        speeds: dict[str, float],
    ) -> Result:
        work, setting = self.work, self.setting
        subject = _subject(setting, work.job, work.cell) | {"synthetic": work.tables.synthetic, "status": "done"}
        commit, dirty = git_state()
        own = work.tables.test | {s: t for s, t in work.tables.train.items() if t.attrs["dataset"] == work.card.id}
        provenance = Provenance(
            humanbench=__version__,
            git_commit=commit,
            git_dirty=dirty,
            packages=packages(),
            python=platform.python_version(),
            platform=machine(),
            device=device_name(self.accelerator),
            processes=self.accelerator.num_processes,
            command=setting.command,
            started=self.started,
            seconds={name: round(value, 3) for name, value in seconds.items()},
            images_per_second={name: round(value, 2) for name, value in speeds.items()},
            dataset_fingerprint=fingerprint(work.card, own),
            freeze_sha256=work.model.report.sha256,
            predictions_sha256=report.predictions_sha256,
            cache=self.cache,
        )
        return Result(
            **subject,
            main=report.main,
            split=report.split,
            unit=report.unit,
            metrics=report.metrics,
            info=report.info,
            trainable=work.model.report.trainable_values,
            frozen=work.model.report.frozen_values,
            cost=self.cost,
            epochs=progress.epoch,
            iterations=progress.iteration,
            history=[{k: v if math.isfinite(v) else None for k, v in entry.items()} for entry in progress.history],
            predictions=str(path.relative_to(setting.folder.path)),
            provenance=provenance,
        )
