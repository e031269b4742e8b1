"""Fitting: iterations over batches, a checkpoint after every epoch, the same numbers after an interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, send_to_device
from torch import Tensor

from humanbench.data.collate import normalised
from humanbench.data.sampling import mixed_seed
from humanbench.engine.batches import TrainingBatches
from humanbench.engine.checkpoint import DamagedCheckpoint, read_checkpoint, save_checkpoint
from humanbench.engine.finetune import CellError, EmaWeights, Finetune, load_trainable_state, trainable_state_dict
from humanbench.engine.trackers import Follower
from humanbench.optim.groups import parameter_groups
from humanbench.optim.optimisers import build_optimiser
from humanbench.optim.schedules import Rates
from humanbench.recipes import Recipe
from humanbench.run_log import RunLog
from humanbench.tasks.training import Batch

CHECK_EVERY = 20
"""Iterations between looks at the loss: looking makes the processor wait for the GPU."""


@dataclass
class Progress:
    """How far a fit is: epochs and iterations done, images seen by all processes, seconds, mean losses per epoch."""

    epoch: int = 0
    iteration: int = 0
    images: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0


def length(recipe: Recipe, batches: int) -> tuple[int, int]:
    """Epochs and iterations (optimiser steps) of a recipe whose first epoch has this many batches."""
    steps = max(1, math.ceil(batches / recipe.train.accumulate))
    if recipe.train.epochs is not None:
        return recipe.train.epochs, recipe.train.epochs * steps
    iterations = recipe.train.iterations or 0
    return math.ceil(iterations / steps), iterations


class Fit:
    """A fit of a model by a recipe. `run` goes from the checkpoint, or the start, to the end.

    Randomness inside the network (drop path, dropout) is seeded anew for every epoch and process, so an epoch needs
    nothing of the one before but the checkpoint.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: Finetune,
        recipe: Recipe,
        seed: int,
        batches: TrainingBatches,
        log: RunLog,
        checkpoint: Path,
        identity: str,
        follower: Follower | None = None,
    ) -> None:
        self._accelerator, self._recipe, self._seed = accelerator, recipe, seed
        self._batches, self._log = batches, log
        self._checkpoint, self._identity = checkpoint, identity
        self._follower = follower or Follower(None, log)
        self._epochs, self._iterations = length(recipe, len(batches.of_epoch(0)))
        self._groups = parameter_groups(
            model.backbone,
            model.head,
            model.report,
            recipe.optim.lr,
            backbone_scale=recipe.optim.backbone_scale,
            layer_decay=recipe.optim.layer_decay,
            weight_decay=recipe.optim.weight_decay,
            head_weight_decay=recipe.optim.head_weight_decay,
        )
        self._optimiser = build_optimiser(recipe.optim, self._groups)
        self._rates = Rates(self._optimiser, recipe.schedule, self._iterations)
        self._model, self._prepared = model, accelerator.prepare(model)
        self._prepared_optimiser = accelerator.prepare(self._optimiser)
        self._ema: EmaWeights | None = None
        self.progress = Progress()

    def run(self) -> Progress:
        """Fit to the end; what is tested afterwards is in the model (the averaged weights if the recipe has them).

        Raises `CellError` when the loss is no longer finite.
        """
        self._resume()
        self._follower.begin(self.progress.iteration)
        if self._recipe.train.ema and self._ema is None:
            self._ema = EmaWeights(self._model, self._recipe.train.ema)
        if self._recipe.train.batch_size < self._accelerator.num_processes:
            self._log.info(
                f"  {self._accelerator.num_processes} processes share batches of {self._recipe.train.batch_size}: "
                "pictures are computed more than once; fewer processes do as well"
            )
        left = self._iterations - self.progress.iteration
        with self._log.bar("fit", left) as advance:
            try:
                while not self._done():
                    self._epoch(advance)
                    if self._accelerator.is_main_process:
                        save_checkpoint(self._checkpoint, self._identity, self._state())
                    self._accelerator.wait_for_everyone()
            finally:
                self._batches.close()
        if self._ema is not None:
            load_trainable_state(self._model, self._ema.values)
        # Running statistics of batch norms are each process's own until here; the saved weights have the first one's.
        load_trainable_state(self._model, broadcast(trainable_state_dict(self._model)))
        return self.progress

    def _done(self) -> bool:
        """Iterations count where the recipe has them: identity-balanced epochs are not all of one length."""
        if self._recipe.train.iterations is not None:
            return self.progress.iteration >= self._iterations
        return self.progress.epoch >= self._epochs

    def _epoch(self, advance: Any) -> None:
        progress = self.progress
        torch.manual_seed(mixed_seed(self._seed, progress.epoch, self._accelerator.process_index))
        self._prepared.train()
        started = time.perf_counter()
        totals: dict[str, Tensor] = {}
        done = 0
        for step in _grouped(self._batches.epoch(progress.epoch), self._recipe.train.accumulate):
            if progress.iteration >= self._iterations and self._recipe.train.iterations is not None:
                break
            losses, images = self._step(step)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0) + value
            done += 1
            progress.iteration += 1
            progress.images += images
            state = ""
            if done % CHECK_EVERY == 0 or done == 1:
                state = f"epoch {progress.epoch + 1}/{self._epochs}, loss {self._checked(totals, done):.4g}"
            advance(images, state)
        if not done:
            raise CellError(f"epoch {progress.epoch + 1} has no batch: there is nothing to train on")
        self._checked(totals, done)
        progress.seconds += time.perf_counter() - started
        progress.history.append({name: float(value) / max(1, done) for name, value in totals.items()})
        progress.epoch += 1
        terms = ", ".join(f"{name} {value:.4g}" for name, value in progress.history[-1].items())
        self._follower.row(progress.iteration, self._numbers())
        speed = f"{progress.images_per_second:,.0f} images/s"
        self._log.step(f"  epoch {progress.epoch}/{self._epochs}: {terms}; {speed}")

    def _numbers(self) -> dict[str, float]:
        """Of the epoch that ended: how far the fit is, the largest learning rate, and the mean loss terms."""
        progress = self.progress
        return {
            "epoch": float(progress.epoch),
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(progress.images_per_second, 2),
            "lr": max(float(group["lr"]) for group in self._optimiser.param_groups),
            **progress.history[-1],
        }

    def _step(self, batches: list[Batch]) -> tuple[dict[str, Tensor], int]:
        """One optimiser step over one or more batches; their mean losses and the number of images of all processes."""
        accelerator, optim = self._accelerator, self._recipe.optim
        self._rates.set(self.progress.iteration)
        sums: dict[str, Tensor] = {}
        images = 0
        for number, batch in enumerate(batches, 1):
            moved = send_to_device(batch, accelerator.device, non_blocking=True)
            moved = normalised(moved, self._model.backbone.preprocessing)
            waiting = number < len(batches)
            with accelerator.no_sync(self._prepared) if waiting else nullcontext(), accelerator.autocast():
                losses = self._prepared(moved)
            total = torch.stack([value.float() for value in losses.values()]).sum() / len(batches)
            with accelerator.no_sync(self._prepared) if waiting else nullcontext():
                accelerator.backward(total)
            for name, value in (losses | {"loss": total * len(batches)}).items():
                sums[name] = sums.get(name, 0) + value.detach().float() / len(batches)
            images += len(batch["image"]) * accelerator.num_processes
        if optim.clip is not None:
            part = self._model if optim.clip_of == "all" else self._model.backbone
            accelerator.clip_grad_norm_([p for p in part.parameters() if p.requires_grad], optim.clip)
        self._prepared_optimiser.step()
        self._prepared_optimiser.zero_grad()
        if self._ema is not None:
            self._ema.update(self._model, self.progress.iteration)
        return sums, images

    def _checked(self, totals: dict[str, Tensor], done: int) -> float:
        """The mean loss so far; `CellError` on every process when it is not finite on any."""
        if not done:
            return math.nan
        mean = float(self._accelerator.reduce(totals["loss"], "mean")) / done
        if not math.isfinite(mean):
            terms = ", ".join(f"{name} {float(value) / done:.4g}" for name, value in totals.items())
            raise CellError(
                f"the loss is {mean} in epoch {self.progress.epoch + 1}, by iteration {self.progress.iteration} "
                f"({terms}); a smaller optim.lr or train.amp=no may help"
            )
        return mean

    def _state(self) -> dict[str, Any]:
        scaler = getattr(self._accelerator, "scaler", None)
        return {
            "trainable": trainable_state_dict(self._model),
            "optimiser": self._optimiser.state_dict(),
            "ema": self._ema.values if self._ema is not None else None,
            "scaler": scaler.state_dict() if scaler is not None else None,
            "progress": asdict(self.progress),
        }

    def _resume(self) -> None:
        """Go on from the checkpoint, if there is one; a damaged one leaves everything as it was, and is said."""
        try:
            state = read_checkpoint(self._checkpoint, self._identity)
            if state is None:
                return
            self._check_fits(state)
        except DamagedCheckpoint as reason:
            self._log.info(f"  the interrupted fit cannot go on, it starts anew: {self._checkpoint}: {reason}")
            return
        load_trainable_state(self._model, state["trainable"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(**state["progress"])
        scaler = getattr(self._accelerator, "scaler", None)
        if scaler is not None and state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        if state["ema"] is not None:
            self._ema = EmaWeights(self._model, self._recipe.train.ema)
            self._ema.values = send_to_device(state["ema"], self._accelerator.device)
        self._log.info(f"  going on after epoch {self.progress.epoch} of {self._epochs}")

    def _check_fits(self, state: dict[str, Any]) -> None:
        """`DamagedCheckpoint` unless a state has the parts of `_state`, with tensors of the model's shapes."""
        missing = {"trainable", "optimiser", "ema", "scaler", "progress"} - state.keys()
        if missing:
            raise DamagedCheckpoint(f"it lacks {', '.join(sorted(missing))}, as those of earlier versions do")
        try:
            expected = {name: tensor.shape for name, tensor in trainable_state_dict(self._model).items()}
            for tensors in (state["trainable"], state["ema"] or state["trainable"]):
                if {name: tensor.shape for name, tensor in tensors.items()} != expected:
                    raise DamagedCheckpoint("its tensors are not those of this network")
            groups, saved = self._optimiser.param_groups, state["optimiser"]["param_groups"]
            if [len(group["params"]) for group in groups] != [len(group["params"]) for group in saved]:
                raise DamagedCheckpoint("its optimiser is not the recipe's")
            Progress(**state["progress"])
        except (TypeError, KeyError, AttributeError) as error:
            raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from error


def _grouped(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Batches in groups of `size`, the last one perhaps smaller."""
    while group := list(islice(batches, size)):
        yield group
