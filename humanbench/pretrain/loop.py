"""The loop of pretraining: every step takes all entries, in one process or many, and can be interrupted at any moment.

Random numbers of a microbatch are seeded by (seed, step, entry, number), its samples by the step: so a run that was
interrupted and a run on several processes give the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor

from humanbench.data.collate import normalised
from humanbench.data.sampling import mixed_seed
from humanbench.engine.batches import read_ahead
from humanbench.engine.checkpoint import load_checkpoint, save_checkpoint
from humanbench.engine.devices import Rank
from humanbench.engine.trackers import Follower
from humanbench.errors import HumanbenchError
from humanbench.optim.groups import parameter_groups
from humanbench.optim.optimisers import build_optimiser
from humanbench.optim.schedules import Rates
from humanbench.pretrain.entries import EntryData, Microbatches, batch_plan
from humanbench.pretrain.gradients import Pulls, ruling, shares
from humanbench.pretrain.network import Network
from humanbench.pretrain.ranks import Microbatch, ProcessGroups, assign, ranks_by_module
from humanbench.pretrain.recipe import PretrainRecipe
from humanbench.pretrain.running_statistics import RunningStatistics
from humanbench.regimes import freeze
from humanbench.run_log import RunLog
from humanbench.tasks.training import Batch

COUNTED = "people"
"""Key of a detection batch: people of a microbatch, averaged over those of the entry; losses are divided by it."""


@dataclass(frozen=True)
class Process(Rank):
    """This process among all, and where it computes."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass
class TrainState:
    """How far a pretraining is: steps done, images seen, seconds, and per save the mean loss of every entry since."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class PretrainLoop:
    """A pretraining by a recipe. `run` goes from the checkpoint, or the start, to the end."""

    def __init__(
        self,
        network: Network,
        entries: Sequence[EntryData],
        recipe: PretrainRecipe,
        seed: int,
        process: Process,
        checkpoint: Path,
        identity: str,
        log: RunLog,
        workers: int = 0,
        follower: Follower | None = None,
    ) -> None:
        self.network, self.entries, self.recipe, self.seed = network.to(process.device), entries, recipe, seed
        self.process, self._log, self._workers = process, log, workers
        self._checkpoint, self.identity, self._follower = checkpoint, identity, follower or Follower(None, log)
        assigned = assign(entries, process.processes)
        self.microbatches: list[Microbatch] = assigned[process.rank]
        users = {number: network.unit_names(data) for number, data in enumerate(entries)}
        self._ranks = ranks_by_module(assigned, users)
        by_entry = ranks_by_module(assigned, {number: (data.name,) for number, data in enumerate(entries)})
        self._entry_ranks = [by_entry[data.name] for data in entries]
        self._groups = ProcessGroups([*self._ranks.values(), *self._entry_ranks])
        self._units = {name: network.unit(name) for name, ranks in self._ranks.items() if process.rank in ranks}
        parts = {n: data.entry.parts for n, data in enumerate(entries)}
        uses = {name: sum(parts[n] for n in users if name in users[n]) for name in self._units}
        self._users, self._running = users, RunningStatistics(self._units, uses)
        self._pulls = Pulls(network.backbone, len(entries), process.device)
        self._optimiser = _optimiser(network, recipe, set(self._units))
        self._rates = Rates(self._optimiser, recipe.schedule, recipe.iterations)
        self._foreign: dict[str, dict[str, Any]] = {}
        self._ruling_logged = False
        self.state = TrainState()

    def run(self) -> TrainState:
        """Train to the end; afterwards the first process holds the whole network as trained.

        Raises `HumanbenchError` when the loss of an entry is no longer finite.
        """
        self._resume()
        recipe, state = self.recipe, self.state
        self._follower.begin(state.step)
        self.network.train()
        batches = self._batches(state.step, recipe.iterations)
        sums = torch.zeros(len(self.entries), device=self.process.device)
        since, images = 0, sum(data.entry.images for data in self.entries)
        with self._log.bar("pretrain", recipe.iterations - state.step) as advance:
            while state.step < recipe.iterations:
                started = time.perf_counter()
                sums += self.step(state.step, batches)
                since += 1
                state.step += 1
                state.images += images
                state.seconds += time.perf_counter() - started
                advance(images, f"step {state.step}/{recipe.iterations}")
                if self._saves_after(state.step - 1):
                    self._record(sums, since)
                    sums, since = torch.zeros_like(sums), 0
        self._collect()
        self.network.eval()
        return state

    def _saves_after(self, step: int) -> bool:
        return (step + 1) % self.recipe.save_every == 0 or step + 1 == self.recipe.iterations

    def step(self, step: int, batches: Iterator[Batch]) -> Tensor:
        """One update from the next batches of this process; the loss of each entry (0 of foreign ones)."""
        self._rates.set(step)
        losses = torch.zeros(len(self.entries), device=self.process.device)
        self._running.begin()
        self._pulls.begin(self._saves_after(step))
        for entry in sorted({entry for entry, _ in self.microbatches}):
            numbers = [number for of, number in self.microbatches if of == entry]
            moved = [self._moved(next(batches)) for _ in numbers]
            self._count_people(entry, moved)
            losses[entry] = self._entry(step, entry, numbers, moved)
            self._pulls.after(entry)
        self._pulls.end()
        self._running.end(lambda tensor, name: self._groups.sum(tensor, self._ranks[name]))
        for name, ranks in self._ranks.items():
            if name in self._units:
                self._groups.sum_gradients(self._units[name], ranks)
        self._optimiser.step()
        self._optimiser.zero_grad()
        return losses

    def _entry(self, step: int, entry: int, numbers: Sequence[int], batches: Sequence[Batch]) -> Tensor:
        """Backward passes of an entry's microbatches; the sum of their shares of the entry's loss."""
        data = self.entries[entry]
        share = 1.0 / data.entry.parts
        weight = self.recipe.weights[data.name] * share
        total = torch.zeros((), device=self.process.device)
        autocast = torch.autocast(self.process.device.type, torch.bfloat16, enabled=self.recipe.amp == "bf16")
        for number, batch in zip(numbers, batches, strict=True):
            torch.manual_seed(mixed_seed(self.seed, step, entry, number))
            with self._running.microbatch(self._users[entry]), autocast:
                terms = self.network.losses(data, batch)
            loss = torch.stack([term.float() for term in terms.values()]).sum()
            (loss * weight).backward()  # type: ignore[no-untyped-call]
            total += loss.detach() * share
        return total

    def _count_people(self, entry: int, batches: Sequence[Batch]) -> None:
        if "boxes" not in batches[0]:
            return
        people = torch.tensor(float(sum(len(boxes) for batch in batches for boxes in batch["boxes"])))
        people = people.to(self.process.device)
        self._groups.sum(people, self._entry_ranks[entry])
        mean = max(float(people) / self.entries[entry].entry.parts, 1.0)
        for batch in batches:
            batch[COUNTED] = mean

    def _batches(self, start: int, stop: int) -> Iterator[Batch]:
        planned = batch_plan(self.entries, self.microbatches, self.seed, start, stop)
        pin = self.process.device.type == "cuda"
        return read_ahead(Microbatches(self.entries), _same, self._workers, pin, batch_size=None, sampler=planned)

    def _moved(self, batch: Batch) -> Batch:
        """The batch on this process's device, as the backbone wants it."""
        moved = send_to_device(batch, self.process.device, non_blocking=True)
        return normalised(moved, self.network.backbone.preprocessing)

    def _record(self, sums: Tensor, steps: int) -> None:
        if self.process.processes > 1:
            torch.distributed.all_reduce(sums)
        means = {data.name: float(value) / steps for data, value in zip(self.entries, sums, strict=True)}
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if bad:
            raise HumanbenchError(
                f"the loss of {', '.join(bad)} is not finite by step {self.state.step}; the checkpoint before stays; "
                "a smaller optim.lr or amp=no may help"
            )
        broken = self._broken()
        if broken:
            raise HumanbenchError(
                f"weights of {', '.join(broken)} are not finite by step {self.state.step}; the checkpoint before "
                "stays; a smaller optim.lr or amp=no may help"
            )
        self.state.history.append({"step": float(self.state.step)} | means)
        pulls = self._shares()
        rate = max(float(group["lr"]) for group in self._optimiser.param_groups)
        self._follower.row(self.state.step, {"seconds": round(self.state.seconds, 3), "lr": rate} | means | pulls)
        self._log.step("  ".join([f"step {self.state.step}", *(f"{n} {v:.4g}" for n, v in means.items())]))
        self._collect()
        if self.process.rank == 0:
            save_checkpoint(self._checkpoint, self.identity, self._state())
        if self.process.processes > 1:
            torch.distributed.barrier()

    def _shares(self) -> dict[str, float]:
        """Each entry's share of the gradient on the backbone in the step before, by column of the curves.

        Of an entry that several processes share, parts count as if they pulled in directions at right angles.
        """
        if self.process.processes > 1:
            torch.distributed.all_reduce(self._pulls.squares)
        names, parts = [data.name for data in self.entries], shares(self._pulls.squares)
        if (sentence := ruling(names, parts)) and not self._ruling_logged:
            self._ruling_logged = True
            self._log.info(f"  {sentence}")
        return {f"gradient/{name}": round(part, 4) for name, part in zip(names, parts, strict=True)}

    def _broken(self) -> list[str]:
        """Names of the units that hold a parameter that is not finite, in any process."""
        flags = torch.zeros(len(self._ranks), device=self.process.device)
        for place, name in enumerate(self._ranks):
            parameters = self._units[name].parameters() if name in self._units else ()
            flags[place] = any(not bool(p.isfinite().all()) for p in parameters)
        if self.process.processes > 1:
            torch.distributed.all_reduce(flags)
        return [name for name, flag in zip(self._ranks, flags.tolist(), strict=True) if flag]

    def _collect(self) -> None:
        """Bring units and their optimiser state that other processes trained to the first one, one after another."""
        for name, ranks in self._ranks.items():
            owner = ranks[0]
            if owner == 0:
                continue
            if self.process.rank == owner:
                self._groups.send(self._unit_state(name), 0)
            elif self.process.rank == 0:
                weights, moments = self._groups.receive(owner)
                self.network.unit(name).load_state_dict(weights)
                self._foreign[name] = moments

    def _unit_state(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        module = self.network.unit(name)
        weights = {key: tensor.detach().cpu() for key, tensor in module.state_dict().items()}
        return weights, {
            key: send_to_device(self._optimiser.state.get(p, {}), "cpu") for key, p in module.named_parameters()
        }

    def moments(self) -> dict[str, dict[str, Any]]:
        """State of the optimiser by unit and parameter (on the first process that of all units)."""
        return {n: self._unit_state(n)[1] if n in self._units else self._foreign[n] for n in self._ranks}

    def _state(self) -> dict[str, Any]:
        weights = {n: self.network.unit(n).state_dict() for n in self._ranks}
        return {"weights": weights, "moments": self.moments(), "course": vars(self.state)}

    def check_free(self) -> None:
        """`HumanbenchError` where the checkpoint's place is taken by that of another content: it would be lost."""
        if self._checkpoint.is_file() and not self.checkpointed():
            raise HumanbenchError(
                f"{self._checkpoint}: is of a pretraining with another recipe, start, seed or data (or cannot be "
                "read), and this one would overwrite it; give another --out, or remove it"
            )

    def checkpointed(self) -> bool:
        """Whether a run of the same content was interrupted here."""
        return self._interrupted is not None

    @cached_property
    def _interrupted(self) -> dict[str, Any] | None:
        """The state of an interrupted run of the same content; its file may be large and is read once."""
        return load_checkpoint(self._checkpoint, self.identity)

    def _resume(self) -> None:
        state = self._interrupted
        self.__dict__.pop("_interrupted")  # its memory is wanted
        if state is None:
            return
        self.load(state["weights"], state["moments"])
        self.state = TrainState(**state["course"])
        self._log.info(f"  going on after step {self.state.step} of {self.recipe.iterations}")

    def load(self, weights: dict[str, dict[str, Tensor]], moments: dict[str, dict[str, Any]]) -> None:
        """Weights and moments of the optimiser by unit."""
        for name, tensors in weights.items():
            module = self.network.unit(name)
            module.load_state_dict(tensors)
            self._foreign[name] = moments[name]
            if name in self._units:
                for key, parameter in module.named_parameters():
                    if moments[name].get(key):
                        self._optimiser.state[parameter] = _placed(moments[name][key], parameter.device)


def _optimiser(network: Network, recipe: PretrainRecipe, units: set[str]) -> torch.optim.Optimizer:
    """The optimiser over the parameters of these units."""
    fixed = {"freeze_pos_embed": recipe.method == "mae"}  # MAE's positions are sines and cosines and stay so
    report = freeze(network.backbone, network.upper, "full", fixed)
    groups = parameter_groups(
        network.backbone, network.upper, report, recipe.optim.lr,
        layer_decay=recipe.optim.layer_decay, weight_decay=recipe.optim.weight_decay,
    )  # fmt: skip
    members = {id(p) for name in units for p in network.unit(name).parameters()}
    for group in groups:
        group["params"] = [p for p in group["params"] if id(p) in members]
    groups = [{k: v for k, v in group.items() if k != "names"} for group in groups if group["params"]]
    return build_optimiser(recipe.optim, groups)


def _same(batch: Any) -> Any:
    return batch


def _placed(state: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """An optimiser's state of a parameter on its device; AdamW keeps its step on the CPU."""
    return {k: v.to(device) if isinstance(v, Tensor) and k != "step" else v for k, v in state.items()}
